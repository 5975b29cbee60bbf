"""The check of ``[publish.<name>]``: folder, sources, programs, and a run that failed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.admin.check import CheckResult
from flows.pipeline.snapshot import current_snapshot
from flows.publication.failures import error_of
from flows.publication.state import PublicationState, state_file
from flows.publish_settings import PublishSettings
from flows.secrets.redact import redact_text
from flows.settings import Settings
from flows.settings_file import did_you_mean
from warehouse import connect_read_only
from warehouse.errors import WarehouseError

_SOURCES = "SELECT DISTINCT source FROM articles"


def check_publications(settings: Settings) -> Iterator[CheckResult]:
    """Check every publication; change nothing."""
    known = _sources(settings) if settings.publish else set()
    for name, one in settings.publish.items():
        found = [*_errors(name, one, known), *_warnings(settings, name, one)]
        yield from found or [CheckResult("publish", "ok", f"{name}: {one.format} in {one.folder}")]


def _errors(name: str, one: PublishSettings, known: set[str]) -> Iterator[CheckResult]:
    if problem := _folder_problem(one.folder):
        yield CheckResult("publish", "error", f"{name}: {problem}")
    for source in one.sources:
        if source not in known:
            hint = did_you_mean(source, known)
            message = f"{name}: publish.{name}.sources: there is no source {source!r}{hint}"
            yield CheckResult("publish", "error", message)
    for program in sorted({arguments[0] for arguments in one.command}):
        if not shutil.which(one.folder / program if "/" in program else program):
            message = f"{name}: there is no program {program}: install it, or correct command"
            yield CheckResult("publish", "error", message)


def _warnings(settings: Settings, name: str, one: PublishSettings) -> Iterator[CheckResult]:
    if error := error_of(settings, name):
        what = redact_text(error).replace("\n", " ")
        message = f"{name}: its last run failed: {what}. `copydesk publish {name}` repeats it"
        yield CheckResult("publish", "warning", message)
        return
    with PublicationState(state_file(settings, name), one.folder, is_read_only=True) as state:
        if state.pending is not None and one.command:
            message = (
                f"{name}: its command has not succeeded since the last change: `copydesk publish "
                f"{name}` repeats it and shows its error"
            )
            yield CheckResult("publish", "warning", message)


def _folder_problem(folder: Path) -> str:
    """Why a folder cannot be written; empty if it can, or can be made."""
    here = next(one for one in (folder, *folder.parents) if one.exists())
    if not here.is_dir():
        return f"{here} is no folder: name another one as folder"
    if not os.access(here, os.W_OK | os.X_OK):
        return f"{here} cannot be written by this user: change its owner or its permissions"
    return ""


def _sources(settings: Settings) -> set[str]:
    """The configured sources, and those of stored articles."""
    known = set(settings.sources)
    with suppress(WarehouseError), connect_read_only(current_snapshot(settings).path) as db:
        known.update(source for (source,) in db.execute(_SOURCES).fetchall())
    return known
