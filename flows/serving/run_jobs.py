"""From the commands that read something again to their runs, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from flows.callbacks import Notify, OnProgress
from flows.pipeline.date_range import parse_request
from flows.pipeline.stats import RunReport
from flows.serving.launch import run_flow
from flows.settings import resolve_config_file

if TYPE_CHECKING:
    from flows.settings import Settings


def run_backfill(
    settings: Settings,
    source: str,
    *,
    config: Path | None,
    first: date | None = None,
    last: date | None = None,
    urls: Sequence[str] = (),
    archive: Path | None = None,
    dry_run: bool = False,
    restart: bool = False,
    notify: Notify,
    progress: OnProgress,
    verbosity: int = 0,
) -> RunReport:
    """One backfill through Prefect, in this process.

    Raises:
        ConfigurationError: What is asked for cannot be meant; nothing ran.
        SourceBusy: Another backfill of the source is under way.
        RunFailed: Prefect could not run it.
        WarehouseError: The warehouse could not be written.
    """
    asked = parse_request(settings, source, first=first, last=last, urls=urls, archive=archive)
    parameters = {
        "source": source,
        "from_date": first,
        "to_date": last,
        "urls_file": str(_kept(settings, asked.urls)) if asked.urls else None,
        "archive": str(asked.archive) if asked.archive else None,
        "dry_run": dry_run,
        "restart": restart,
        "config": str(file) if (file := resolve_config_file(config)) else None,
    }
    return run_flow(
        "flows.backfill:backfill",
        parameters,
        settings=settings,
        notify=notify,
        progress=progress,
        verbosity=verbosity,
    )


def _kept(settings: Settings, urls: Sequence[str]) -> Path:
    """A file with the addresses: too many for a parameter, and they may come from a pipe."""
    text = "\n".join(urls) + "\n"
    folder = settings.warehouse.path.parent / "backfills"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{sha256(text.encode()).hexdigest()[:16]}.urls"
    file.write_text(text, encoding="utf-8")
    return file


def run_reparse(
    settings: Settings,
    sources: Sequence[str],
    *,
    config: Path | None,
    since: datetime | None = None,
    diff: bool = False,
    notify: Notify,
    progress: OnProgress,
    verbosity: int = 0,
) -> RunReport:
    """One reparse through Prefect, in this process.

    Raises:
        ConfigurationError: A source is unknown.
        RunFailed: Prefect could not run it.
        WarehouseError: There is no warehouse, or it could not be written.
    """
    from flows.pipeline.reparse_steps import require_warehouse

    settings.selected_sources(tuple(sources))
    require_warehouse(settings.warehouse.path)  # before Prefect is started for nothing
    parameters = {
        "sources": list(sources) or None,
        "since": since,
        "diff": diff,
        "config": str(file) if (file := resolve_config_file(config)) else None,
    }
    return run_flow(
        "flows.reparse:reparse",
        parameters,
        settings=settings,
        notify=notify,
        progress=progress,
        verbosity=verbosity,
    )
