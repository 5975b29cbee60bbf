"""Runs whose process is gone, and runs that are late.

A run of a process that was killed stays ``Running`` for ever at the server and holds its
concurrency slot; nobody but the one who starts runs here can know that it is lost.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from flows.serving import installation
from warehouse.process import process_exists

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

_RUN_ID = b"PREFECT__FLOW_RUN_ID="
_PAGE = 200
_TERM_SECONDS = 10.0
_CHANGE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What was put in order.

    Attributes:
        crashed: Runs that were under way and had no process.
        ended: Processes of an earlier ``serve`` that were still at work.
    """

    crashed: int = 0
    ended: int = 0

    def words(self) -> str:
        """One line; empty when there was nothing to do."""
        parts = [
            (self.ended, "process(es) of an earlier serve ended"),
            (self.crashed, "run(s) that a dead process left behind set to Crashed"),
        ]
        return ", ".join(f"{count} {words}" for count, words in parts if count)


def tidy(
    deployments: Collection[UUID],
    *,
    is_start: bool = True,
    is_ours: Callable[[FlowRun], bool] = lambda _run: True,
    under_way: Callable[[], Collection[UUID]] = tuple,
) -> Tidied:
    """Set lost runs of these deployments to Crashed.

    A run is lost when no child of this process carries it out.

    Args:
        deployments: Ids at the server.
        is_start: No run of ours can be about to begin; later, those that are stay.
        is_ours: Deployments have the names of sources, which another installation at the
            same server may have served before: its runs may be at work on its machine.
        under_way: The runs that this process is about to begin or to end.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        found = [
            run
            for run in _runs(client, deployments, "RUNNING", "PENDING", "CANCELLING")
            if is_ours(run) and (is_start or not _is_changing(run))
        ]
        processes, own = run_processes(), set(children())
        lost = [
            run
            for run in found
            # A run of a work pool belongs to its worker, which may be on another machine.
            if run.work_pool_name is None and processes.get(run.id) not in own
        ]
        busy = under_way()  # after the server was asked: what it knew had begun by then
        lost = [run for run in lost if run.id not in busy]
        left = [processes[run.id] for run in lost if run.id in processes]
        end_processes(left)
        crashed = [run for run in lost if set_crashed(client, run, was_alive=run.id in processes)]
        return Tidied(crashed=len(crashed), ended=len(left))


def are_ours(installed: str, config: Path | None, *, is_own: bool) -> Callable[[FlowRun], bool]:
    """What tells whether a run is one of this installation.

    Args:
        installed: Its id.
        config: The configuration; runs of earlier versions name no more than that.
        is_own: The server is this warehouse's alone, and so is every run of these deployments.
    """

    def is_ours(run: FlowRun) -> bool:
        if is_own:
            return True
        if (whose := installation.tagged(run.tags)) is not None:
            return whose == installed
        return run.parameters.get("config") == (str(config.absolute()) if config else None)

    return is_ours


def run_processes() -> dict[UUID, int]:
    """The processes of this user that carry out a flow run, by the run's id.

    Of a run that started processes of its own it is the one that they descend from.
    """
    found: dict[UUID, set[int]] = defaultdict(set)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            for line in (folder / "environ").read_bytes().split(b"\0"):
                if line.startswith(_RUN_ID) and not _is_zombie(folder):
                    found[UUID(line.removeprefix(_RUN_ID).decode())].add(int(folder.name))
    return {
        run: min((pid for pid in pids if _parent(pid) not in pids), default=min(pids))
        for run, pids in found.items()
    }


def children() -> list[int]:
    """The processes of runs that this process started."""
    own = os.getpid()
    return [pid for pid in run_processes().values() if _parent(pid) == own]


def end_processes(pids: Collection[int], *, seconds: float = _TERM_SECONDS) -> None:
    """SIGTERM to each, then SIGKILL to those that are still there."""
    for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for pid in pids:
            with suppress(OSError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait
        while (
            pids := [pid for pid in pids if process_exists(pid)]
        ) and time.monotonic() < deadline:
            time.sleep(0.05)


def _parent(pid: int) -> int | None:
    with suppress(OSError, ValueError):
        stat = (Path("/proc") / str(pid) / "stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])
    return None


def _is_zombie(folder: Path) -> bool:
    with suppress(OSError):
        return (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def _is_changing(run: FlowRun) -> bool:
    """Whether its process may be about to be started, or its end about to be told."""
    if run.state is None or run.state.is_running():
        return False
    return (datetime.now(UTC) - run.state.timestamp).total_seconds() < _CHANGE_SECONDS


def set_crashed(client: SyncPrefectClient, run: FlowRun, *, was_alive: bool) -> bool:
    """Say at the server that a run is over, because nobody else can any more.

    False when that was not so: it ended by itself since it was looked at, or was deleted.
    """
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    how = "its process had lost its serve and was ended" if was_alive else "its process is gone"
    message = f"{how}; what it had stored stays stored, and the next run goes on from there"
    try:
        now = client.read_flow_run(run.id).state
        if now is None or now.is_final():
            return False
        client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    except ObjectNotFound:
        return False
    return True


def _runs(
    client: SyncPrefectClient, deployments: Collection[UUID], *states: str
) -> Iterator[FlowRun]:
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterId,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    wanted = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType(state) for state in states])
        )
    )
    ours = DeploymentFilter(id=DeploymentFilterId(any_=list(deployments)))
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=wanted, deployment_filter=ours, limit=_PAGE, offset=len(found)
        )
        found += page
        if len(page) < _PAGE:
            return iter(found)
