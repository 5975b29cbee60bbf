"""Maintenance: delete what is old, verify what is stored. It needs no Prefect.

    maintain
    ├── rows           old fetches without a page, and old runs, deleted
    ├── snapshots      a new one published; old ones and files of killed processes deleted
    ├── warehouse      compacted, if much of it is unused
    ├── checkpoints    of backfills that ended long ago deleted
    ├── files          of the archive joined, one for each past day
    ├── upload         of archive files that wait, where the archive is a bucket
    ├── archive        closed files verified, each once
    └── old archive    moved to another folder, if one is given

A failed task does not stop the others. On Ctrl-C or SIGTERM it ends after the file it works on and
lists what remains; the next maintenance does it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from flows.admin import maintenance_tasks
from flows.admin.join_archive import join_archive
from flows.callbacks import Notify
from flows.errors import ConfigurationError, Interrupted
from flows.pipeline import locks
from flows.pipeline.run import SHUTDOWN_SECONDS
from flows.pipeline.signals import graceful_shutdown
from flows.secrets.redact import redact_text
from flows.settings import Settings
from warehouse.lake.version import exists
from warehouse.records import runs

CHECKPOINT_DAYS = 30
EXIT_CODES = {"completed": 0, "failed": 1, "interrupted": 130}

Call = Callable[[str, Callable[[], None]], None]
"""Calls the work of a task; its first argument is the name of the task."""


@dataclass(slots=True, kw_only=True)
class MaintenanceResult:
    """The result of a maintenance; secrets in messages are redacted.

    Attributes:
        done: Task to summary.
        errors: Failed tasks.
        remaining: Tasks for the next maintenance, because this one was interrupted.
    """

    run_id: str
    done: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """``failed``, ``interrupted`` or ``completed``; errors have priority."""
        if self.errors:
            return "failed"
        return "interrupted" if self.remaining else "completed"

    @property
    def exit_code(self) -> int:
        """The exit code of this state."""
        return EXIT_CODES[self.state]

    def message(self) -> str:
        """The result on one line."""
        if self.errors:
            return "; ".join(self.errors)
        done = "; ".join(f"{task}: {summary}" for task, summary in self.done.items())
        if not self.remaining:
            return done
        return f"interrupted; the next maintenance does: {', '.join(self.remaining)}. Done: {done}"

    def rows(self) -> list[dict[str, Any]]:
        """One row for each task, error and remaining task."""
        rows = [{"task": name, "result": summary} for name, summary in self.done.items()]
        rows += [{"task": "ERROR", "result": error} for error in self.errors]
        return rows + [{"task": "REMAINING", "result": name} for name in self.remaining]

    def as_json(self) -> dict[str, Any]:
        """The JSON document of the run."""
        return {
            "run_id": self.run_id,
            "flow": "maintenance",
            "state": self.state,
            "done": self.done,
            "errors": self.errors,
            "remaining": self.remaining,
            "seconds": round(self.seconds, 3),
        }


def _call(_name: str, work: Callable[[], None]) -> None:
    work()


def maintain(
    settings: Settings,
    *,
    fetch_retention_days: int | None = None,
    move_archive_days: int | None = None,
    move_archive_to: Path | None = None,
    verify_archive: bool = True,
    notify: Notify = lambda _text: None,
    call: Call = _call,
) -> MaintenanceResult:
    """Run every task of maintenance.

    Args:
        settings: The configuration.
        fetch_retention_days: Delete older rows of fetches, except the last complete one of each
            URL. By default all are kept.
        move_archive_days: Move archive files that are older to ``move_archive_to``, and leave
            links.
        move_archive_to: A folder, for example on another disk.
        verify_archive: Read every archive file that was closed since the last maintenance.
        notify: Called at the first signal.
        call: Calls each task.

    Raises:
        ConfigurationError: Files of a bucket are to be moved to a folder.
        SourceLocked: Another maintenance is running.
    """
    stop = threading.Event()
    result = MaintenanceResult(run_id=runs.new_run_id())
    tasks = _tasks(settings, fetch_retention_days, stop.is_set)
    if settings.archive.url:
        tasks["upload"] = lambda: maintenance_tasks.upload_archive(
            settings, is_stopping=stop.is_set
        )
    elif exists(settings.warehouse.location):
        tasks["files"] = lambda: join_archive(settings, is_stopping=stop.is_set)
    if verify_archive:
        tasks["archive"] = lambda: maintenance_tasks.verify_archive(
            settings, is_stopping=stop.is_set
        )
    if move_archive_to and settings.archive.url:
        raise ConfigurationError(
            "--move-archive-to moves files of a folder, and archive.url is a bucket: give the bucket "
            "a lifecycle rule instead"
        )
    if move_archive_to and move_archive_days:
        tasks["old archive"] = lambda: maintenance_tasks.move_archive(
            settings, move_archive_to, days=move_archive_days, is_stopping=stop.is_set
        )
    started = time.monotonic()
    lock = locks.acquire(settings, "maintenance", flow="maintenance", run_id=result.run_id)
    with graceful_shutdown(stop, notify, within=SHUTDOWN_SECONDS), lock:
        for name, work in tasks.items():
            if stop.is_set():
                result.remaining.append(name)
            else:
                call(name, partial(_run, result, stop, name, work))
    result.seconds = time.monotonic() - started
    return result


def _run(
    result: MaintenanceResult, stop: threading.Event, name: str, work: Callable[[], str]
) -> None:
    """Run one task; record its summary, its error, or that it remains."""
    try:
        result.done[name] = redact_text(work())
    except Interrupted as error:
        result.done[name] = redact_text(str(error))
        result.remaining.append(f"the rest of {name}")
    except (KeyboardInterrupt, RuntimeError):  # DuckDB turns the first into the second
        if not stop.is_set():
            raise
        result.remaining.append(name)  # it took longer than SHUTDOWN_SECONDS to stop
    except maintenance_tasks.EXPECTED_ERRORS as error:
        result.errors.append(redact_text(f"{name}: {error}"))


def _tasks(
    settings: Settings, fetch_retention_days: int | None, is_stopping: Callable[[], bool]
) -> dict[str, Callable[[], str]]:
    checkpoint_days = max(settings.serve.run_retention_days, CHECKPOINT_DAYS)
    return {
        "rows": lambda: maintenance_tasks.delete_old_rows(settings),
        "snapshots": lambda: maintenance_tasks.clean_snapshots(settings),
        "warehouse": lambda: maintenance_tasks.compact_if_worth(
            settings, fetch_retention_days=fetch_retention_days, is_stopping=is_stopping
        ),
        "checkpoints": lambda: maintenance_tasks.delete_old_checkpoints(
            settings, days=checkpoint_days
        ),
    }
