"""Runs that have not begun when `serve` is told to stop: they begin when it runs again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Cancelling, Crashed, Pending, Running, Scheduled

from flows.serving import polling, putting_back
from tests.e2e.serving import WOSHIPM, serving_at
from tests.e2e.test_clock import HOUR, register_ofweek
from tests.e2e.test_polling import anything, deployed

__all__ = ["anything", "deployed"]

pytestmark = pytest.mark.e2e

SOON = datetime.now(UTC) + timedelta(seconds=10)
KILLED = Crashed(message="Process exited with status code: -15.")


@pytest.fixture
def about_to_begin(client, deployed):
    """A run whose process was started and that waits for its time."""
    deployment = deployed("putting-back")
    run = client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=SOON))
    client.set_flow_run_state(run.id, Pending())
    return run.id


def ended(run, *states):
    """The runner is stopped; meanwhile the run comes to these states, the last when it is over."""
    signalled = []

    async def end():
        async with polling.patient_runner(4) as runner:
            in_hand = runner._scheduled_run_poller._submitting_flow_run_ids
            in_hand.add(run)
            begun = {run: SimpleNamespace(pid=1)}

            async def signal(_run, intent):
                signalled.append(intent)

            async def kill(_run, **_options):
                begun.clear()
                asyncio.get_running_loop().create_task(tell())

            async def tell():
                for state in states:
                    await asyncio.sleep(0.2)
                    await runner._client.set_flow_run_state(run, state, force=True)
                in_hand.discard(run)

            manager = runner._process_manager
            manager.get, manager.kill, manager.flow_run_ids = begun.get, kill, lambda: set(begun)
            runner._control_channel.signal = signal
            await runner.cancel_all()
            manager.flow_run_ids = set

    asyncio.run(end())
    assert signalled == ["cancel"]


@pytest.mark.parametrize("states", [(), (KILLED,)], ids=["left in peace", "killed"])
def test_run_that_has_not_begun_is_scheduled_as_it_was(client, about_to_begin, states):
    ended(about_to_begin, *states)

    run = client.read_flow_run(about_to_begin)
    assert (run.state.type, run.state.name) == (StateType.SCHEDULED, "Scheduled")
    assert run.state.message == "serve ended before it began; it begins when serve runs again"
    assert run.state.state_details.scheduled_time == run.expected_start_time == SOON
    assert run.end_time is None
    assert run.deployment_id is not None


@pytest.mark.parametrize("state", [Cancelling(), Cancelled(message="by me")], ids=lambda s: s.name)
def test_run_that_somebody_cancels_meanwhile_stays_so(client, about_to_begin, state):
    ended(about_to_begin, state)

    assert client.read_flow_run(about_to_begin).state.type == StateType.CANCELLED


def test_run_that_begins_in_that_moment_is_cancelled_as_others_are(client, about_to_begin):
    ended(about_to_begin, Running())

    assert client.read_flow_run(about_to_begin).state.type == StateType.CANCELLED


def test_run_that_crashes_as_it_begins_in_that_moment_is_told_as_it_ended(client, about_to_begin):
    ended(about_to_begin, Running(), KILLED)

    assert client.read_flow_run(about_to_begin).state.type == StateType.CRASHED


def test_no_run_is_begun_any_more_by_a_question_that_was_on_its_way(client, deployed):
    deployment = deployed("putting-back-asked")
    run = client.create_flow_run_from_deployment(deployment).id

    async def ask():
        runner = polling.patient_runner(4)
        polling.watch(runner, [deployment])
        async with runner:
            runner._scheduled_run_poller.stopping = True
            return await runner._scheduled_run_poller._get_scheduled_flow_runs()

    assert asyncio.run(ask()) == []
    assert client.read_flow_run(run).state.type == StateType.SCHEDULED


# --- runs that a schedule made ---------------------------------------------------------


def made_for_the_schedule(client, deployment):
    """Runs that the server makes for times to come."""
    begin = datetime.now(UTC) + timedelta(minutes=10)
    hours = {"start_time": begin.isoformat(), "end_time": (begin + 2 * HOUR).isoformat()}
    client.request("POST", f"/deployments/{deployment}/schedule", json=hours)
    of_it = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs = client.read_flow_runs(deployment_filter=of_it)
    return [run.id for run in runs if run.expected_start_time > begin]


def test_run_of_a_schedule_is_still_there_after_the_next_start_has_registered(desk, client):
    """Prefect's server forgets the other runs that it had made for times to come."""
    text = desk.config.read_text(encoding="utf-8")
    given = '[sources.ofweek]\nschedule = "*/10 * * * *"\n'
    desk.config.write_text(text.replace("[sources.ofweek]\n", given), encoding="utf-8")
    deployment = register_ofweek(desk)
    put_back, other = made_for_the_schedule(client, deployment)[:2]
    run = client.read_flow_run(put_back)
    assert run.auto_scheduled
    client.set_flow_run_state(put_back, Pending())

    client.set_flow_run_state(put_back, putting_back.state_for(run), force=True)
    register_ofweek(desk)

    found = {one.id for one in client.read_flow_runs(limit=200)}
    assert (put_back in found, other in found) == (True, False)
    assert client.read_flow_run(put_back).state.is_scheduled()


def test_time_of_a_run_that_is_put_back_is_its_own():
    run = FlowRun(flow_id=uuid4(), expected_start_time=SOON, auto_scheduled=True)

    assert putting_back.state_for(run).state_details.scheduled_time == SOON


# --- the whole -------------------------------------------------------------------------


@pytest.mark.timeout(600)
def test_serve_that_is_stopped_just_before_a_run_begins_it_when_it_runs_again(tmp_path, prepared):
    prepared(tmp_path / "prefect")
    manual = WOSHIPM.replace('schedule = "every 10 seconds"\n', "")
    with serving_at(tmp_path, manual) as serving:
        serving.start()
        at = datetime.now(UTC) + timedelta(seconds=24)
        details = {"state_details": {"scheduled_time": at.isoformat()}}
        run = serving.post(
            f"/deployments/{serving.deployment_id('woshipm')}/create_flow_run",
            {"parameters": {}, "state": {"type": "SCHEDULED", **details}},
        )
        serving.wait("its process is started", lambda: serving.runs("PENDING"))

        assert serving.end() == 0
        serving.start()

        found = serving.wait(
            "it is over", lambda: serving.runs("COMPLETED", "CANCELLED", "CRASHED")
        )
        assert [(one["id"], one["state"]["type"]) for one in found] == [(run["id"], "COMPLETED")]
        told = serving.get(f"/flow_run_states/?flow_run_id={run['id']}")
        assert putting_back.WORDS in [one["message"] for one in told]
        assert not {"Cancelled", "Cancelling", "Crashed"} & {one["name"] for one in told}
        assert serving.end() == 0
