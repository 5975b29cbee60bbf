"""The maintenance flow: delete what is old, verify what is stored.

    maintenance
    ├── rows           old fetches without a page, and old runs, deleted
    ├── snapshots      a new one published; old ones and files of killed processes deleted
    ├── warehouse      compacted, if much of it is unused
    ├── checkpoints    of backfills that ended long ago deleted
    ├── files          of the archive joined, one for each past day
    ├── archive        closed files verified, each once
    └── old archive    moved to another folder, if one is given

A failed task does not stop the others. On Ctrl-C or SIGTERM the flow ends after the file it works
on and lists what remains; the next maintenance does it. The Prefect server of ``copydesk serve``
deletes its old runs itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from flows import settings as configuration
from flows.admin import maintenance_tasks
from flows.admin.join_archive import join_archive
from flows.errors import Interrupted
from flows.pipeline import locks
from flows.pipeline.run import SHUTDOWN_SECONDS
from flows.pipeline.signals import graceful_shutdown
from flows.reporting.artifacts import create_result_table
from flows.reporting.states import run_trigger
from flows.secrets.redact import redact_text
from flows.settings import Settings
from warehouse.records import runs

CHECKPOINT_DAYS = 30


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

    def message(self) -> str:
        """The result on one line."""
        if self.errors:
            return "; ".join(self.errors)
        done = "; ".join(f"{task}: {summary}" for task, summary in self.done.items())
        if not self.remaining:
            return done
        return f"interrupted; the next maintenance does: {', '.join(self.remaining)}. Done: {done}"

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


class TaskRunner:
    """The tasks of one maintenance; a plain class, because Prefect inspects other arguments."""

    def __init__(self, result: MaintenanceResult) -> None:
        self.result = result
        self.stop = threading.Event()

    def run(self, name: str, work: Callable[[], str]) -> None:
        """Run one task; record its summary, its error, or that it remains."""
        result = self.result
        try:
            result.done[name] = redact_text(work())
        except Interrupted as error:
            result.done[name] = redact_text(str(error))
            result.remaining.append(f"the rest of {name}")
        except (KeyboardInterrupt, RuntimeError):  # DuckDB turns the first into the second
            if not self.stop.is_set():
                raise
            result.remaining.append(name)  # it took longer than SHUTDOWN_SECONDS to stop
        except maintenance_tasks.EXPECTED_ERRORS as error:
            result.errors.append(redact_text(f"{name}: {error}"))


@task(name="maintenance-task", cache_policy=NO_CACHE, persist_result=False, retries=0)
def run_task(runner: TaskRunner, name: str, work: Callable[[], str]) -> None:
    """Run one task of maintenance as a task run."""
    runner.run(name, work)


@flow(
    name="maintenance", flow_run_name="maintenance", persist_result=False, validate_parameters=True
)
def maintenance(
    fetch_retention_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    move_archive_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    move_archive_to: str | None = None,
    verify_archive: bool = True,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[MaintenanceResult]:
    """Delete old snapshots and checkpoints, compact the warehouse, verify the archive.

    Args:
        fetch_retention_days: Delete older rows of fetches, except the last complete one of each
            URL. By default all are kept.
        move_archive_days: Move archive files that are older to ``move_archive_to``, and leave
            links.
        move_archive_to: A folder, for example on another disk.
        verify_archive: Read every archive file that was closed since the last maintenance.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    settings = configuration.load(Path(config) if config else None)
    runner = TaskRunner(result := MaintenanceResult(run_id=runs.new_run_id()))
    is_stopping = runner.stop.is_set
    tasks = _tasks(settings, fetch_retention_days, is_stopping)
    if settings.warehouse.path.exists():
        tasks["files"] = lambda: join_archive(settings, is_stopping=is_stopping)
    if verify_archive:
        tasks["archive"] = lambda: maintenance_tasks.verify_archive(
            settings, is_stopping=is_stopping
        )
    if move_archive_to and move_archive_days:
        tasks["old archive"] = lambda: maintenance_tasks.move_archive(
            settings, Path(move_archive_to), days=move_archive_days, is_stopping=is_stopping
        )
    started = time.monotonic()
    lock = locks.acquire(settings, "maintenance", flow="maintenance", run_id=result.run_id)
    # Prefect's own handler of SIGTERM would stop a task at any line.
    signals = graceful_shutdown(runner.stop, lambda _message: None, within=SHUTDOWN_SECONDS)
    # Prefect asks for a concurrency slot for each tag of a task run, so task runs have none.
    with signals, TagsContext(current_tags=set()), lock:
        for name, work in tasks.items():
            if is_stopping():
                result.remaining.append(name)
            else:
                run_task.with_options(task_run_name=name)(runner, name, work)
        result.seconds = time.monotonic() - started
        _create_table(result)
    return _state(result)


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


def _state(result: MaintenanceResult) -> State[MaintenanceResult]:
    message = result.message()[:2000]
    # In a run of a deployment, Prefect raises the data of a state that is not Completed.
    data = None if run_trigger() == "schedule" else result
    if result.state == "failed":
        return Failed(message=message, data=data)
    if result.state == "interrupted":
        return Cancelled(message=message, data=data)
    return Completed(message=message, data=result)


def _create_table(result: MaintenanceResult) -> None:
    rows = [{"task": name, "result": summary} for name, summary in result.done.items()]
    rows += [{"task": "ERROR", "result": error} for error in result.errors]
    rows += [{"task": "REMAINING", "result": name} for name in result.remaining]
    title = f"Maintenance {result.run_id}, {result.seconds:.1f} seconds"
    create_result_table("copydesk-maintenance", rows, title, ())
