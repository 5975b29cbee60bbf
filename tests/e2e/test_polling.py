"""Which runs `serve` sees at the server: tests at the session's server, without processes."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prefect import flow
from prefect.client.schemas.objects import StateType
from prefect.states import Completed, Running, Scheduled

from flows.serving import due, polling

pytestmark = pytest.mark.e2e

MANY = 210  # Prefect answers with 200 at most
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@flow(name="sync")
def anything(source: str = "a") -> str:
    return source


@pytest.fixture
def deployed(client):
    """Deployments of a flow, by name, with tags."""
    made = []

    def deploy(name, *tags):
        made.append(anything.to_deployment(name=name, tags=["copydesk", *tags]).apply())
        return made[-1]

    yield deploy
    for one in made:
        client.delete_deployment(one)


def asked(client, deployment, *, number=1, at=AN_HOUR_AGO):
    """Runs that somebody asked for."""
    return [
        client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=at)).id
        for _ in range(number)
    ]


def found(deployments, **options):
    """The runs that the runner would begin."""

    async def ask():
        runner = polling.patient_runner(4, **options)
        polling.watch(runner, deployments)
        async with runner:
            return await runner._scheduled_run_poller._get_scheduled_flow_runs()

    return [run.id for run in asyncio.run(ask())]


def test_many_runs_that_somebody_asked_for_do_not_hide_those_of_other_schedules(client, deployed):
    crowded, second, third = (deployed(f"polling-{name}") for name in "abc")
    many = asked(client, crowded, number=MANY)
    (other,) = asked(client, second, at=datetime.now(UTC))
    (last,) = asked(client, third, at=datetime.now(UTC) - timedelta(seconds=5))

    begun = found([crowded, second, third])

    assert set(begun) == {other, last, *set(begun) & set(many)}
    assert len(begun) == 3


def test_nothing_is_asked_for_while_another_one_has_the_place(client, deployed):
    polls, deployment = [], deployed("polling-place")
    (run,) = asked(client, deployment)

    async def never(_client):
        polls.append(1)
        return False

    async def poll():
        runner = polling.patient_runner(4, rules=due.Rules(may_begin=never))
        polling.watch(runner, [deployment])
        async with runner:
            await runner._scheduled_run_poller._get_and_submit_flow_runs()
            return runner._scheduled_run_poller._submitting_flow_run_ids

    assert asyncio.run(poll()) == set()
    assert polls == [1]
    assert client.read_flow_run(run).state.type == StateType.SCHEDULED


@pytest.mark.parametrize(
    "error",
    [
        json.JSONDecodeError("a proxy's own page", "<html>", 0),
        httpx.DecodingError("not gzip"),
        httpx.TooManyRedirects("to a login"),
        httpx.ReadTimeout("away"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_runner_goes_on_whatever_is_answered_in_place_of_the_server(client, deployed, error):
    """Its end would be the end of every run that is under way."""
    deployment, polls = deployed("polling-proxy"), polling.Polls()

    async def answer(**_wanted):
        raise error

    async def poll():
        runner = polling.patient_runner(4, polls=polls)
        polling.watch(runner, [deployment])
        async with runner:
            runner._client.get_scheduled_flow_runs_for_deployments = answer
            for _ in range(3):
                await runner._scheduled_run_poller._get_and_submit_flow_runs()

    asyncio.run(poll())

    assert type(error).__name__ in polls.trouble


def test_requests_of_another_installation_are_left_and_told_once(client, deployed):
    deployment, told = deployed("polling-others", "installation:two"), []
    (run,) = asked(client, deployment)

    def is_ours(one):
        return "installation:two" not in one.tags

    rules = due.Rules(is_ours=is_ours, left=told.append)

    async def ask():
        runner = polling.patient_runner(4, rules=rules)
        polling.watch(runner, [deployment])
        async with runner:
            look = runner._scheduled_run_poller._get_scheduled_flow_runs
            return [await look(), await look()]

    assert asyncio.run(ask()) == [[], []]
    assert told == [[client.read_flow_run(run).name]]
    assert client.read_flow_run(run).state.type == StateType.SCHEDULED


def test_run_that_is_over_stays_so_although_its_process_is_still_there_at_the_end(client, deployed):
    over, under_way = (asked(client, deployed(f"polling-{name}"))[0] for name in "ab")
    client.set_flow_run_state(over, Completed(), force=True)
    client.set_flow_run_state(under_way, Running(), force=True)
    cancelled = []

    async def end():
        async with polling.patient_runner(4) as runner:

            async def cancel(run, *_args, **_options):
                cancelled.append(run)

            runner._cancellation_manager.cancel_by_id = cancel
            runner._process_manager.flow_run_ids = lambda: [over, under_way]
            await runner.cancel_all()
            runner._process_manager.flow_run_ids = list

    asyncio.run(end())

    assert cancelled == [under_way]
