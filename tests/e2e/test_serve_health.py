"""A Prefect server that has a process and a file and does no work: noticed, told, begun anew."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.errors import RunFailed
from flows.serving import deployments, health, server, supervisor, tidying
from flows.serving.health import LOOK_SECONDS, Pulse
from flows.serving.polling import Polls
from flows.serving.server import PrefectServer, set_broken_database_aside
from tests.e2e.serving import OFWEEK, WOSHIPM, serving_at
from tests.site import Fault

# --- asking a server how it is ---------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the test chose for each path."""

    def do_GET(self) -> None:
        self.answer(self.server.of_health)  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.answer(self.server.of_database)  # type: ignore[attr-defined]

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as one:
        one.of_health, one.of_database, one.asked = 200, 200, []  # type: ignore[attr-defined]
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pulse(answering):
    clock = Clock()
    one: Any = Pulse(f"http://127.0.0.1:{answering.server_port}/api", clock=clock)

    def looks(number):
        found = []
        for _ in range(number):
            clock.now += LOOK_SECONDS
            found.append(one.trouble())
        return found

    one.looks = looks
    return one


def test_server_that_answers_is_well(pulse, answering):
    assert pulse.looks(20) == [None] * 20
    assert 3 <= len(answering.asked) <= 4  # its database is asked more seldom


def test_server_that_misses_three_questions_in_a_row_is_in_trouble(pulse, answering):
    answering.of_health = 503
    assert pulse.looks(2) == [None, None]
    answering.of_health = 200
    assert pulse.looks(1) == [None]
    answering.of_health = 503

    assert pulse.looks(3) == [None, None, "the Prefect server did not answer 3 times in a row"]
    assert not pulse.is_database_lost


def test_server_that_cannot_use_its_database_is_in_trouble_though_it_is_healthy(pulse, answering):
    answering.of_database = 500

    found = [words for words in pulse.looks(10) if words]

    assert found[0] == ("the Prefect server cannot use its database (HTTP 500, 3 times in a row)")
    assert pulse.is_database_lost


def test_server_is_asked_with_its_password(pulse, answering, monkeypatch):
    monkeypatch.delenv("PREFECT_API_KEY", raising=False)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "desk:planted")

    pulse.looks(7)

    assert answering.asked == ["Basic ZGVzazpwbGFudGVk"]


def test_server_that_was_begun_anew_starts_with_a_clean_sheet(pulse, answering):
    answering.of_health = 503
    pulse.looks(3)
    pulse.begin()

    assert pulse.looks(2) == [None, None]


# --- polls that are not answered -------------------------------------------------------


def test_first_error_of_the_server_is_told_and_silence_after_three_polls():
    polls = Polls()
    polls.failed("HTTP 500", is_answer=True)
    assert polls.trouble == "HTTP 500"
    polls.answered()
    polls.failed("ReadTimeout", is_answer=False)
    polls.failed("ReadTimeout", is_answer=False)
    assert polls.trouble is None
    polls.failed("ReadTimeout", is_answer=False)
    assert polls.trouble == "ReadTimeout"


def test_desk_says_once_that_no_run_can_be_asked_for_and_once_that_it_can_again(tmp_path):
    said: list[str] = []
    desk = SimpleNamespace(
        _is_deaf=False, _say=said.append, _server=SimpleNamespace(log=tmp_path / "server.log")
    )
    for trouble in (None, "HTTP 500", "HTTP 500", None, None):
        supervisor._Desk._hear_the_runner(desk, trouble)  # type: ignore[arg-type]

    assert len(said) == 2
    assert "does not say which runs are due (HTTP 500)" in said[0]
    assert str(tmp_path / "server.log") in said[0]
    assert "the schedules go on" in said[1]


# --- its log and its database ----------------------------------------------------------


def test_log_of_the_server_is_begun_anew_while_it_runs_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "MAX_LOG_BYTES", 100)
    one = PrefectServer(tmp_path, url="http://127.0.0.1:9/api", host="127.0.0.1", port=9)
    with one.log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 101)
        one._rotate_log()
        writer.write(b"b")

    assert one.log.read_bytes() == b"b"
    assert one.log.with_name("server.log.1").read_bytes() == b"a" * 101


def damage(database: Path) -> None:
    """Overwrite pages in the middle, in place."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        for at in range(size // 4096 // 3, size // 4096):
            file.seek(at * 4096)
            file.write(bytes([at % 251 + 1]) * 4096)


def test_database_damaged_in_the_middle_is_set_aside_once_a_server_could_not_use_it(tmp_path):
    database, said = tmp_path / "prefect.db", []
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE t (n INTEGER, words TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, "words " * 50) for n in range(2000)])
    db.close()
    set_broken_database_aside(database, said.append, is_suspect=True)
    assert said == []
    damage(database)

    set_broken_database_aside(database, said.append, is_suspect=True)

    assert not database.exists()
    assert "Prefect's database could not be read" in said[0]


# --- what must not take long -----------------------------------------------------------


def test_prefects_client_gives_up_soon_where_nobody_could_stop_it(prefect_server):
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def ask(port):
        with (
            temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}),
            health.impatient(0.5),
            get_client(sync_client=True) as client,
        ):
            client.read_deployments()

    began = time.monotonic()
    with silent() as port, pytest.raises(httpx.TimeoutException):
        ask(port)

    assert time.monotonic() - began < 60  # Prefect's own way takes six times a minute


class silent:  # noqa: N801  # used as a function
    """A port that takes connections and says nothing."""

    def __enter__(self) -> int:
        import socket

        self.socket = socket.create_server(("127.0.0.1", 0))
        return int(self.socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_registering_ends_when_everything_shall_end(monkeypatch):
    started = []

    class Process(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, _command, **options):
            super().__init__([sys.executable, "-c", "import time; time.sleep(300)"], **options)
            started.append(self)

    monkeypatch.setattr(deployments.subprocess, "Popen", Process)
    stop = threading.Event()
    stop.set()

    with pytest.raises(RunFailed, match="could not be registered: stopped"):
        deployments.register(None, stop=stop)

    assert started[0].returncode == -signal.SIGKILL


# --- runs that end while they are looked at --------------------------------------------


@pytest.fixture
def running(client):
    from prefect import flow
    from prefect.states import Running

    return client.create_flow_run(flow(lambda: None, name="sync"), state=Running())


@pytest.mark.e2e
def test_run_that_ended_while_it_was_looked_at_keeps_its_state(client, running):
    from prefect.states import Completed

    client.set_flow_run_state(running.id, Completed(), force=True)

    assert not tidying.set_crashed(client, running, was_alive=False)
    assert client.read_flow_run(running.id).state.is_completed()


@pytest.mark.e2e
def test_run_that_was_deleted_while_it_was_looked_at_ends_nothing_else(client, running):
    client.delete_flow_run(running.id)

    assert not tidying.set_crashed(client, running, was_alive=False)


@pytest.mark.e2e
def test_run_without_a_process_is_crashed(client, running):
    assert tidying.set_crashed(client, running, was_alive=False)
    assert client.read_flow_run(running.id).state.is_crashed()


# --- a whole serve ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def serving(tmp_path_factory, prepared):
    folder = tmp_path_factory.mktemp("health")
    prepared(folder / "prefect")
    with serving_at(folder, WOSHIPM, OFWEEK) as one:
        one.start()
        yield one


@pytest.mark.e2e
class TestServeWhoseServerDoesNoWork:
    """In this order: each test goes on where the one before ended."""

    def test_server_that_hangs_is_started_again_and_the_schedules_go_on(self, serving):
        serving.wait("a run", lambda: serving.completed("sync woshipm"))
        hanging = serving.server_pid()
        os.kill(hanging, signal.SIGSTOP)

        serving.wait_for_words("did not answer 3 times in a row; starting it again")

        serving.wait_for_another("sync woshipm")
        assert serving.server_pid() != hanging

    def test_database_damaged_in_place_is_noticed_and_the_schedules_go_on(self, serving):
        damage(serving.home / "prefect.db")
        for file in serving.home.glob("prefect.db-*"):
            with file.open("r+b") as journal:
                journal.truncate(0)

        serving.wait_for_words("Prefect's database could not be read")

        serving.wait_for_another("sync woshipm")

    def test_one_signal_ends_it_while_its_server_hangs(self, serving):
        os.kill(serving.server_pid(), signal.SIGSTOP)

        assert serving.end(signal.SIGINT, seconds=90) == 0

        serving.wait("every process has ended", lambda: not serving.alive())

    def test_orderly_end_lets_a_run_end_after_what_it_is_doing(self, serving):
        serving.start()
        serving.faults["/CATList"] = Fault(delay_seconds=1.0)
        run = serving.ask("ofweek")
        path = f"/flow_runs/{run['id']}"
        serving.wait("it begins", lambda: serving.get(path)["state_type"] == "RUNNING")
        serving.wait(
            "it asks", lambda: any("CATList" in one.target for one in serving.stand.requests)
        )

        assert serving.end(signal.SIGTERM) == 0

        last = "SELECT state FROM runs WHERE source = 'ofweek' ORDER BY started_at DESC LIMIT 1"
        assert serving.rows(last) == [("interrupted",)]
        with sqlite3.connect(serving.home / "prefect.db") as db:
            wanted = "SELECT state_type FROM flow_run WHERE replace(id, '-', '') = ?"
            found = db.execute(wanted, [run["id"].replace("-", "")]).fetchall()
        db.close()
        assert found == [("CANCELLED",)]
