"""Runs whose process was killed: ended at the server by the next run, and no others are."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from flows.serving import claims
from tests.e2e.serving import COPYDESK, bare_environment
from tests.site import Fault
from warehouse.process import Process, this_process

pytestmark = pytest.mark.e2e

DEAD = Process(this_process().host, this_process().boot, 2**22 + 1, "1")


@pytest.fixture
def client(prefect_server):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def begin(desk, prefect_server):
    """Start `copydesk sync SOURCE` in a process of its own."""
    begun = []

    def start(source):
        begun.append(
            subprocess.Popen(
                [*COPYDESK, "--config", str(desk.config), "sync", source],
                env=bare_environment() | {"PREFECT_API_URL": prefect_server},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def a_run(desk, client):
    """A run that is Running at the server, and a note of who carries it out."""
    from prefect import flow
    from prefect.states import Running

    made = []

    def make(process, *, since=None):
        run = client.create_flow_run(flow(lambda: None, name="sync"), state=Running())
        folder = desk.settings.warehouse.path.parent / "leases"
        folder.mkdir(exist_ok=True)
        note = folder / f"{run.id}.run"
        at = since or datetime.now(UTC)
        note.write_text(json.dumps({"since": at.isoformat(), "process": asdict(process)}))
        made.append(run.id)
        return run.id, note

    yield make
    for one in made:
        client.delete_flow_run(one)


def claimed_runs(desk):
    return {
        file.stem: json.loads(file.read_bytes())["process"]["pid"]
        for file in desk.folder.glob("leases/*.run")
    }


def run_of(desk, process):
    """The id of the flow run that a process carries out."""
    deadline = time.monotonic() + 120
    while True:
        for run, pid in claimed_runs(desk).items():
            if pid == process.pid:
                return run
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_run_of_a_killed_command_is_crashed_by_the_next_and_a_living_one_is_not(
    desk, begin, client, faults
):
    faults["/NewsData"] = faults["/woshipm"] = Fault(delay_seconds=1.0)
    killed, living = begin("finews"), begin("woshipm")
    lost, other = run_of(desk, killed), run_of(desk, living)
    assert client.read_flow_run(lost).state.is_running()
    killed.kill()
    killed.wait()

    report = desk.sync("ofweek")

    state = client.read_flow_run(lost).state
    assert state.is_crashed()
    assert "what it had stored stays stored, and the next run goes on" in state.message
    assert not client.read_flow_run(other).state.is_crashed()
    (words,) = [words for words in desk.said if "Crashed" in words]
    assert words.startswith("sync finews: set to Crashed in Prefect, because the process was gone")
    assert lost not in claimed_runs(desk)
    assert report.totals()["new"] > 0


def test_note_of_a_run_that_ended_goes_with_the_next_and_its_state_stays(desk, begin, client):
    process = begin("ofweek")
    run = run_of(desk, process)
    process.communicate()
    assert process.returncode == 0

    assert claims.end_lost_runs(desk.settings) == []

    assert run not in claimed_runs(desk)
    assert client.read_flow_run(run).state.is_completed()


def test_run_of_a_dead_process_is_ended_once(desk, client, a_run):
    run, note = a_run(DEAD)

    assert len(claims.end_lost_runs(desk.settings)) == 1
    assert client.read_flow_run(run).state.is_crashed()
    assert not note.exists()
    assert claims.end_lost_runs(desk.settings) == []


@pytest.mark.parametrize(
    "process",
    [this_process(), replace(DEAD, host="another-machine"), replace(DEAD, host="x", boot="y")],
    ids=["alive", "another machine", "another machine of another boot"],
)
def test_run_that_may_be_alive_is_left_alone(desk, client, a_run, process):
    run, note = a_run(process)

    assert claims.end_lost_runs(desk.settings) == []
    assert client.read_flow_run(run).state.is_running()
    assert note.exists()


def test_run_that_began_again_since_is_left_alone(desk, client, a_run):
    run, note = a_run(DEAD, since=datetime.now(UTC) - timedelta(minutes=10))

    assert claims.end_lost_runs(desk.settings) == []
    assert client.read_flow_run(run).state.is_running()
    assert not note.exists()


def test_run_that_is_being_cancelled_is_left_to_whoever_cancels_it(desk, client, a_run):
    from prefect.states import Cancelling

    run, note = a_run(DEAD)
    client.set_flow_run_state(run, Cancelling(), force=True)

    assert claims.end_lost_runs(desk.settings) == []
    assert client.read_flow_run(run).state.is_cancelling()
    assert note.exists()


def test_run_that_another_server_may_know_keeps_its_note_for_a_month(desk, a_run, client):
    _, note = a_run(DEAD)
    unknown = note.with_name(f"{uuid4()}.run")
    note.rename(unknown)

    assert claims.end_lost_runs(desk.settings) == []
    assert unknown.exists()

    old = time.time() - 31 * 86_400
    os.utime(unknown, (old, old))
    assert claims.end_lost_runs(desk.settings) == []
    assert not unknown.exists()


def test_note_that_cannot_be_read_is_passed_over(desk):
    folder = desk.folder / "leases"
    folder.mkdir()
    (folder / f"{uuid4()}.run").write_text("{")
    (folder / "not-an-id.run").write_text("{}")

    assert claims.end_lost_runs(desk.settings) == []
