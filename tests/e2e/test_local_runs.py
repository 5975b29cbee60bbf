"""Commands as processes of their own: signals, kill -9, and every kind of Prefect server."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from flows import cli
from flows.cli.demo_run import free_port
from flows.serve.prefect_server import SERVER_MODULE
from tests import site
from tests.e2e.serving import COPYDESK, bare_environment, server_at
from tests.site import Fault, NewsSite
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

CONFIG = """
[warehouse]
path = "data/copydesk.duckdb"
[archive]
path = "data/archive"
[fetch]
allow_private_hosts = ["127.0.0.1:{port}"]
deadline_seconds = 60
[run]
batch_size = 3
[sources.ofweek]
parser = "ofweek"
base_url = "http://127.0.0.1:{port}"
"""
BACKFILL = ["backfill", "ofweek", "--from", "2022-03-11", "--to", "2022-03-13"]
PASSWORD = "project:planted-password"
ALL = len(site.oracle(1).of("ofweek", "direct"))


@pytest.fixture
def faults() -> dict[str, Fault]:
    return {}


@pytest.fixture
def news_site(faults: dict[str, Fault]) -> Iterator[NewsSite]:
    def fault_of(target: str, _turn: int) -> Fault | None:
        return faults.get("/") if target != "/robots.txt" else None

    with site.serve(faults=fault_of) as news_site:
        yield news_site


@pytest.fixture
def folder(tmp_path: Path, news_site: NewsSite) -> Path:
    """A configuration and nothing else."""
    text = CONFIG.format(port=news_site.port)
    (tmp_path / "copydesk.toml").write_text(text, encoding="utf-8")
    return tmp_path


def start(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own, as a terminal does."""
    return subprocess.Popen(
        [*COPYDESK, *arguments], cwd=folder, env=bare_environment() | environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def wait_for_requests(news_site: NewsSite, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(news_site.requests) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def stored(folder: Path) -> tuple[list[str], int]:
    """The states of the runs in their order, and how many articles there are."""
    with connect_read_only(folder / "data" / "copydesk.duckdb") as db:
        runs = db.execute("SELECT state FROM runs ORDER BY started_at").fetchall()
        (count,) = db.execute("SELECT count(*) FROM articles").fetchone()
    return [state for (state,) in runs], count


def servers_of(folder: Path) -> list[psutil.Process]:
    """Prefect servers whose home is in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        home = (process.info["environ"] or {}).get("PREFECT_HOME", "")
        if SERVER_MODULE in " ".join(process.info["cmdline"] or []):
            found += [process] if Path(home).is_relative_to(folder) else []
    return found


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C", marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_signal_to_the_process_group_stores_the_batch_and_exits_130(
    folder, news_site, faults, prepared, number
):
    if number == signal.SIGTERM:  # the other server starts with an empty folder, as for a new user
        prepared(folder / "data" / "prefect")
    faults["/"] = Fault(delay_seconds=0.5)
    process = start(folder, *BACKFILL)
    wait_for_requests(news_site, 6, process)
    (server,) = servers_of(folder)
    api = f"http://127.0.0.1:{server.cmdline()[-1]}/api"
    page = {"Origin": "http://example.net"}
    assert requests.get(f"{api}/health", timeout=10).status_code == 200
    assert requests.get(f"{api}/health", headers=page, timeout=10).status_code == 403
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=90)

    assert process.returncode == 130, err
    assert "backfill interrupted" in out
    assert "Traceback" not in err
    assert servers_of(folder) == []
    states, count = stored(folder)
    assert states == ["interrupted"]
    assert 0 < count < ALL


@pytest.mark.nightly
def test_killed_run_leaves_no_server_and_the_next_one_completes_it(
    folder, news_site, faults, prepared
):
    prepared(folder / "data" / "prefect")
    faults["/"] = Fault(delay_seconds=0.5)
    process = start(folder, *BACKFILL)
    wait_for_requests(news_site, 6, process)
    process.kill()
    process.communicate(timeout=30)
    _, left = psutil.wait_procs(servers_of(folder), timeout=30)
    assert left == []
    faults.clear()

    _, err = (again := start(folder, *BACKFILL)).communicate(timeout=120)

    assert again.returncode == 0, err
    assert stored(folder) == (["crashed", "completed"], ALL)


def test_sync_without_a_server_starts_none(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    code = cli.run(["sync"])

    assert code == 0, capfd.readouterr().err
    assert stored(folder) == (["completed"], ALL)
    assert not (folder / "data" / "prefect").exists()


@pytest.fixture
def silent_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a Prefect server that does not answer; the test runs in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    return "http://127.0.0.1:9/api"


def test_server_that_does_not_answer_costs_a_line_and_no_article(folder, silent_server, capfd):
    code = cli.run(["sync"])

    err = capfd.readouterr().err
    assert code == 0, err
    assert silent_server in err
    assert stored(folder) == (["completed"], ALL)
    assert "Traceback" not in err


def test_command_that_needs_prefect_fails_with_a_message_where_its_server_is_away(
    silent_server, capfd
):
    code = cli.run(BACKFILL)

    err = capfd.readouterr().err
    assert code == 1
    assert silent_server in err
    assert "Traceback" not in err


@pytest.mark.nightly
def test_wrong_password_is_named_and_costs_no_article(folder, tmp_path, prepared):
    home = prepared(tmp_path / "server")
    with server_at(home, PREFECT_SERVER_API_AUTH_STRING=PASSWORD) as (server, _):
        process = start(
            folder, "sync", PREFECT_API_URL=server.api_url, PREFECT_API_AUTH_STRING="project:wrong"
        )
        _, err = process.communicate(timeout=120)

    assert process.returncode == 0, err
    assert "PREFECT_API_AUTH_STRING" in err
    assert stored(folder) == (["completed"], ALL)


@pytest.mark.nightly
def test_server_killed_during_the_run_costs_no_article(
    folder, news_site, faults, tmp_path, prepared
):
    faults["/"] = Fault(delay_seconds=0.5)
    with server_at(prepared(tmp_path / "server")) as (server, _):
        process = start(folder, "sync", PREFECT_API_URL=server.api_url)
        wait_for_requests(news_site, 4, process)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        _, err = process.communicate(timeout=240)

    assert process.returncode == 0, err
    assert "everything is stored" in err
    assert stored(folder) == (["completed"], ALL)


@pytest.mark.nightly
def test_planted_secrets_are_in_no_log_no_artifact_and_no_parameter(
    folder, news_site, tmp_path, prepared
):
    text = (folder / "copydesk.toml").read_text(encoding="utf-8")
    secret = f"""
        [sources.guarded]
        parser = "feed"
        url = "http://project:planted-in-url@127.0.0.1:{news_site.port}/nothing.xml?token=planted-in-query"
        """
    (folder / "copydesk.toml").write_text(text + secret, encoding="utf-8")
    home = prepared(tmp_path / "server")
    with server_at(home, PREFECT_SERVER_API_AUTH_STRING=PASSWORD) as (server, _):
        environ = {"PREFECT_API_URL": server.api_url, "PREFECT_API_AUTH_STRING": PASSWORD}
        process = start(folder, "sync", "-v", **environ)
        out, err = process.communicate(timeout=120)

    assert process.returncode == 3, err
    found = out + err + server.log.read_text(encoding="utf-8")
    found += "".join(path.read_bytes().decode("latin-1") for path in home.glob("prefect.db*"))
    assert "sync all sources" in found  # the run is in the database that was searched
    for planted in ("planted-password", "planted-in-url", "planted-in-query"):
        assert planted not in found


@pytest.mark.nightly
def test_sync_uses_the_server_that_the_environment_names(folder, tmp_path, prepared):
    port = free_port(0)
    with server_at(prepared(tmp_path / "server")) as (server, _):
        assert server.api_url != f"http://127.0.0.1:{port}/api"
        process = start(folder, "sync", PREFECT_API_URL=server.api_url + "/")
        _, err = process.communicate(timeout=120)

    assert process.returncode == 0, err
    assert "starting Prefect" not in err
    assert not (folder / "data" / "prefect" / "prefect.db").exists()
