"""Maintenance: what grows without end is cut back, what rots is looked at.

    maintenance                       one row of counters a thing
    ├── Prefect's own runs            old ones deleted, a bounded number at a time
    ├── snapshots and leftovers       read copies nobody has open, files of killed processes
    ├── warehouse                     rewritten without its holes, when that is worth it
    ├── plans                         of backfills that ended long ago
    └── archive                       closed files verified, each once; old ones moved away

Each thing is tried whatever became of the others; what could not be done is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Completed, Failed
from pydantic import Field

from flows import leases, upkeep
from flows import settings as configuration
from flows.live import show_table
from flows.serving import claims
from flows.settings import Settings
from warehouse import runs

MOST_RUNS = 2000
KEEP_PLANS_DAYS = 30


@dataclass(slots=True, kw_only=True)
class Maintained:
    """What was done.

    Attributes:
        done: By thing, what was done, in words.
        problems: What could not be done, or was found broken.
    """

    run_id: str
    done: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            "run_id": self.run_id,
            "flow": "maintenance",
            "state": "failed" if self.problems else "completed",
            "done": self.done,
            "problems": self.problems,
            "seconds": round(self.seconds, 3),
        }


@task(name="upkeep", cache_policy=NO_CACHE, persist_result=False, retries=0)
def attempt(found: Maintained, thing: str, work: Callable[[], str]) -> None:
    """Do one thing; what goes wrong with it is told and does not stop the others."""
    try:
        found.done[thing] = work()
    except upkeep.EXPECTED as error:
        found.problems.append(f"{thing}: {error}")


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
) -> State[Maintained]:
    """Prune Prefect's runs, remove old snapshots, compact the warehouse, look at the archive.

    Args:
        keep_runs_days: Prefect's own record of copydesk's runs older than this is deleted;
            ``serve.keep_days`` of the configuration by default. The view ``runs`` of the
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
    found = Maintained(run_id=runs.new_run_id())
    started = time.monotonic()
    claims.begin(settings, lambda _words: None)
    alone = leases.hold(settings, "maintenance", flow="maintenance", run_id=found.run_id)
    # Task runs must not inherit the run's tags: see tasks.py.
    with TagsContext(current_tags=set()), alone:
        todo = _things(
            settings,
            found.run_id,
            keep_runs_days or settings.serve.keep_days,
            keep_pages_days,
            verify=verify_archive,
        )
        if move_archive_to and keep_archive_days:
            target = Path(move_archive_to)
            todo["archive files"] = lambda: upkeep.move_archive(
                settings, target, days=keep_archive_days
            )
        for thing, work in todo.items():
            attempt.with_options(task_run_name=thing)(found, thing, work)
    found.seconds = time.monotonic() - started
    _show(found)
    words = "; ".join(found.problems) or "; ".join(f"{k}: {v}" for k, v in found.done.items())
    if found.problems:
        # Prefect raises what a failed run of a deployment holds, and complains of its type.
        return Failed(message=words[:2000], data=None if claims.is_deployed() else found)
    return Completed(message=words[:2000], data=found)


def _things(
    settings: Settings, run_id: str, runs_days: int, pages_days: int | None, *, verify: bool
) -> dict[str, Callable[[], str]]:
    things: dict[str, Callable[[], str]] = {
        "Prefect's runs": lambda: upkeep.prune_prefect(days=runs_days, most=MOST_RUNS),
        "snapshots": lambda: upkeep.tidy_snapshots(settings),
        "warehouse": lambda: upkeep.compact_warehouse(settings, run_id, pages_days=pages_days),
        "plans": lambda: upkeep.forget_plans(settings, days=max(runs_days, KEEP_PLANS_DAYS)),
    }
    if verify:
        things["archive"] = lambda: upkeep.verify_archive(settings)
    return things


def _show(found: Maintained) -> None:
    table = [{"thing": thing, "done": words} for thing, words in found.done.items()]
    table += [{"thing": "PROBLEM", "done": words} for words in found.problems]
    words = f"Maintenance {found.run_id}, {found.seconds:.1f} seconds"
    show_table("copydesk-maintenance", table, words, ())
