"""Maintenance: what grows without end is cut back, what rots is looked at.

    maintenance                       one row of counters a thing
    ├── Prefect's own runs            old ones deleted, a bounded number at a time
    ├── snapshots and leftovers       read copies nobody has open, files of killed processes
    ├── warehouse                     rewritten without its holes, when that is worth it
    ├── plans                         of backfills that ended long ago
    └── archive                       closed files verified, each once; old ones moved away

Each thing is tried whatever became of the others; what could not be done is told. Asked to
end (Ctrl-C, SIGTERM), it ends after the piece it is at, and says what the next one will do.
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
from flows.errors import Interrupted
from flows.fetch.redact import redact_text
from flows.pipeline import locks
from flows.pipeline.run import SHUTDOWN_SECONDS
from flows.pipeline.signals import graceful_shutdown
from flows.reporting.progress import create_result_table
from flows.reporting.states import run_trigger
from flows.serving.installation import identity
from flows.serving.leaving import give_up_soon
from flows.settings import Settings
from warehouse.records import runs

give_up_soon()  # here, because the first events of a run come before its first line

MOST_RUNS = 2000
KEEP_PLANS_DAYS = 30


@dataclass(slots=True, kw_only=True)
class MaintenanceResult:
    """What was done; words of errors have their secrets masked.

    Attributes:
        done: By thing, what was done, in words.
        problems: What could not be done, or was found broken.
        left: What the next one does, because somebody asked this one to end.
    """

    run_id: str
    done: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """What is broken is worth more words than what is left."""
        if self.problems:
            return "failed"
        return "interrupted" if self.left else "completed"

    def words(self) -> str:
        """One line."""
        if self.problems:
            return "; ".join(self.problems)
        done = "; ".join(f"{thing}: {words}" for thing, words in self.done.items())
        if not self.left:
            return done
        return f"interrupted; left for the next maintenance: {', '.join(self.left)}. Done: {done}"

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            "run_id": self.run_id,
            "flow": "maintenance",
            "state": self.state,
            "done": self.done,
            "problems": self.problems,
            "left": self.left,
            "seconds": round(self.seconds, 3),
        }


class TaskRunner:
    """What a maintenance has done so far; a plain class, so that Prefect does not look inside."""

    def __init__(self, found: MaintenanceResult) -> None:
        self.found = found
        self.stop = threading.Event()

    def attempt(self, thing: str, work: Callable[[], str]) -> None:
        """Do one thing; what goes wrong with it is told and does not stop the others."""
        found = self.found
        try:
            found.done[thing] = redact_text(work())
        except Interrupted as cut:
            found.done[thing] = redact_text(str(cut))
            found.left.append(f"the rest of {thing}")
        except (KeyboardInterrupt, RuntimeError):  # DuckDB makes the one the other
            if not self.stop.is_set():
                raise
            found.left.append(thing)  # it was asked to end before, and took too long
        except maintenance_tasks.EXPECTED as error:
            found.problems.append(redact_text(f"{thing}: {error}"))


@task(name="upkeep", cache_policy=NO_CACHE, persist_result=False, retries=0)
def run_task(doing: TaskRunner, thing: str, work: Callable[[], str]) -> None:
    """One thing, as a task run."""
    doing.attempt(thing, work)


@flow(
    name="maintenance", flow_run_name="maintenance", persist_result=False, validate_parameters=True
)
def maintenance(
    keep_runs_days: Annotated[int | None, Field(ge=1, le=3650)] = None,
    keep_pages_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    keep_archive_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    move_archive_to: str | None = None,
    verify_archive: bool = True,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[MaintenanceResult]:
    """Prune Prefect's runs, remove old snapshots, compact the warehouse, look at the archive.

    Args:
        keep_runs_days: Prefect's own record of copydesk's runs older than this is deleted;
            ``serve.run_retention_days`` of the configuration by default. The view ``runs`` of the
            warehouse keeps all.
        keep_pages_days: Rows of fetches older than this are removed when the warehouse is
            compacted; the last one of each address stays. All stay by default.
        keep_archive_days: Archive files older than this are moved to ``move_archive_to``,
            leaving a link, so that they can still be read.
        move_archive_to: A folder, perhaps on another disk.
        verify_archive: Read every archive file that was closed since the last time.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    settings = configuration.load(Path(config) if config else None)
    doing = TaskRunner(found := MaintenanceResult(run_id=runs.new_run_id()))
    started = time.monotonic()
    todo = _things(
        settings,
        doing,
        keep_runs_days or settings.serve.run_retention_days,
        keep_pages_days,
        verify=verify_archive,
    )
    if move_archive_to and keep_archive_days:
        target = Path(move_archive_to)
        todo["archive files"] = lambda: maintenance_tasks.move_archive(
            settings, target, days=keep_archive_days, stopping=doing.stop.is_set
        )
    alone = locks.acquire(settings, "maintenance", flow="maintenance", run_id=found.run_id)
    # Prefect's own answer to SIGTERM would cut it in the middle of a thing.
    signals = graceful_shutdown(doing.stop, lambda _words: None, within=SHUTDOWN_SECONDS)
    # Task runs must not inherit the run's tags: see tasks.py.
    with signals, TagsContext(current_tags=set()), alone:
        for thing, work in todo.items():
            if doing.stop.is_set():
                found.left.append(thing)
            else:
                run_task.with_options(task_run_name=thing)(doing, thing, work)
        found.seconds = time.monotonic() - started
        _show(found)
    return _state_for(found)


def _state_for(found: MaintenanceResult) -> State[MaintenanceResult]:
    """How the run ends in Prefect."""
    words = found.words()[:2000]
    # Prefect raises what a run of a deployment holds that did not complete, and complains of
    # its type.
    held = None if run_trigger() == "schedule" else found
    if found.state == "failed":
        return Failed(message=words, data=held)
    if found.state == "interrupted":
        return Cancelled(message=words, data=held)
    return Completed(message=words, data=found)


def _things(
    settings: Settings, doing: TaskRunner, runs_days: int, pages_days: int | None, *, verify: bool
) -> dict[str, Callable[[], str]]:
    stopping, run_id = doing.stop.is_set, doing.found.run_id
    things: dict[str, Callable[[], str]] = {
        "Prefect's runs": lambda: maintenance_tasks.prune_prefect(
            days=runs_days, most=MOST_RUNS, installed=identity(settings), stopping=stopping
        ),
        "snapshots": lambda: maintenance_tasks.clean_snapshots(settings),
        "warehouse": lambda: maintenance_tasks.compact_warehouse(
            settings, run_id, pages_days=pages_days
        ),
        "plans": lambda: maintenance_tasks.delete_old_checkpoints(
            settings, days=max(runs_days, KEEP_PLANS_DAYS)
        ),
    }
    if verify:
        things["archive"] = lambda: maintenance_tasks.verify_archive(settings, stopping=stopping)
    return things


def _show(found: MaintenanceResult) -> None:
    table = [{"thing": thing, "done": words} for thing, words in found.done.items()]
    table += [{"thing": "PROBLEM", "done": words} for words in found.problems]
    table += [{"thing": "LEFT", "done": f"{thing}, for the next one"} for thing in found.left]
    words = f"Maintenance {found.run_id}, {found.seconds:.1f} seconds"
    create_result_table("copydesk-maintenance", table, words, ())
