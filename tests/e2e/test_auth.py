"""A server with a password: every part works, nothing tells the password or another secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import site
from tests.e2e.serving import OFWEEK, WOSHIPM, Serving, bare_environment, serving_at

pytestmark = pytest.mark.e2e

AUTH = "desk:planted-password"
PLANTED = ("planted-password", "planted-proxy", "planted-in-url", "planted-in-query")
GUARDED = """
[sources.guarded]
parser = "feed"
url = "{url}/nothing.xml?access_token=planted-in-query"
schedule = "every 10 seconds"
"""
ENVIRON = {
    "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    "HTTP_PROXY": "http://desk:planted-proxy@127.0.0.1:9",
    "HTTPS_PROXY": "http://desk:planted-proxy@127.0.0.1:9",
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, prepared: Any) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("auth")
    prepared(folder / "prefect")
    with serving_at(folder, WOSHIPM, OFWEEK, GUARDED, auth=AUTH, **ENVIRON) as one:
        text = one.config.read_text(encoding="utf-8")
        address = f"127.0.0.1:{one.stand.port}/nothing"
        one.config.write_text(text.replace(address, f"desk:planted-in-url@{address}"), "utf-8")
        one.start()
        yield one


def client_of(serving: Serving, auth: str | None) -> Serving:
    """The same desk as another command sees it: with a password of its own, or without."""
    environ = bare_environment() | {"PREFECT_API_URL": serving.api}
    return replace(
        serving, environ=environ | ({"PREFECT_API_AUTH_STRING": auth} if auth else {}), pids=set()
    )


class TestServerWithAPassword:
    """In this order: each test goes on where the one before ended."""

    def test_schedules_and_runs_work(self, serving):
        serving.wait("a run", lambda: serving.completed("sync woshipm"))

        assert serving.articles("woshipm") == set(site.truth(1).of("woshipm", "direct"))
        # The source whose address holds secrets fails, and says so.
        serving.wait("its end", lambda: serving.runs("FAILED", name="sync guarded"))

    def test_nobody_gets_in_without_it(self, serving):
        with serving.session() as session:
            session.auth = None
            assert session.post(f"{serving.api}/flow_runs/filter", json={}).status_code == 401
            session.auth = ("desk", "wrong")
            assert session.post(f"{serving.api}/flow_runs/filter", json={}).status_code == 401

    def test_backfill_by_prefects_own_command_works(self, serving):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "deployment", "run", "backfill/backfill",
             "--param", "source=ofweek", "--param", "from_date=2021-05-01",
             "--param", "to_date=2022-12-31"],
            env=client_of(serving, AUTH).environ,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

        assert done.returncode == 0, done.stdout + done.stderr
        serving.wait("its articles", lambda: serving.articles("ofweek"))

    def test_doctor_and_sync_work_with_it(self, serving):
        client = client_of(serving, AUTH)

        assert f"{serving.api} answers" in client.run("doctor").stdout
        done = client.run("sync", "ofweek")
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("auth", [None, "desk:wrong"], ids=["no password", "a wrong one"])
    def test_wrong_password_is_told_and_costs_no_article(self, serving, auth):
        client = client_of(serving, auth)
        words = "wants another password: set PREFECT_API_AUTH_STRING"

        done = client.run("sync", "ofweek")
        looked = client.run("doctor")

        assert done.returncode == 0, done.stderr
        assert words in done.stderr
        assert "this run goes on without it" in done.stderr
        assert "Traceback" not in done.stderr
        assert words in looked.stdout
        assert looked.returncode == 1

    def test_serve_with_a_wrong_password_says_so(self, serving, tmp_path):
        with serving_at(
            tmp_path, WOSHIPM, api=serving.api, PREFECT_API_AUTH_STRING="desk:wrong"
        ) as second:
            done = second.run("serve")

        assert done.returncode == 1
        assert "wants another password: set PREFECT_API_AUTH_STRING" in done.stderr
        assert "Traceback" not in done.stderr

    def test_planted_secrets_are_nowhere(self, serving):
        command_lines = "".join(
            Path(f"/proc/{pid}/cmdline").read_bytes().decode("latin-1") for pid in serving.alive()
        )
        assert serving.end() == 0
        folder = serving.config.parent
        kept = [one for one in folder.rglob("*") if one.is_file() and one != serving.config]
        assert {"serve.log", "server.log", "prefect.db"} <= {one.name for one in kept}
        found = [
            (one.name, secret)
            for one in kept
            for secret in PLANTED
            if secret.encode() in one.read_bytes()
            # What stands in the query of an address is part of it: `pages` tells what was asked
            # for. A name and password before the host are not.
            and not (secret == "planted-in-query" and one.name.startswith("copydesk."))
        ]

        assert "flows.serving.server" in command_lines
        assert [secret for secret in PLANTED if secret in command_lines] == []
        assert found == []


def test_database_url_of_the_server_is_told_to_nobody(tmp_path):
    secret = "postgresql+asyncpg://desk:planted-database@127.0.0.1:9/prefect"
    with serving_at(tmp_path, WOSHIPM, PREFECT_API_DATABASE_CONNECTION_URL=secret) as serving:
        done = serving.run("serve", seconds=240)

    assert done.returncode == 1
    assert "the Prefect server did not start; its last words" in done.stderr
    said = done.stdout + done.stderr
    said += "".join(one.read_text(errors="replace") for one in tmp_path.rglob("*") if one.is_file())
    assert "planted-database" not in said
