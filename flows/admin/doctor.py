"""Checks of the installation and what it runs on: the work behind ``copydesk doctor``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from flows.admin.check import CheckResult
from flows.admin.integrity import check_archive, check_blocks, check_hashes
from flows.callbacks import OnProgress, no_progress
from flows.pipeline.run import fetch_policy
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_read_only, current_snapshot, migrate
from warehouse.duckdb_errors import translate_error
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseMissing, WrongSnapshot

TESTED_VERSIONS = {"duckdb": ("1.5.5", "2.0.0"), "prefect": ("3.8.8",)}
FREE_BYTES = 2_000_000_000
_WAITING = {
    "quarantine list": "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL",
    "gaps": "SELECT count(*) FROM gaps WHERE closed_by IS NULL",
}


def check_installation(
    settings: Settings, *, deep: bool = False, progress: OnProgress = no_progress
) -> list[CheckResult]:
    """Every finding, in the order of the way of an article.

    Args:
        settings: What to look at.
        deep: Read every block of the warehouse and every record of the archive, and compare.
        progress: Told how far a deep examination is.
    """
    looks: list[Callable[[], Iterator[CheckResult]]] = [
        _versions,
        lambda: _politeness(settings),
        lambda: _sources(settings),
        lambda: _disk(settings),
        lambda: _archive(settings, deep=deep),
        lambda: _warehouse(settings, deep=deep),
        lambda: _snapshot(settings),
        *([lambda: _compared(settings, progress)] if deep else []),
        lambda: _server(settings),
    ]
    return [finding for look in looks for finding in look()]


def _versions() -> Iterator[CheckResult]:
    yield CheckResult("python", "ok", sys.version.split()[0])
    for package, tried in TESTED_VERSIONS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            yield CheckResult(package, "broken", "not installed; run `make install`")
            continue
        if found in tried:
            yield CheckResult(package, "ok", found)
        else:
            says = f"{found}; this copydesk was tried with {' and '.join(tried)}"
            yield CheckResult(package, "attention", says)
    try:
        version("pytz")
    except PackageNotFoundError:
        yield CheckResult("pytz", "broken", "not installed; DuckDB needs it to return times")


def _politeness(settings: Settings) -> Iterator[CheckResult]:
    policy_warnings = fetch_policy(settings.fetch, ()).policy_warnings()
    for complaint in policy_warnings:
        yield CheckResult("politeness", "attention", complaint)
    if not policy_warnings:
        yield CheckResult("politeness", "ok", settings.fetch.user_agent)


def _sources(settings: Settings) -> Iterator[CheckResult]:
    slugs = ", ".join(settings.sources)
    if slugs:
        yield CheckResult("sources", "ok", f"{slugs} (`copydesk sources check` asks them)")
    else:
        yield CheckResult("sources", "attention", "none; add a [sources.<name>] section")


def _disk(settings: Settings) -> Iterator[CheckResult]:
    for folder in dict.fromkeys(
        _existing(path.parent)
        for path in (settings.warehouse.path, settings.warehouse.snapshot, settings.archive.path)
    ):
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            yield CheckResult("disk", "broken", f"{folder} may not be written; change its owner")
        elif free < FREE_BYTES:
            yield CheckResult("disk", "attention", f"{folder} has only {free / 1e9:.1f} GB free")
        else:
            yield CheckResult("disk", "ok", f"{folder} has {free / 1e9:.0f} GB free")


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _archive(settings: Settings, *, deep: bool) -> Iterator[CheckResult]:
    path = settings.archive.path
    if not path.exists():
        yield CheckResult("archive", "ok", f"{path}: nothing fetched yet")
    elif not deep:
        yield CheckResult("archive", "ok", f"{path} (`--deep` reads every record)")


def _warehouse(settings: Settings, *, deep: bool) -> Iterator[CheckResult]:
    path = settings.warehouse.path
    try:
        with connect_read_only(path) as db:
            if behind := len(migrate.pending(db, str(path), migrate.migrations())):
                it = "it" if behind == 1 else "them"
                says = f"{path}: {pluralize(behind, 'migration')} behind; the next run applies {it}"
                yield CheckResult("warehouse", "attention", says)
                return
            if deep:
                yield from check_blocks(path, db)
            (count,) = db.execute("SELECT count(*) FROM articles").fetchall()[0]
            yield CheckResult("warehouse", "ok", f"{path}: {pluralize(count, 'article')}")
            yield from _waiting(db)
    except WarehouseMissing:
        yield CheckResult("warehouse", "ok", f"{path}: not there yet; the first run makes it")
    except WarehouseBusy as error:
        yield CheckResult("warehouse", "attention", f"{error}")
    except WarehouseError as error:
        yield CheckResult("warehouse", "broken", str(error))
    except duckdb.Error as error:
        yield CheckResult("warehouse", "broken", str(translate_error(error, path)))


def _waiting(db: duckdb.DuckDBPyConnection) -> Iterator[CheckResult]:
    """What runs have told and nobody has mended: no fault of the installation."""
    for what, sql in _WAITING.items():
        (count,) = db.execute(sql).fetchall()[0]
        says = f"{count} open: `copydesk {what}`" if count else "nothing is open"
        yield CheckResult(what.split()[0], "ok", says)


def _compared(settings: Settings, progress: OnProgress) -> Iterator[CheckResult]:
    """The words and the archive, against the read snapshot."""
    path: Path | None = None
    with suppress(WarehouseMissing, WrongSnapshot):
        path = current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.path).path
    try:
        if path is not None:
            with connect_read_only(path) as db:
                is_older = bool(migrate.pending(db, str(path), migrate.migrations()))
            path = None if is_older else path
        if path is not None:
            yield from check_hashes(path, progress)
        if settings.archive.path.exists():
            yield from check_archive(settings.archive.path, path, progress)
    except WarehouseError as error:
        yield CheckResult("snapshot", "broken", str(error))
    except duckdb.Error as error:
        yield CheckResult("snapshot", "broken", str(translate_error(error, path or "the snapshot")))


def _snapshot(settings: Settings) -> Iterator[CheckResult]:
    try:
        snapshot = current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.path)
    except WarehouseMissing:
        yield CheckResult("snapshot", "ok", "none yet; the first run publishes it")
        return
    except WrongSnapshot as error:
        yield CheckResult("snapshot", "broken", str(error))
        return
    minutes = snapshot.age().total_seconds() / 60
    yield CheckResult("snapshot", "ok", f"{settings.warehouse.snapshot}: {minutes:.0f} minutes old")


def _server(settings: Settings) -> Iterator[CheckResult]:
    from flows.serving import installation
    from flows.serving.neighbours import why_unusable
    from flows.serving.place import find_served, know_own_password, named_server, prefect_home

    if wrong := installation.trouble(settings):
        yield CheckResult("installation", "broken", wrong)
    url, start = named_server(os.environ), "; start it or unset PREFECT_API_URL"
    if url is None and (served := find_served(prefect_home(settings))):
        url = served.api_url
        start = f"; if it stays so, end `copydesk serve` (process {served.pid}) and start it again"
        if served.is_own:
            know_own_password(os.environ, served.api_url)
    if not url:
        yield CheckResult("server", "ok", "no PREFECT_API_URL: each run starts Prefect for itself")
    elif why := why_unusable(url):
        yield CheckResult("server", "broken", f"{url} {why}{start if 'answer' in why else ''}")
    else:
        yield CheckResult("server", "ok", f"{url} answers")
