"""The parts of `copydesk serve`, each by itself: which run begins, who serves, what is told."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from prefect._internal.observers import FlowRunCancellingObserver
from prefect.utilities.services import critical_service_loop

from flows import settings
from flows.errors import ConfigurationError, RunFailed
from flows.pipeline import lock_probe, locks
from flows.pipeline.stats import RunReport, SourceStats
from flows.serving import events, installation, neighbours, place, polling, supervisor, tidying
from flows.serving.deployments import Registered
from flows.serving.place import Served
from flows.serving.server import set_broken_database_aside
from warehouse.process import Process, this_process
from warehouse.process import _started as process_started

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SERVED = Served(pid=1, api_url="http://127.0.0.1:4200/api", is_own=True)


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


@pytest.fixture(params=["asked", "without such locks"])
def marked(request, monkeypatch):
    if request.param != "asked":
        monkeypatch.setattr(lock_probe, "_ASK", None)
        monkeypatch.setattr(lock_probe, "_SET", None)


@pytest.mark.usefixtures("marked")
def test_who_looks_sees_a_holder_and_makes_nothing(tmp_path):
    assert place.find_served(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    with place.held(tmp_path, SERVED):
        assert [place.find_served(tmp_path) for _ in range(2)] == [SERVED, SERVED]
    assert place.find_served(tmp_path) is None


def hammered(look, start, times=1000):
    """Have four threads look on without a pause while something is started again and again."""
    is_over = threading.Event()

    def look_on():
        while not is_over.is_set():
            look()

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look_on) for _ in range(4)]
        try:
            for _ in range(times):
                start()
        finally:
            is_over.set()
    assert [one.exception() for one in looking] == [None] * 4


def test_who_looks_whether_there_is_a_serve_never_keeps_one_from_starting(tmp_path):
    def start():
        with place.held(tmp_path, SERVED):
            pass

    hammered(lambda: place.find_served(tmp_path), start)


def test_who_looks_at_a_lease_never_keeps_a_run_from_having_it(tmp_path):
    chosen = chosen_at(tmp_path)

    def start():
        with locks.acquire(chosen, "finews", flow="sync", run_id="r"):
            pass

    hammered(lambda: locks.lock_owner(chosen, "finews"), start)


def test_holder_of_a_lease_that_is_killed_is_no_holder_any_more(tmp_path):
    code = (
        "import sys; from pathlib import Path; from flows import leases, settings\n"
        "f = Path(sys.argv[1]); w = settings.WarehouseSettings(path=f / 'copydesk.duckdb', "
        "snapshot=f / 'read')\n"
        "with leases.hold(settings.Settings(warehouse=w), 'finews', flow='sync', run_id='r'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        held = locks.lock_owner(chosen_at(tmp_path), "finews")
        process.kill()
        process.wait()

    assert held.process.pid == process.pid
    assert locks.lock_owner(chosen_at(tmp_path), "finews") is None


def test_one_warehouse_is_served_once_whatever_homes_prefect_is_given(tmp_path):
    warehouse = tmp_path / "copydesk.duckdb"
    with (
        place.held(tmp_path / "one", SERVED, warehouse=warehouse),
        pytest.raises(RunFailed, match=r"another .* \(process 1, http://127.0.0.1:4200\)"),
        place.held(tmp_path / "other", SERVED, warehouse=warehouse),
    ):
        pass


ME = this_process()
ALIVE = Process(ME.host, ME.boot, os.getppid(), process_started(os.getppid()))
DEAD = Process(ME.host, ME.boot, 2**22 + 1, "1")
ELSEWHERE = Process("another-machine", "b", 7, "1")


class Server:
    """As much of a Prefect client as is asked who else serves; ours are polled, or not."""

    api_url = "http://127.0.0.1:4200/api"

    def __init__(self, *, is_polled, polls=99):
        self._is_polled = is_polled
        self._polls = polls
        self.looks = 0

    def read_deployments(self, **_filters):
        self.looks += 1
        polled = NOW + timedelta(seconds=min(self.looks, self._polls) if self._is_polled else 0)
        others = NOW + timedelta(days=1, seconds=self.looks)
        rows = [
            (others, ["payroll"], None),
            (others, ["copydesk"], "p"),
            (None, ["copydesk", "finews"], None),
            (polled, ["copydesk", "finews"], None),
        ]
        names = ("last_polled", "tags", "work_pool_name")
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows]


def note_of(process, **more):
    # As earlier versions wrote it, and as they read the process.
    known = {key: value for key, value in asdict(process).items() if more or key != "space"}
    return json.dumps({"home": "/data/prefect", "process": known} | more)


def seat(**options):
    said = options.pop("said", [])
    options = {"owns_server": False, "say": said.append} | options
    return neighbours.Seat(Path("/mine/prefect"), "0ne", **options)


def judged(server, value, **options):
    """Whether the place of a note is taken: nothing, or why not."""
    note = neighbours.note_of(SimpleNamespace(value=value))
    if note is not None:
        seat(**options)._replace(server, note)


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(neighbours, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(neighbours, "WATCH_SECONDS", 0.02)


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
def test_server_that_nobody_else_serves_at_is_taken(note, is_polled, no_waiting):
    judged(Server(is_polled=is_polled), note)


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (ALIVE, f"process {ALIVE.pid} on {ME.host}, /data/prefect"),
        (ELSEWHERE, "on another-machine, .* if it ended a moment ago, try again in two minutes"),
    ],
    ids=["here", "elsewhere"],
)
def test_server_that_another_one_serves_at_is_refused_with_what_to_do(process, words, no_waiting):
    with pytest.raises(RunFailed, match=words):
        judged(Server(is_polled=True), note_of(process))


HERE = replace(ME, pid=DEAD.pid, started="1")
CONTAINER = replace(ME, host="a-container", space="pid:[1]")
TWIN = replace(ME, boot="of-another-machine-with-this-name")
OWN, OTHER_ONE = {"installation": "0ne", "token": "t"}, {"installation": "two", "token": "t"}


@pytest.mark.parametrize(
    ("process", "is_polled"),
    [(HERE, True), (CONTAINER, False), (TWIN, False), (ELSEWHERE, False)],
    ids=["killed here", "container of before", "machine that was rebooted", "moved"],
)
def test_installation_takes_its_own_place_wherever_it_starts_again(process, is_polled, no_waiting):
    judged(Server(is_polled=is_polled), note_of(process, **OWN))


def test_one_question_that_a_killed_process_left_under_way_does_not_keep_its_place(no_waiting):
    judged(Server(is_polled=True, polls=2), note_of(CONTAINER, **OWN))


@pytest.mark.parametrize("process", [CONTAINER, TWIN, ELSEWHERE], ids=["container", "twin", "far"])
def test_copy_of_an_installation_is_refused_while_the_other_is_at_work(process, no_waiting):
    said = []

    with pytest.raises(neighbours.Displaced, match="is a copy of the other"):
        judged(Server(is_polled=True), note_of(process, **OWN), said=said)

    assert "whether it is still at work" in said[0]


@pytest.mark.parametrize("process", [ALIVE, HERE, CONTAINER, TWIN, ELSEWHERE])
@pytest.mark.parametrize("is_polled", [True, False], ids=["at work", "silent"])
def test_place_of_another_installation_is_never_taken(process, is_polled, no_waiting):
    with pytest.raises(neighbours.Displaced) as refused:
        judged(Server(is_polled=is_polled), note_of(process, **OTHER_ONE))

    assert "installation two, /data/prefect" in str(refused.value)
    assert ("prefect variable delete copydesk_serve" in str(refused.value)) == (process != ALIVE)


@pytest.mark.parametrize(
    ("note", "is_told"),
    [
        (note_of(ELSEWHERE, **OTHER_ONE), True),
        (note_of(replace(ALIVE, space=ME.space), **OWN), True),
        (note_of(HERE, **OWN), False),
        (note_of(DEAD), False),
    ],
    ids=["another installation", "alive", "itself, before", "itself, of an earlier version"],
)
def test_owner_of_a_server_takes_its_place_back_and_says_whose_it_was(note, is_told):
    said = []

    judged(Server(is_polled=True), note, owns_server=True, said=said)

    assert [("it is replaced, and ends by itself" in words) for words in said] == [True] * is_told


# --- whose is what ---------------------------------------------------------------------


def chosen_at(folder, name="copydesk.duckdb"):
    warehouse = settings.WarehouseSettings(path=folder / name, snapshot=folder / "read")
    return settings.Settings(warehouse=warehouse)


def test_installation_has_one_id_from_whichever_process_asks_first(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: installation.identity(chosen_at(tmp_path / "d")), range(32)))

    assert len(found) == 1
    assert [one.name for one in (tmp_path / "d").iterdir()] == ["installation"]


def test_installation_keeps_its_id_where_its_folder_goes_and_no_other_has_it(tmp_path):
    first = installation.identity(chosen_at(tmp_path / "first"))
    (tmp_path / "first").rename(tmp_path / "moved")

    assert installation.identity(chosen_at(tmp_path / "moved")) == first
    assert installation.identity(chosen_at(tmp_path / "first")) != first
    assert installation.identity(chosen_at(tmp_path / "moved", "other.duckdb")) != first


@pytest.mark.parametrize("damaged", ["", "0123", "not hexadecimal, but of this length"])
def test_installation_whose_id_cannot_be_read_is_not_given_another_in_silence(tmp_path, damaged):
    (tmp_path / "installation").write_text(damaged)

    with pytest.raises(ConfigurationError, match="put the file back from a copy, or delete it"):
        installation.identity(chosen_at(tmp_path))


@pytest.mark.parametrize(
    ("tags", "config", "expected"),
    [
        (["installation:0ne"], "/c", True),
        (["installation:0ne"], "/other", True),
        (["installation:two"], "/c", False),
        (["copydesk"], "/c", True),
        (["copydesk"], "/other", False),
        (["copydesk"], None, False),
    ],
)
def test_run_is_ours_by_its_tag_and_one_of_an_earlier_version_by_its_configuration(
    tags, config, expected
):
    run = SimpleNamespace(tags=tags, parameters={"config": config})

    assert tidying.are_ours("0ne", Path("/c"), is_own=False)(run) is expected
    assert tidying.are_ours("0ne", Path("/c"), is_own=True)(run)


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
    words = supervisor.announcement(
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
    gap, well, empty = (SourceStats(source=slug) for slug in ("a", "b", "c"))
    gap.add(discovered=3)
    gap.gap("possible gap at http://desk:planted-secret@127.0.0.1/list")
    gap.quarantine("expected a title")
    well.add(discovered=3)
    report = RunReport(
        run_id="1", flow="sync", state="completed_with_warnings", stats=(gap, well, empty)
    )

    found = list(events.events_of(report))

    assert [(event, source) for event, source, _ in found] == [
        ("copydesk.gap", "a"),
        ("copydesk.drift", "a"),
        ("copydesk.stall", "c"),
    ]
    assert "planted-secret" not in str(found)
