"""Runs that the server believes in: lost ones, late ones, and those of a worker that stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed, Pending, Running

from flows import settings
from flows.serve import lost_runs
from flows.serve.deployments import register
from flows.serve.lost_runs import (
    drain,
    end_lost_runs,
    find_lost_runs,
    label_process,
    superseded_runs,
)
from flows.sync import sync
from tests.integration.serve.conftest import write_config
from warehouse.process import this_process

WORKER = "copydesk-here"
POOL = "pool-of-lost-runs"


@pytest.fixture(scope="module")
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture(scope="module")
def deployments(client, tmp_path_factory) -> Iterator[dict[str, UUID]]:
    """The ids of two deployments in a pool of this module."""
    config = write_config(tmp_path_factory.mktemp("lost"))
    done = register(client, settings.load(config, {}), config, POOL)
    ids = {one.name: client.read_deployment_by_name(one.name).id for one in done.deployments}
    # Other tests kill runs of the command line at the same server.
    end_lost_runs(client, POOL, WORKER, is_worker_running=True)
    yield ids
    for one in ids.values():
        client.delete_deployment(one)
    client.delete_work_pool(POOL)


@pytest.fixture
def pool(deployments) -> str:
    return POOL


@pytest.fixture
def make(client, deployments) -> Iterator[Callable[..., FlowRun]]:
    """Make a run of a deployment in the pool."""
    made = []

    def make(
        *states: State[Any],
        name: str = "sync/a",
        worker: str | None = WORKER,
        pid: int | None = None,
    ) -> FlowRun:
        run = client.create_flow_run_from_deployment(deployments[name])
        for state in states:
            client.set_flow_run_state(run.id, state, force=True)
        if worker:
            client.update_flow_run_labels(run.id, {"prefect.worker.name": worker})
        if pid:
            client.update_flow_run(run.id, infrastructure_pid=str(pid))
        made.append(run.id)
        return client.read_flow_run(run.id)

    yield make
    for one in made:
        client.delete_flow_run(one)


@pytest.fixture
def process() -> Iterator[Callable[[FlowRun], int]]:
    """Start a process that carries out a run."""
    started: list[subprocess.Popen[bytes]] = []

    def start(run: FlowRun) -> int:
        environ = os.environ | {"PREFECT__FLOW_RUN_ID": str(run.id)}
        command = [sys.executable, "-c", "import time; print('', flush=True); time.sleep(60)"]
        started.append(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE))
        started[-1].stdout.readline()  # type: ignore[union-attr]
        return started[-1].pid

    yield start
    for one in started:
        one.kill()
        one.communicate()


def dead_pid() -> int:
    """A number that no process ever has: that of an ended one may be in use again."""
    return int(Path("/proc/sys/kernel/pid_max").read_text())


def state_of(client, run: FlowRun) -> str:
    return str(client.read_flow_run(run.id).state.type.value)


def test_run_whose_process_is_gone_is_crashed(client, pool, make):
    run = make(Pending(), Running(), pid=dead_pid())

    crashed = end_lost_runs(client, pool, WORKER, is_worker_running=True)

    assert crashed == [run.name]
    assert state_of(client, run) == "CRASHED"


def test_run_whose_process_lives_is_left_to_its_worker_and_ends_without_one(
    client, pool, make, process
):
    run = make(Pending(), Running())
    pid = process(run)
    client.update_flow_run(run.id, infrastructure_pid=str(pid))

    assert end_lost_runs(client, pool, WORKER, is_worker_running=True) == []
    assert state_of(client, run) == "RUNNING"
    ended = threading.Thread(target=os.waitpid, args=(pid, 0))  # be its parent
    ended.start()
    assert end_lost_runs(client, pool, WORKER, is_worker_running=False) == [run.name]

    ended.join(10)
    assert not ended.is_alive()
    assert state_of(client, run) == "CRASHED"


def test_process_id_that_another_program_has_now_is_no_process_of_the_run(client, pool, make):
    run = make(Pending(), Running(), pid=os.getpid())

    assert end_lost_runs(client, pool, WORKER, is_worker_running=True) == [run.name]


def test_runs_of_another_worker_and_of_another_pool_are_left_alone(client, pool, make):
    run = make(Pending(), Running(), worker="copydesk-there", pid=dead_pid())

    assert end_lost_runs(client, pool, WORKER, is_worker_running=False) == []
    assert end_lost_runs(client, "another", "copydesk-there", is_worker_running=False) == []

    assert state_of(client, run) == "RUNNING"


def test_runs_of_another_worker_of_this_machine_are_crashed_and_the_source_is_free(
    client, pool, make, process
):
    lost = make(worker="second", pid=dead_pid())
    for state in (Pending(), Running()):
        client.set_flow_run_state(lost.id, state)
    living = make(Pending(), Running(), name="sync/b", worker="second")
    client.update_flow_run(living.id, infrastructure_pid=str(process(living)))
    starting = make(Pending(), name="sync/b", worker="second")

    crashed = end_lost_runs(client, pool, WORKER, is_worker_running=False, is_local=True)

    assert crashed == [lost.name]
    assert [state_of(client, run) for run in (living, starting)] == ["RUNNING", "PENDING"]
    again = make()
    client.set_flow_run_state(again.id, Pending())
    assert state_of(client, again) == "PENDING"


def test_manual_run_that_had_not_started_is_scheduled_again(client, pool, make):
    run = make(Pending())

    assert end_lost_runs(client, pool, WORKER, is_worker_running=True) == []
    assert state_of(client, run) == "PENDING"  # the worker may be about to start it
    assert end_lost_runs(client, pool, WORKER, is_worker_running=False) == []

    assert state_of(client, run) == "SCHEDULED"


@pytest.mark.parametrize("state", [Completed(), Cancelled()], ids=lambda state: state.name)
def test_run_that_ended_keeps_its_state(client, pool, make, state):
    run = make(Pending(), Running(), state, pid=dead_pid())

    end_lost_runs(client, pool, WORKER, is_worker_running=False)

    assert state_of(client, run) == state.type.value


def test_lost_runs_are_found_without_prefect(client, pool, make, process, prefect_server):
    lost = make(Pending(), Running(), worker="second", pid=dead_pid())
    living = make(Pending(), Running(), name="sync/b")
    client.update_flow_run(living.id, infrastructure_pid=str(process(living)))
    make(Pending(), Running(), name="sync/b", worker="second")  # its process is not known yet

    found = find_lost_runs(prefect_server, WORKER, is_local=True)
    assert str(lost.id) in found
    assert str(living.id) not in found
    assert str(lost.id) not in find_lost_runs(prefect_server, WORKER, is_local=False)
    assert find_lost_runs("http://127.0.0.1:9/api", WORKER, is_local=True) == set()


def test_run_of_a_killed_command_is_crashed_and_one_of_a_living_command_is_not(
    client, pool, prefect_server
):
    lost, living = (client.create_flow_run(sync, state=Running()) for _ in range(2))
    label_process(sync, living, Running())
    ended = asdict(this_process()) | {"pid": dead_pid()}
    client.update_flow_run_labels(lost.id, {"copydesk.process": json.dumps(ended)})

    found = find_lost_runs(prefect_server, WORKER, is_local=False)
    assert found & {str(lost.id), str(living.id)} == {str(lost.id)}
    assert end_lost_runs(client, pool, WORKER, is_worker_running=True) == [lost.name]

    assert [state_of(client, run) for run in (lost, living)] == ["CRASHED", "RUNNING"]
    for run in (lost, living):
        client.delete_flow_run(run.id)


def test_late_runs_of_a_schedule_collapse_into_the_latest_and_requests_stay():
    now = datetime.now(UTC)
    first, second, flow = uuid4(), uuid4(), uuid4()

    def run(deployment: UUID, minutes: float, *, is_scheduled: bool = True) -> FlowRun:
        return FlowRun(
            flow_id=flow,
            deployment_id=deployment,
            expected_start_time=now - timedelta(minutes=minutes),
            auto_scheduled=is_scheduled,
        )

    kept = [run(first, 1), run(second, 7), run(first, 9, is_scheduled=False), run(first, -5)]
    dropped = [run(first, 3), run(first, 2)]

    assert superseded_runs([*kept, *dropped], now) == dropped


# --- a worker that stops -----------------------------------------------------------------


def test_drain_cancels_running_runs_waits_for_their_end_and_leaves_the_pool_open(
    client, pool, make
):
    run = make(Pending(), Running())
    foreign = make(Pending(), Running(), name="sync/b", worker="copydesk-there")
    events: list[str] = []

    def finish_when_cancelled() -> None:
        """Be the run's process."""
        with get_client(sync_client=True) as own:
            for _ in range(200):
                state = own.read_flow_run(run.id).state
                if state and state.is_cancelling():
                    events.append(f"paused {own.read_work_pool(pool).is_paused}")
                    own.set_flow_run_state(run.id, Cancelled(message="stored"), force=True)
                    return
                time.sleep(0.05)

    process = threading.Thread(target=finish_when_cancelled)
    process.start()
    drain(client, pool, WORKER, lambda: events.append("worker stopped"))
    process.join(30)

    assert events == ["paused True", "worker stopped"]
    assert client.read_flow_run(run.id).state.message == "stored"
    assert state_of(client, foreign) == "RUNNING"
    assert not client.read_work_pool(pool).is_paused


def test_drain_crashes_runs_that_do_not_end_in_time(client, pool, make, monkeypatch):
    monkeypatch.setattr(lost_runs, "DRAIN_SECONDS", 0.5)
    run = make(Pending(), Running(), pid=dead_pid())

    drain(client, pool, WORKER, lambda: None)

    assert state_of(client, run) == "CRASHED"


def test_drain_signals_a_run_whose_worker_does_not_see_the_cancellation(
    client, pool, make, process, monkeypatch
):
    monkeypatch.setattr(lost_runs, "SIGNAL_SECONDS", 0.1)
    monkeypatch.setattr(lost_runs, "DRAIN_SECONDS", 2.0)
    run = make(Pending(), Running())
    pid = process(run)
    client.update_flow_run(run.id, infrastructure_pid=str(pid))

    drain(client, pool, WORKER, lambda: None)

    assert os.waitpid(pid, 0)[1] == signal.SIGTERM


def test_drain_leaves_a_pool_paused_that_a_user_paused(client, pool, make):
    make()
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))

    drain(client, pool, WORKER, lambda: None)

    assert client.read_work_pool(pool).is_paused
