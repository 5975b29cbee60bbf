"""From a command to a run: prepares Prefect's surroundings, catches Ctrl-C, waits.

Prefect is imported here and only when a run begins; it costs a second.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from flows.errors import RunFailed
from flows.progress import Advance, Say
from flows.report import Report

if TYPE_CHECKING:
    from flows.settings import Settings

LOG_LEVELS = {-1: "CRITICAL", 0: "CRITICAL", 1: "INFO"}


def run_sync(
    settings: Settings,
    sources: tuple[str, ...],
    *,
    config: Path | None,
    limit: int | None = None,
    dry_run: bool = False,
    say: Say,
    progress: Advance,
    verbosity: int = 0,
) -> Report:
    """One sync through Prefect, in this process.

    Raises:
        ConfigurationError: A source is unknown.
        RunFailed: Prefect could not run it.
        WarehouseError: The warehouse could not be written.
    """
    settings.chosen(sources)
    prepare_prefect(settings, say=say, verbosity=verbosity)
    from flows.sync import sync

    parameters = {
        "sources": list(sources) or None,
        "limit": limit,
        "dry_run": dry_run,
        "config": str(config) if config else None,
    }
    return run_flow(sync, parameters, say=say, progress=progress)


def run_import(
    settings: Settings,
    paths: Sequence[Path],
    *,
    source: str | None,
    say: Say,
    progress: Advance,
) -> Report:
    """One import, in this process; it needs no Prefect.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    from flows.posts.importing import import_posts
    from flows.run import Surroundings, surrounded_by

    stop = threading.Event()
    surroundings = Surroundings(stop=stop, progress=progress, say=say)
    with surrounded_by(surroundings), stopping_on_signals(stop, say):
        return import_posts(settings, paths, source=source)


def prepare_prefect(settings: Settings, *, say: Say, verbosity: int = 0) -> None:
    """Set what Prefect reads at import, where the user has not set it.

    Its home lies beside the warehouse, telemetry is off, and its own words are kept for
    ``--verbose``, for ours say the same.
    """
    home = settings.warehouse.path.parent / "prefect"
    chosen = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": LOG_LEVELS.get(verbosity, "DEBUG"),
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    }
    for name, value in chosen.items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" not in os.environ and "prefect" not in sys.modules:
        is_new = not (Path(os.environ["PREFECT_HOME"]) / "prefect.db").exists()
        took = "the first time takes up to half a minute" if is_new else "a few seconds"
        say(f"starting Prefect for this run ({took}; set PREFECT_API_URL to use a server)")


def run_flow(flow: Any, parameters: dict[str, Any], *, say: Say, progress: Advance) -> Report:
    """Call a flow in this process and give back its report, whatever its state.

    Ctrl-C asks it to end after what it is doing; a second one ends it at once.
    """
    from prefect import tags

    from flows.run import Surroundings, surrounded_by

    stop = threading.Event()
    surroundings = Surroundings(stop=stop, progress=progress, say=say)
    with (
        surrounded_by(surroundings),
        stopping_on_signals(stop, say),
        tags("copydesk", flow.name, *(parameters.get("sources") or ())),
    ):
        state = flow(**parameters, return_state=True)
    found = state.result(raise_on_failure=False)
    if isinstance(found, Report):
        return found
    if isinstance(found, Exception):
        raise found
    raise RunFailed(f"Prefect ended the run as {state.type.value}: {state.message}")


@contextmanager
def stopping_on_signals(stop: threading.Event, say: Say) -> Iterator[None]:
    """The first SIGINT or SIGTERM sets ``stop``; the next one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        say("stopping after what is under way; once more to stop at once")

    before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
