"""The parts of `copydesk serve`, each by itself: which run begins, who serves, what is told."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect._internal.observers import FlowRunCancellingObserver
from prefect.client.schemas.objects import DeploymentStatus
from prefect.utilities.services import critical_service_loop

from flows import serve, settings
from flows.errors import RunFailed
from flows.report import Report, Tally
from flows.serving import events, neighbours, place, polling, tidying
from flows.serving.deployments import Registered
from flows.serving.place import Served
from flows.serving.server import set_broken_database_aside
from flows.settings import ConfigurationError
from tests.operations.__main__ import groups
from warehouse.process import Process, this_process
from warehouse.process import _started as process_started

SERVED = Served(pid=1, api_url="http://127.0.0.1:4200/api", is_own=True)


# --- which run begins ------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ONE, OTHER = uuid4(), uuid4()


def due(deployment: UUID, minutes: int, *, by_schedule: bool = True) -> Any:
    at = NOW + timedelta(minutes=minutes)
    return SimpleNamespace(
        deployment_id=deployment, expected_start_time=at, auto_scheduled=by_schedule, id=uuid4()
    )


def test_late_runs_collapse_into_the_newest_of_each_deployment():
    runs = [due(ONE, -15), due(ONE, -10), due(OTHER, -10), due(ONE, -5)]

    begin, drop = tidying.sift(runs, (), NOW)

    assert begin == [runs[3], runs[2]]
    assert [run for run, _ in drop] == runs[:2]
    assert "the run of 2026-03-01 11:55:00 UTC stands for it" in drop[1][1]


def test_scheduled_run_is_dropped_while_the_one_before_is_under_way():
    runs = [due(ONE, 0), due(OTHER, 0)]

    begin, drop = tidying.sift(runs, {ONE}, NOW)

    assert begin == [runs[1]]
    assert drop == [(runs[0], "dropped, because the run before it was still under way")]


def test_run_that_is_not_due_yet_is_not_dropped_for_the_one_under_way():
    assert tidying.sift([due(ONE, 1)], {ONE}, NOW) == ([], [])


def test_run_that_somebody_asked_for_waits_and_is_never_dropped():
    asked = [due(ONE, -30, by_schedule=False), due(ONE, -20, by_schedule=False)]

    assert tidying.sift(asked, {ONE}, NOW) == ([], [])
    assert tidying.sift(asked, (), NOW) == ([asked[0]], [])
    assert tidying.sift([*asked, due(ONE, -1)], (), NOW) == ([asked[0]], [])


def test_cancelled_runs_are_looked_for_however_often_the_server_is_away():
    """Prefect's own gives up for good after three failures in a row."""
    observer, looks = FlowRunCancellingObserver(on_cancelling=lambda _run: None), []

    async def look() -> None:
        looks.append(len(looks))
        raise asyncio.CancelledError if len(looks) > 8 else httpx.ConnectError("away")

    assert observer._check_for_cancelled_flow_runs  # what its loop calls; Prefect may rename it
    observer._check_for_cancelled_flow_runs = look
    polling.look_on(observer)
    again_and_again = critical_service_loop(observer._check_for_cancelled_flow_runs, 0.001)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(again_and_again)

    assert len(looks) == 9


# --- who serves, and where -------------------------------------------------------------


def test_one_serve_at_a_time_and_the_others_know_where(tmp_path):
    assert place.find_served(tmp_path) is None
    with place.held(tmp_path, SERVED):
        assert place.find_served(tmp_path) == SERVED
        with (
            pytest.raises(RunFailed, match=r"another .* \(process 1, http://127.0.0.1:4200\)"),
            place.held(tmp_path, SERVED),
        ):
            pass
        assert place.find_served(tmp_path) == SERVED
    assert place.find_served(tmp_path) is None


def test_what_a_killed_serve_wrote_down_is_not_believed(tmp_path):
    (tmp_path / "serve.json").write_text('{"pid": 1, "api_url": "x", "is_own": true}')

    assert place.find_served(tmp_path) is None


ME = this_process()
ALIVE = Process(ME.host, ME.boot, os.getppid(), process_started(os.getppid()))
DEAD = Process(ME.host, ME.boot, 2**22 + 1, "1")
ELSEWHERE = Process("another-machine", "b", 7, "1")


class Server:
    """As much of a Prefect client as is asked who else serves."""

    api_url = "http://127.0.0.1:4200/api"

    def __init__(self, *, is_polled):
        self._status = DeploymentStatus.READY if is_polled else DeploymentStatus.NOT_READY

    def read_deployments(self, **_filters):
        statuses = (DeploymentStatus.NOT_READY, self._status)
        ours = {"tags": ["copydesk", "finews"], "work_pool_name": None}
        theirs = [
            SimpleNamespace(status=DeploymentStatus.READY, tags=["payroll"], work_pool_name=None),
            SimpleNamespace(status=DeploymentStatus.READY, tags=["copydesk"], work_pool_name="p"),
        ]
        return [*theirs, *(SimpleNamespace(status=status, **ours) for status in statuses)]


def note_of(process):
    return json.dumps({"home": "/data/prefect", "process": asdict(process)})


@pytest.mark.parametrize(
    ("note", "is_polled"),
    [
        (note_of(ME), True),
        (note_of(DEAD), True),
        (note_of(ELSEWHERE), False),
        ("{}", True),
        ("not a note", True),
    ],
    ids=["this one", "dead", "elsewhere, and silent", "empty", "somebody's own variable"],
)
def test_server_that_nobody_else_serves_at_is_taken(note, is_polled):
    neighbours._refuse_another(Server(is_polled=is_polled), note)


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (ALIVE, f"process {ALIVE.pid} on {ME.host}, /data/prefect"),
        (ELSEWHERE, "on another-machine, .* if it ended a moment ago, try again in two minutes"),
    ],
    ids=["here", "elsewhere"],
)
def test_server_that_another_one_serves_at_is_refused_with_what_to_do(process, words):
    with pytest.raises(RunFailed, match=words):
        neighbours._refuse_another(Server(is_polled=True), note_of(process))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_address_beyond_loopback_needs_a_password(host):
    chosen = settings.Settings(serve=settings.ServeSettings(host=host))

    with pytest.raises(ConfigurationError, match="PREFECT_SERVER_API_AUTH_STRING"):
        place.check_exposure(chosen, {})
    place.check_exposure(chosen, {"PREFECT_SERVER_API_AUTH_STRING": "desk:planted"})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://p:1"}, "127.0.0.1,localhost,::1"),
        ({"https_proxy": "http://p:1", "NO_PROXY": "x.org"}, "x.org,127.0.0.1,localhost,::1"),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "localhost"}, "localhost,127.0.0.1,::1"),
    ],
)
def test_no_proxy_stands_between_us_and_a_server_on_this_machine(environ, expected):
    place.spare_loopback(environ)

    assert environ.get("no_proxy") == environ.get("NO_PROXY") == expected


def test_server_keeps_leases_on_disk_and_sends_nothing_home(tmp_path):
    told = place.own_server_environment(settings.Settings(), tmp_path)

    assert told["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")
    assert (told["PREFECT_SERVER_ANALYTICS_ENABLED"], told["DO_NOT_TRACK"]) == ("false", "1")
    assert told["PREFECT_SERVER_API_HOST"] == "127.0.0.1"


def test_database_that_cannot_be_read_is_set_aside_with_a_message(tmp_path):
    database, said = tmp_path / "prefect.db", []
    database.write_bytes(b"not a database " * 500)

    set_broken_database_aside(database, said.append)

    assert not database.exists()
    assert len(list(tmp_path.glob("prefect.db.broken-*"))) == 1
    assert "Articles are not in it" in said[0]


def test_good_database_stays(tmp_path):
    database = tmp_path / "prefect.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE t (n INTEGER)")
    db.close()

    set_broken_database_aside(database, pytest.fail)

    assert database.exists()


def test_announcement_names_schedules_and_what_can_be_asked_for():
    words = serve.announcement(
        SERVED,
        [
            Registered(id="1", name="sync/finews", when="*/5 * * * * (Asia/Shanghai)"),
            Registered(id="2", name="backfill/backfill", when=""),
        ],
    )

    assert "Prefect UI: http://127.0.0.1:4200\n" in words
    assert "  sync/finews        */5 * * * * (Asia/Shanghai)" in words
    assert "`prefect deployment run NAME`: backfill/backfill" in words


# --- what a run tells ------------------------------------------------------------------


def test_run_tells_gaps_drift_and_stalls_as_events_and_masks_what_is_secret():
    gap, well, empty = (Tally(source=slug) for slug in ("a", "b", "c"))
    gap.add(discovered=3)
    gap.gap("possible gap at http://desk:planted-secret@127.0.0.1/list")
    gap.quarantine("expected a title")
    well.add(discovered=3)
    report = Report(run_id="1", flow="sync", state="needs_attention", tallies=(gap, well, empty))

    found = list(events.events_of(report))

    assert [(event, source) for event, source, _ in found] == [
        ("copydesk.gap", "a"),
        ("copydesk.drift", "a"),
        ("copydesk.stall", "c"),
    ]
    assert "planted-secret" not in str(found)


# --- how these tests are run -----------------------------------------------------------


def test_every_file_of_tests_here_is_run_by_exactly_one_process():
    named = [file.name for group in groups() for file in group]

    assert sorted(named) == sorted(file.name for file in Path(__file__).parent.glob("test_*.py"))
