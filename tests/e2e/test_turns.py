"""Which run begins: late ones into one, places shared, whose turn it is, and why another waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Running, Scheduled

from flows import settings
from flows.serving.deployments import ON_DEMAND, Registered, planned
from flows.serving.due import TOLD_EACH, Due, Rules, sift
from flows.serving.turns import Places, Turns

# --- what is dropped ------------------------------------------------------------------
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ONE, OTHER = uuid4(), uuid4()


def due(deployment: UUID, minutes: int, *, by_schedule: bool = True) -> Any:
    at = NOW + timedelta(minutes=minutes)
    return SimpleNamespace(
        deployment_id=deployment, expected_start_time=at, auto_scheduled=by_schedule, id=uuid4()
    )


def test_late_runs_collapse_into_the_newest_of_each_deployment():
    runs = [due(ONE, -15), due(ONE, -10), due(OTHER, -10), due(ONE, -5)]

    begin, drop = sift(runs, (), NOW)

    assert begin == [runs[3], runs[2]]
    assert [run for run, _ in drop] == runs[:2]
    assert "the run of 2026-03-01 11:55:00 UTC stands for it" in drop[1][1]


def test_scheduled_run_is_dropped_while_the_one_before_is_under_way():
    runs = [due(ONE, 0), due(OTHER, 0)]

    begin, drop = sift(runs, {ONE}, NOW)

    assert begin == [runs[1]]
    assert drop == [(runs[0], "dropped, because the run before it was still under way")]


def test_run_that_is_not_due_yet_is_not_dropped_for_the_one_under_way():
    assert sift([due(ONE, 1)], {ONE}, NOW) == ([], [])


def test_run_that_somebody_asked_for_waits_and_is_never_dropped():
    asked = [due(ONE, -30, by_schedule=False), due(ONE, -20, by_schedule=False)]

    assert sift(asked, {ONE}, NOW) == ([], [])
    assert sift(asked, (), NOW) == ([asked[0]], [])
    assert sift([*asked, due(ONE, -1)], (), NOW) == ([asked[0]], [])


# --- places ----------------------------------------------------------------------------

LONG = [uuid4() for _ in range(4)]
SOURCES = [uuid4() for _ in range(6)]


def turns(runs_at_once):
    return Turns(Places.of(runs_at_once), LONG.__contains__)


def all_due(*deployments, minutes=-1):
    return [due(one, minutes) for one in deployments]


def begun(runs):
    return [run.deployment_id for run in runs]


@pytest.mark.parametrize(("runs_at_once", "long"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 4)])
def test_long_requests_take_half_of_the_places_at_most(runs_at_once, long):
    found = begun(turns(runs_at_once).choose(all_due(*LONG), [], NOW))

    assert found == LONG[:long]


@pytest.mark.parametrize("runs_at_once", [1, 2, 3, 4, 8])
def test_sources_have_a_place_whatever_long_requests_are_under_way(runs_at_once):
    waiting = turns(runs_at_once)
    long = begun(waiting.choose(all_due(*LONG), [], NOW))

    found = begun(waiting.choose(all_due(*LONG, *SOURCES), long, NOW))

    assert set(found) <= {*SOURCES, *LONG}
    assert set(found) & set(SOURCES)


@pytest.mark.parametrize("runs_at_once", [1, 2, 4])
def test_no_more_run_than_there_are_places(runs_at_once):
    found = turns(runs_at_once).choose(all_due(*SOURCES, *LONG), [], NOW)

    assert sum(run.deployment_id in SOURCES for run in found) <= runs_at_once
    assert len(found) <= max(2, runs_at_once)
    assert turns(runs_at_once).choose(all_due(*SOURCES), SOURCES[:runs_at_once], NOW) == []


def test_nobody_is_passed_over_for_ever_where_more_is_due_than_can_run():
    """Each poll one place is free, and all are due again."""
    waiting = turns(1)

    found = [begun(waiting.choose(all_due(*SOURCES), [], NOW)) for _ in range(len(SOURCES))]

    assert sorted(str(one) for each in found for one in each) == sorted(map(str, SOURCES))


def test_long_request_has_its_turn_although_sources_are_always_due():
    waiting = turns(4)

    found = [begun(waiting.choose(all_due(*SOURCES, LONG[0]), SOURCES[:2], NOW)) for _ in range(5)]

    assert any(LONG[0] in each for each in found)


def test_what_is_due_comes_before_what_will_be():
    soon, now = due(ONE, 1), due(OTHER, -1)

    assert turns(1).choose([soon, now], [], NOW) == [now]


def test_all_but_the_sources_may_take_hours(tmp_path):
    chosen = settings.load(None, {})
    names = [f"{one.flow.name}/{one.name}" for one in planned(chosen, None)]

    long = [name for name in names if Registered(id="", name=name, when="").is_long]

    assert long == [
        "sync/all",
        *(f"{name}/{name}" for name in ("backfill", "import", "reparse", "maintenance")),
    ]
    assert len(long) == len(ON_DEMAND) + 1


# --- at a server -----------------------------------------------------------------------


@flow(name="sync")
def anything(source: str = "a") -> str:
    return source


@pytest.fixture
def ask(client):
    """Ask for a run of a new deployment, or of one that is there."""

    def make(deployment=None, *, name="turns", ago=60):
        deployment = deployment or anything.to_deployment(name=f"{name}-{uuid4()}").apply()
        at = datetime.now(UTC) - timedelta(seconds=ago)
        return client.create_flow_run_from_deployment(
            deployment, state=Scheduled(scheduled_time=at)
        )

    return make


def polled(queue, deployments, under_way=(), **replaced):
    from prefect.client.orchestration import get_client

    async def poll():
        async with get_client() as client:
            for name, stand_in in replaced.items():
                setattr(client, name, stand_in)
            return await queue.next(client, deployments, under_way)

    return [run.id for run in asyncio.run(poll())]


@pytest.mark.e2e
def test_request_that_has_to_wait_says_why_on_its_page_and_begins_later(client, ask):
    first, second = ask(ago=50), ask(ago=40)
    deployments = [first.deployment_id, second.deployment_id]
    queue = Due(Places.of(2), Rules(is_long=lambda _deployment: True))

    assert polled(queue, deployments) == [first.id]
    client.set_flow_run_state(first.id, Running(), force=True)
    waits = client.read_flow_run(second.id)

    assert waits.state.type == StateType.SCHEDULED
    assert waits.state.name == "AwaitingConcurrencySlot"
    assert "maintenance that is under way has ended" in waits.state.message
    assert waits.expected_start_time == second.expected_start_time
    assert polled(queue, deployments, [first.id]) == []
    assert polled(queue, deployments) == [second.id]


@pytest.mark.e2e
def test_request_waits_for_the_one_before_it_and_is_told_once(client, ask):
    first = ask(ago=50)
    others = [ask(first.deployment_id, ago=one) for one in range(TOLD_EACH + 3)]
    queue = Due(Places.of(4), Rules())

    def waiting():
        found = [client.read_flow_run(run.id).state for run in others]
        return [state for state in found if state.name == "AwaitingConcurrencySlot"]

    assert polled(queue, [first.deployment_id]) == [first.id]
    assert len(waiting()) == TOLD_EACH
    assert "one at a time of each deployment" in waiting()[0].message
    polled(queue, [first.deployment_id], [first.id])
    told = waiting()
    polled(queue, [first.deployment_id], [first.id])

    assert len(told) == len(others)
    assert [state.timestamp for state in waiting()] == [state.timestamp for state in told]


@pytest.mark.e2e
def test_request_that_waits_is_still_there_when_its_deployment_is_registered_again(client, ask):
    """Prefect deletes what is merely scheduled when a deployment changes."""
    name = f"again-{uuid4()}"
    first = ask(name=name)
    second = ask(first.deployment_id, ago=30)
    queue = Due(Places.of(4), Rules())
    assert polled(queue, [first.deployment_id]) == [first.id]

    anything.to_deployment(
        name=client.read_deployment(first.deployment_id).name, tags=["new"]
    ).apply()

    assert client.read_flow_run(second.id).state.type == StateType.SCHEDULED


@pytest.mark.e2e
def test_request_that_is_cancelled_while_others_are_told_why_they_wait_stays_so(client, ask):
    first = ask(ago=50)
    second, third = ask(first.deployment_id, ago=40), ask(first.deployment_id, ago=30)

    async def cancel_the_third(run, state):
        told.append(run)
        client.set_flow_run_state(third.id, Cancelled(), force=True)

    told = []
    queue = Due(Places.of(2), Rules())
    polled(queue, [first.deployment_id], set_flow_run_state=cancel_the_third)

    assert told == [second.id]
    assert client.read_flow_run(third.id).state.type == StateType.CANCELLED


@pytest.mark.e2e
def test_server_that_takes_no_words_about_waiting_holds_up_no_run(client, ask):
    first, second = ask(ago=50), ask(ago=40)
    queue = Due(Places.of(2), Rules(is_long=lambda _deployment: True))

    async def refuse(*_args, **_options):
        raise httpx.ReadTimeout("busy")

    found = polled(queue, [first.deployment_id, second.deployment_id], set_flow_run_state=refuse)

    assert found == [first.id]
