"""`copydesk serve` with a password and a proxy in the environment: everything works, no secret leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.serving import OFWEEK, Serving, bare_environment, serving_at

pytestmark = pytest.mark.e2e

AUTH = "project:planted-password"
PLANTED = ("planted-password", "planted-proxy")
ENVIRON = {
    "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    "HTTP_PROXY": "http://project:planted-proxy@127.0.0.1:9",
    "HTTPS_PROXY": "http://project:planted-proxy@127.0.0.1:9",
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, prepared: Any) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("auth")
    prepared(folder / "prefect")
    with serving_at(folder, OFWEEK, auth=AUTH, **ENVIRON) as one:
        one.start()
        yield one


@pytest.fixture(autouse=True)
def no_thread_is_left() -> None:
    """The threads of this module's site outlive a test."""


class TestServerWithAPassword:
    """In this order: each test continues where the one before ended."""

    def test_runs_work_and_requests_without_the_password_are_refused(self, serving):
        serving.wait_for_state(serving.ask("ofweek"), "COMPLETED")

        with serving.session() as session:
            for auth in (None, ("project", "wrong")):
                session.auth = auth
                assert session.post(f"{serving.api}/flow_runs/filter", json={}).status_code == 401

    def test_commands_beside_it_use_its_server_with_the_password(self, serving):
        before = serving.completed("sync ofweek")
        found = serving.run("doctor")
        done = serving.run("sync", "ofweek")

        assert f"{serving.api} answers" in found.stdout
        assert done.returncode == 0, done.stderr
        assert f"using the Prefect server of `copydesk serve` at {serving.api}" in done.stderr
        assert serving.completed("sync ofweek") == before + 1

    def test_command_with_a_wrong_password_is_reported_which_setting_is_wrong(self, serving):
        environ = bare_environment() | {
            "PREFECT_API_URL": serving.api, "PREFECT_API_AUTH_STRING": "project:wrong",
        }  # fmt: skip
        found = replace(serving, environ=environ, processes=set()).run("doctor")

        assert "PREFECT_API_AUTH_STRING" in found.stdout

    def test_planted_secrets_are_nowhere(self, serving):
        serving.note_processes()
        command_lines = b"".join(
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in serving.alive()
        ).decode("latin-1")
        assert serving.end() == 0
        files = [one for one in serving.config.parent.rglob("*") if one.is_file()]

        assert "worker" in command_lines
        assert [secret for secret in PLANTED if secret in command_lines] == []
        found = [
            (one.name, secret) for one in files for secret in PLANTED
            if secret.encode() in one.read_bytes()
        ]  # fmt: skip
        assert found == []


@pytest.mark.nightly
def test_database_address_of_the_server_is_in_no_message(tmp_path):
    secret = "postgresql+asyncpg://project:planted-database@127.0.0.1:9/prefect"
    with serving_at(tmp_path, OFWEEK, PREFECT_API_DATABASE_CONNECTION_URL=secret) as serving:
        done = serving.run("serve", seconds=200)

    assert done.returncode == 1
    assert "planted-database" not in done.stdout + done.stderr
