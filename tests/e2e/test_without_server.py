"""A sync finishes and stores its articles, wherever its Prefect server is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows import settings
from flows.cli.demo_run import free_port
from tests import site
from tests.e2e.serving import bare_environment, server_at
from tests.site import Fault
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

SECRETS = {"PREFECT_API_AUTH_STRING": "desk:planted-password"}
SYNC = [sys.executable, "-c", "from flows.cli import main; main()", "sync"]


def config_of(folder: Path, stand, *, secret: str = "") -> Path:
    file = folder / "copydesk.toml"
    at = f"127.0.0.1:{stand.port}"
    file.write_text(
        f"""
        [warehouse]
        path = "copydesk.duckdb"
        snapshot = "copydesk.read.duckdb"
        [archive]
        path = "archive"
        [fetch]
        allow_private_hosts = ["{at}"]
        deadline_seconds = 3
        [sources.ofweek]
        parser = "ofweek"
        base_url = "http://{at}"
        {secret.format(at=at)}
        """,
        encoding="utf-8",
    )
    return file


def stored(config: Path) -> int:
    with connect_read_only(settings.load(config, {}).warehouse.path) as db:
        return db.execute("SELECT count(*) FROM articles").fetchone()[0]


def environ_of(folder: Path, api: str) -> dict[str, str]:
    return bare_environment() | {"PREFECT_API_URL": api, "PREFECT_HOME": str(folder / "client")}


@pytest.fixture(scope="module")
def server(tmp_path_factory, prepared):
    """A server with a password."""
    home = prepared(tmp_path_factory.mktemp("server"))
    password = SECRETS["PREFECT_API_AUTH_STRING"]
    with server_at(home, PREFECT_SERVER_API_AUTH_STRING=password) as (one, _):
        yield one, home


def test_server_that_was_never_there_costs_a_line_and_no_article(tmp_path):
    with site.serve() as stand:
        config = config_of(tmp_path, stand)
        api = f"http://127.0.0.1:{free_port(0)}/api"

        done = subprocess.run(
            [*SYNC, "--config", str(config)],
            env=environ_of(tmp_path, api), capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert f"the Prefect server {api} does not answer: this run goes on without it" in done.stderr
    assert stored(config) == len(site.truth(1).of("ofweek", "direct"))


def test_planted_secrets_are_in_no_log_no_artifact_and_no_parameter(tmp_path, server):
    one, home = server
    secret = """
        [sources.guarded]
        parser = "feed"
        url = "http://desk:planted-in-url@{at}/nothing.xml?access_token=planted-in-query"
        """
    with site.serve() as stand:
        config = config_of(tmp_path, stand, secret=secret)
        environ = environ_of(tmp_path, one.url) | SECRETS
        done = subprocess.run(
            [*SYNC, "-v", "--config", str(config)],
            env=environ, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    assert done.returncode == 3, done.stderr
    said = done.stdout + done.stderr
    said += "".join(path.read_bytes().decode("latin-1") for path in home.glob("prefect.db*"))
    said += one.log.read_text(encoding="utf-8")
    assert "sync all sources" in said  # the run is in the database that was searched
    for planted in ("planted-password", "planted-in-url", "planted-in-query"):
        assert planted not in said


def test_server_killed_during_the_run_costs_a_line_and_no_article(tmp_path, server):
    one, _ = server

    def slow(target: str, _turn: int) -> Fault | None:
        return Fault(delay_seconds=0.5) if target != "/robots.txt" else None

    with site.serve(faults=slow) as stand:
        config = config_of(tmp_path, stand)
        process = subprocess.Popen(
            [*SYNC, "--config", str(config)],
            env=environ_of(tmp_path, one.url) | SECRETS,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while len(stand.requests) < 3:
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
        said, late = "", threading.Timer(180, process.kill)
        late.start()
        try:
            while "everything is stored all the same" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            code = process.wait()  # by itself: what it cannot tell any more does not hold it
        finally:
            late.cancel()
            process.kill()
            process.communicate(timeout=10)

    assert code == 0
    assert stored(config) == len(site.truth(1).of("ofweek", "direct"))
