"""Runs that Prefect lists as running and whose process is gone.

Nothing at the server notices that the process of a run was killed together with its worker:
the run stays ``Running``, and holds its place in the limits. A worker that receives SIGTERM
leaves its runs behind in the same way (PrefectHQ/prefect#16746, #22528), so the supervisor
drains it first. It looks every few seconds for runs that another worker or a killed command left.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.prefect_api import CLIENT_AUTH

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State

STOPPING = "paused while `copydesk serve` stops"
"""Description of the work pool during a drain: a pause that a user set is another."""
DRAIN_SECONDS = 28.0
SIGNAL_SECONDS = 12.0
SET_STATE_ATTEMPTS = 4
_WORKER_LABEL = "prefect.worker.name"
_PROCESS_LABEL = "copydesk.process"
_PAGE_SIZE = 200


def label_process(_flow: Flow[Any, Any], run: FlowRun, _state: State[Any]) -> None:
    """Label a run with this process: a hook for runs that no worker starts."""
    from prefect.client.orchestration import get_client

    from warehouse.process import this_process

    with get_client(sync_client=True) as client:
        label = json.dumps(asdict(this_process()))
        client.update_flow_run_labels(run.id, {_PROCESS_LABEL: label})


def find_lost_runs(api_url: str, worker: str, *, is_local: bool) -> set[str]:
    """Return the ids of running runs whose process is gone; none if the server does not answer.

    This imports neither Prefect nor DuckDB: the supervisor calls it again and again. A process
    id that was reused hides a command; the next registration finds it.

    Args:
        api_url: Of our own server.
        worker: Name of our worker.
        is_local: As for `end_lost_runs`.
    """
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{api_url}/flow_runs/filter",
        data=json.dumps(
            {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "CANCELLING"]}}}}
        ).encode(),
        headers={"Content-Type": "application/json"},
    )
    if auth := os.environ.get(CLIENT_AUTH):
        request.add_header("Authorization", f"Basic {b64encode(auth.encode()).decode()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            runs = json.load(answer)
    except (OSError, ValueError):
        return set()
    return {
        run["id"]
        for run in runs
        if _is_pid_gone(run["labels"])
        or (
            run["infrastructure_pid"]
            and (is_local or run["labels"].get(_WORKER_LABEL) == worker)
            and not _has_process(run["id"], run["infrastructure_pid"])
        )
    }


def end_lost_runs(
    client: SyncPrefectClient,
    pool: str,
    worker: str,
    *,
    is_worker_running: bool,
    is_local: bool = False,
) -> list[str]:
    """End the runs of a worker whose process is gone, and drop late runs but one per deployment.

    Without its worker a run cannot be cancelled, and its end is not noticed. So it receives
    SIGTERM, stores its batch and ends. A run whose process is gone becomes ``Crashed``. A run that
    had not started is scheduled again if a person asked for it, and cancelled if a schedule did.

    Args:
        client: Of the server.
        pool: The work pool.
        worker: Name of the worker.
        is_worker_running: The worker may be about to start a run that is pending.
        is_local: Every worker of the pool is on this machine, so a run of another worker whose
            process is gone ends, too. Otherwise the runs of other workers are left alone.

    Returns:
        The names of the runs that are now ``Crashed``.
    """
    from prefect.states import Cancelled, Crashed, Scheduled

    if not is_worker_running:
        _end_processes(_runs_of(client, pool, worker, "RUNNING", "CANCELLING", "PENDING"))
    crashed = []
    for run in _runs_in(client, pool, "RUNNING", "CANCELLING", "PENDING"):
        is_own = _is_of(run, worker)
        if not (is_own or is_local) or has_process(run):
            continue
        if not run.infrastructure_pid and (is_worker_running or not is_own):
            continue
        if run.start_time is not None:
            message = "the process of this run is gone; what it stored is kept"
            if _set_state(client, run, Crashed(message=message)):
                crashed.append(run.name)
        elif run.auto_scheduled:
            _set_state(client, run, Cancelled(message="not started; the schedule comes again"))
        else:
            _set_state(client, run, Scheduled(message="not started; scheduled again"))
    for run in _runs_without_deployment(client):
        message = "the command was killed; what it stored is kept"
        if _is_command_gone(run) and _set_state(client, run, Crashed(message=message)):
            crashed.append(run.name)
    for run in superseded_runs(_runs_in(client, pool, "SCHEDULED"), datetime.now(UTC)):
        client.delete_flow_run(run.id)
    return crashed


def has_process(run: FlowRun) -> bool:
    """Whether the process that the worker started for a run exists on this machine."""
    return bool(run.infrastructure_pid and _has_process(str(run.id), run.infrastructure_pid))


def _has_process(run_id: str, pid: str) -> bool:
    """The process id may have been reused, so the environment of the process decides."""
    environ = Path("/proc") / pid / "environ"
    with suppress(OSError):
        return f"PREFECT__FLOW_RUN_ID={run_id}".encode() in environ.read_bytes().split(b"\0")
    return False


def _is_pid_gone(labels: Mapping[str, Any]) -> bool:
    process = json.loads(labels.get(_PROCESS_LABEL, "{}"))
    is_here = process.get("host") == socket.gethostname()
    return is_here and not Path(f"/proc/{process['pid']}").exists()


def _is_command_gone(run: FlowRun) -> bool:
    """Whether a run is of a command on this machine whose process is gone."""
    from warehouse.process import Process

    label = run.labels.get(_PROCESS_LABEL)
    return bool(label) and not Process(**json.loads(str(label))).is_alive


def _end_processes(runs: Iterable[FlowRun]) -> None:
    """Send SIGTERM to the processes of runs, and SIGKILL to those that do not end in time."""
    deadline = time.monotonic() + DRAIN_SECONDS
    runs = [run for run in runs if has_process(run)]
    _signal(runs, signal.SIGTERM)
    while (runs := [run for run in runs if has_process(run)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    _signal(runs, signal.SIGKILL)


def _signal(runs: Iterable[FlowRun], number: signal.Signals) -> None:
    for run in runs:
        with suppress(OSError):
            os.kill(int(run.infrastructure_pid or 0), number)


def drain(
    client: SyncPrefectClient, pool: str, worker: str, stop_worker: Callable[[], None]
) -> None:
    """Cancel the runs of a worker, wait until each stored its batch, then stop the worker.

    The pool is paused meanwhile, so that no worker takes a new run of it.

    Args:
        client: Of the server.
        pool: The work pool.
        worker: Name of the worker.
        stop_worker: Ends its process.
    """
    from prefect.client.schemas.actions import WorkPoolUpdate
    from prefect.states import Cancelling

    was_paused = client.read_work_pool(pool).is_paused
    if not was_paused:
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=True, description=STOPPING))
    try:
        cancelled: dict[UUID, float] = {}
        deadline = time.monotonic() + DRAIN_SECONDS
        while runs := _runs_of(client, pool, worker, "RUNNING", "CANCELLING"):
            now = time.monotonic()
            for run in runs:
                if run.id not in cancelled:
                    cancelled[run.id] = now
                    _set_state(client, run, Cancelling(message="copydesk serve stops"))
                elif now - cancelled[run.id] > SIGNAL_SECONDS and has_process(run):
                    # A worker that lost its server for a while no longer sees cancellations.
                    cancelled[run.id] = deadline
                    _signal([run], signal.SIGTERM)
            if now > deadline:
                break
            time.sleep(0.5)
        stop_worker()
    finally:
        if not was_paused:
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False, description=""))
    end_lost_runs(client, pool, worker, is_worker_running=False)


def _runs_of(client: SyncPrefectClient, pool: str, worker: str, *states: str) -> list[FlowRun]:
    return [run for run in _runs_in(client, pool, *states) if _is_of(run, worker)]


def _is_of(run: FlowRun, worker: str) -> bool:
    """Whether a worker has this run; a run that names no worker is its own."""
    return bool(run.labels.get(_WORKER_LABEL, worker) == worker)


def _runs_in(client: SyncPrefectClient, pool: str, *states: str) -> list[FlowRun]:
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import StateType

    types = FlowRunFilterStateType(any_=[StateType(state) for state in states])
    return read_all(
        client.read_flow_runs,
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=types)),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )


def _runs_without_deployment(client: SyncPrefectClient) -> list[FlowRun]:
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType

    types = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])
    return read_all(
        client.read_flow_runs,
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=types),
            deployment_id=FlowRunFilterDeploymentId(is_null_=True),
        ),
    )


def superseded_runs(runs: Iterable[FlowRun], now: datetime) -> list[FlowRun]:
    """Return the runs whose scheduled time passed, but the latest of each deployment.

    Runs that a person asked for are not among them.
    """
    late = [
        (run.expected_start_time, run)
        for run in runs
        if run.auto_scheduled and run.expected_start_time and run.expected_start_time < now
    ]
    latest = {run.deployment_id: run.id for _, run in sorted(late, key=itemgetter(0))}
    return [run for _, run in late if run.id != latest[run.deployment_id]]


def _set_state(client: SyncPrefectClient, run: FlowRun, state: State[Any]) -> bool:
    """Set a state by force; False if the run ended or was deleted, or the server fails."""
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    for attempt in range(SET_STATE_ATTEMPTS):
        try:
            now = client.read_flow_run(run.id).state
            if now is None or now.is_final():
                return False
            client.set_flow_run_state(run.id, state, force=True)
        except ObjectNotFound:
            return False
        except PrefectHTTPStatusError:  # a database that is locked; the next start tries again
            time.sleep(1 + attempt)
        else:
            return True
    return False


def read_all(read: Callable[..., list[Any]], **filters: Any) -> list[Any]:
    """Return every page of one of the client's lists."""
    found: list[Any] = []
    while len(page := read(**filters, limit=_PAGE_SIZE, offset=len(found))) == _PAGE_SIZE:
        found += page
    return found + page
