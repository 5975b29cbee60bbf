"""What the environment and the machine give to `serve` and to runs, however it is written."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from flows import settings
from flows.admin import doctor
from flows.errors import RunFailed
from flows.serving import ephemeral_server, place, supervisor
from flows.serving.launch import _in_words
from flows.serving.place import Served
from flows.serving.server import PrefectServer
from tests import site
from tests.e2e.serving import bare_environment
from tests.e2e.test_without_server import SYNC, config_of, stored

AWAY = Served(pid=1, api_url="http://127.0.0.1:9/api", is_own=True)


def server(host, port, home):
    chosen = settings.Settings(serve=settings.ServeSettings(host=host, port=port))
    return PrefectServer(home, url=f"{place.address(chosen)}/api", host=host, port=port)


# --- words of the environment ----------------------------------------------------------


@pytest.mark.parametrize("given", ["", "  "])
def test_empty_server_address_is_none_at_all(given):
    environ = {"PREFECT_API_URL": given}

    assert place.named_server(environ) is None
    assert environ == {}


def test_server_address_may_end_in_a_slash():
    environ = {"PREFECT_API_URL": "http://127.0.0.1:4200/api/"}

    assert place.named_server(environ) == "http://127.0.0.1:4200/api"
    assert environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"


@pytest.mark.parametrize("given", ["prefect-home", "~/prefect-home"])
def test_home_of_prefect_is_one_folder_from_wherever_it_is_looked_at(elsewhere, monkeypatch, given):
    monkeypatch.setenv("HOME", str(elsewhere))
    monkeypatch.setenv("PREFECT_HOME", given)

    assert place.prefect_home(settings.Settings()) == elsewhere / "prefect-home"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104
def test_address_in_the_browser_is_this_machines(host):
    chosen = settings.Settings(serve=settings.ServeSettings(host=host, port=1))

    assert place.address(chosen) == "http://127.0.0.1:1"


@pytest.mark.parametrize("host", ["::1", "::"])
def test_address_of_the_sixth_version_is_written_as_addresses_are(host):
    chosen = settings.Settings(serve=settings.ServeSettings(host=host, port=1))

    assert place.address(chosen) == "http://[::1]:1"


def test_desk_serves_the_default_file_by_its_absolute_path(elsewhere, monkeypatch):
    (elsewhere / "copydesk.toml").write_text("", encoding="utf-8")
    for name in list(os.environ):
        monkeypatch.setenv(name, os.environ[name])  # put back at the end
    monkeypatch.delenv("PREFECT_HOME")
    monkeypatch.setenv("PREFECT_API_URL", "")
    given = {}

    class Desk:
        def __init__(self, _settings, config, served, home, **_options):
            given.update(config=config, served=served, home=home)

        def run(self):
            given["api"] = os.environ["PREFECT_API_URL"]

        def close(self):
            pass

    monkeypatch.setattr(supervisor, "_Desk", Desk)
    supervisor.serve(settings.load(), config=None, notify=print, port=4999)

    assert given["config"] == elsewhere / "copydesk.toml"
    assert given["served"].is_own
    assert given["api"] == "http://127.0.0.1:4999/api"
    assert os.environ["PREFECT_HOME"] == str(elsewhere / "data" / "prefect")


# --- addresses that cannot be listened at ----------------------------------------------


def test_port_held_by_another_program_is_not_called_a_server_to_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(RunFailed) as caught:
            server("127.0.0.1", port, tmp_path).start({}, stop=threading.Event(), notify=print)

    assert f"127.0.0.1:{port} is taken by another program: choose another --port" in str(
        caught.value
    )
    assert "PREFECT_API_URL" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "256.256.256.256", "2001:db8::1"])
def test_address_that_is_not_this_machines_is_not_called_taken(tmp_path, host):
    with pytest.raises(RunFailed) as caught:
        server(host, 4999, tmp_path).start({}, stop=threading.Event(), notify=print)

    assert f"no server can listen at {host}:4999" in str(caught.value)
    assert "taken" not in str(caught.value)


def test_localhost_of_a_machine_with_one_version_of_addresses_is_enough(tmp_path, monkeypatch):
    def both(_host, port, **_options):
        there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port)), there]

    monkeypatch.setattr(socket, "getaddrinfo", both)

    server("localhost", 0 + 65_001, tmp_path)._refuse_taken_port()


# --- a `serve` whose server does not answer --------------------------------------------


def test_command_does_not_wait_for_ever_for_a_serve_that_hangs(monkeypatch):
    monkeypatch.setattr(ephemeral_server, "AWAIT_SECONDS", 0.5)
    said = []

    with pytest.raises(RunFailed, match=r"of `copydesk serve` \(process 1\) does not answer: if"):
        ephemeral_server._await(AWAY, stop=threading.Event(), notify=said.append)

    assert said == ["waiting for the Prefect server of `copydesk serve` at http://127.0.0.1:9/api"]


def test_command_that_waits_for_a_starting_serve_can_be_stopped():
    stop = threading.Event()
    stop.set()

    with pytest.raises(KeyboardInterrupt):
        ephemeral_server._await(AWAY, stop=stop, notify=print)


def test_doctor_names_the_server_of_a_serve_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with place.held(tmp_path, AWAY):
        (found,) = doctor._server(settings.Settings())

    assert (found.level, AWAY.api_url in found.says) == ("broken", True)
    assert "end `copydesk serve` (process 1) and start it again" in found.says
    assert "PREFECT_API_URL" not in found.says


def test_refused_password_is_told_as_one_and_not_as_a_full_disk():
    import httpx

    answer = httpx.Response(401, request=httpx.Request("GET", "http://127.0.0.1:1/api"))
    told = _in_words(httpx.HTTPStatusError("no", request=answer.request, response=answer))

    assert "wants another password: set PREFECT_API_AUTH_STRING" in str(told)
    assert "room" not in str(told)


# --- whole commands --------------------------------------------------------------------


def sync(config: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SYNC, "--config", str(config)],
        env=bare_environment() | environ, cwd=config.parent,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory, prepared):
    folder = tmp_path_factory.mktemp("surroundings")
    prepared(folder / "in" / "prefect")
    with site.serve() as stand:
        yield config_of(folder, stand)


@pytest.mark.e2e
class TestSyncWithAServerOfItsOwn:
    """In this order, in one folder."""

    def test_relative_home_empty_address_and_a_password_do_no_harm(self, desk):
        done = sync(
            desk,
            PREFECT_HOME="in/prefect",
            PREFECT_API_URL="",
            PREFECT_SERVER_API_AUTH_STRING="desk:planted",
        )

        assert done.returncode == 0, done.stderr
        assert "goes on without" not in done.stderr
        assert stored(desk) > 0
        with sqlite3.connect(desk.parent / "in" / "prefect" / "prefect.db") as db:
            (runs,) = db.execute("SELECT count(*) FROM flow_run").fetchone()
        db.close()
        assert runs == 1

    def test_database_of_another_prefect_is_told_and_costs_no_article(self, desk):
        database = desk.parent / "in" / "prefect" / "prefect.db"
        with sqlite3.connect(database) as db:
            db.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
        db.close()

        done = sync(desk, PREFECT_HOME="in/prefect")

        assert done.returncode == 0, done.stderr
        assert f"its database ({database}) was made by another version of Prefect" in done.stderr
        assert f"or move {database} away, and a new one begins: no article is in it" in done.stderr
        assert "this run goes on without it" in done.stderr
        assert "Traceback" not in done.stderr

    def test_serve_that_hangs_costs_a_sync_a_line_and_no_article(self, desk):
        home = desk.parent / "in" / "prefect"
        with place.held(home, AWAY):
            assert json.loads((home / "serve.json").read_text()) == asdict(AWAY)
            done = sync(desk, PREFECT_HOME="in/prefect")

        assert done.returncode == 0, done.stderr
        assert f"{AWAY.api_url} does not answer: this run goes on without it" in done.stderr
