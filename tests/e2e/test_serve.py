"""`copydesk serve`: schedules, requests, stops, kills and restarts over one warehouse."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.pipeline import locks
from flows.serve.prefect_server import SERVER_MODULE
from tests import site
from tests.e2e.serving import OFWEEK, WOSHIPM, WOSHIPM_SECONDS, Serving, serving_at
from tests.site import Fault
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

SMALL_BATCHES = "\n[run]\nbatch_size = 2\n"
SLOW = Fault(delay_seconds=1.5)
ARTICLES_OF_OFWEEK = "/20"
"""Start of their paths, such as ``/2021-05/ART-93000-8420-1.html``."""
EXAMPLE_AUTOMATION = Path(__file__).parents[2] / "deploy" / "automation.example.yaml"


@pytest.fixture(scope="module")
def service_manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """The socket of a service manager that listens for readiness."""
    path = str(tmp_path_factory.mktemp("systemd") / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="module")
def serving(
    tmp_path_factory: pytest.TempPathFactory, prepared: Any, service_manager: socket.socket
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serve")
    prepared(folder / "prefect")
    environ = {"NOTIFY_SOCKET": service_manager.getsockname()}
    serve = "max_concurrent_runs = 3"
    with serving_at(folder, WOSHIPM, OFWEEK, SMALL_BATCHES, serve=serve, **environ) as one:
        one.start()
        yield one


@pytest.fixture(autouse=True)
def no_thread_is_left() -> None:
    """The threads of this module's site outlive a test."""


class TestServe:
    """In this order: each test continues where the one before ended."""

    def test_source_is_synced_on_its_schedule_again_and_again(self, serving, service_manager):
        serving.wait("two runs", lambda: serving.completed("sync woshipm") >= 2)

        assert serving.articles("woshipm") == set(site.oracle(1).of("woshipm", "direct"))
        assert service_manager.recv(100) == b"READY=1"
        # It waits for years: only processes that end import large modules.
        mapped = Path(f"/proc/{serving.process.pid}/maps").read_text(encoding="utf-8")
        assert "duckdb" not in mapped

    def test_second_serve_of_the_same_warehouse_is_refused(self, serving):
        done = serving.run("serve")

        assert done.returncode == 1
        assert f"(process {serving.process.pid}, " in done.stderr

    def test_another_warehouse_cannot_take_the_same_port(self, serving, tmp_path):
        config = tmp_path / "copydesk.toml"
        port = serving.api.split(":")[2].split("/")[0]
        config.write_text(f"[serve]\nport = {port}\n[sources]\n", encoding="utf-8")

        done = replace(serving, config=config).run("serve")

        assert done.returncode == 1
        assert f"PREFECT_API_URL={serving.api}" in done.stderr

    @pytest.mark.nightly
    def test_invalid_request_fails_with_its_reason_and_fetches_nothing(self, serving):
        run = serving.ask(
            "backfill", "backfill", source="ofweek", from_date="2022-03-13", to_date="2022-03-11"
        )

        state = serving.wait_for_state(run, "FAILED")

        assert "2022-03-13 to 2022-03-11" in state["message"]
        assert not any("CATList" in one.target for one in serving.news_site.requests)

    def test_long_runs_wait_for_each_other_and_delay_no_schedule(self, serving):
        window = {"from_date": "2022-03-11", "to_date": "2022-03-13"}
        with locks.acquire(serving.settings, "ofweek", flow="a test", run_id="1"):
            first = serving.ask("backfill", "backfill", source="ofweek", **window)
            serving.wait_for_state(first, "RUNNING")
            second = serving.ask("reparse", "reparse")
            serving.wait_for_another("sync woshipm")

            assert serving.state(first)["type"] == "RUNNING"
            assert serving.state(second)["type"] == "SCHEDULED"
            serving.cancel(first)
            serving.wait_for_state(first, "CANCELLED")
        serving.wait_for_state(second, "COMPLETED")

        assert serving.articles("ofweek") == set()

    def test_cancelled_run_stores_its_batch(self, serving):
        serving.fetch_again(ARTICLES_OF_OFWEEK, SLOW)
        run = serving.ask("ofweek")
        serving.wait_for_state(run, "RUNNING")
        serving.wait_for_requests(4, ARTICLES_OF_OFWEEK)

        serving.cancel(run)

        state = serving.wait_for_state(run, "CANCELLED")
        assert "interrupted" in state["message"]
        assert 0 < len(serving.articles("ofweek")) < len(site.oracle(1).of("ofweek", "direct"))

    def test_killed_run_is_crashed_and_its_source_is_free(self, serving):
        run = serving.ask("ofweek")
        serving.wait_for_state(run, "RUNNING")
        os.kill(serving.run_pid(run), signal.SIGKILL)

        state = serving.wait_for_state(run, "CRASHED")
        again = serving.ask("ofweek")

        assert "SIGKILL" in state["message"]
        serving.wait_for_state(again, "RUNNING", "COMPLETED")

    def test_run_continues_while_the_killed_server_is_started_again(self, serving):
        (run,) = serving.runs("RUNNING", name="sync ofweek") or [serving.ask("ofweek")]
        serving.wait_for_state(run, "RUNNING")
        os.kill(serving.child_pid(SERVER_MODULE), signal.SIGKILL)

        serving.wait_for_log("the Prefect server ended (exit code -9)")
        serving.faults.clear()
        state = serving.wait_for_state(run, "COMPLETED")

        assert state["message"]
        assert serving.articles("ofweek") == set(site.oracle(1).of("ofweek", "direct"))

    def test_run_of_a_killed_command_is_crashed(self, serving):
        serving.fetch_again(ARTICLES_OF_OFWEEK, SLOW)
        with subprocess.Popen(serving.command("sync", "ofweek"), env=serving.environ) as command:
            serving.wait_for_requests(1, ARTICLES_OF_OFWEEK)
            command.kill()
        (run,) = serving.runs("RUNNING", name="sync ofweek")

        serving.wait_for_state(run, "CRASHED")

    @pytest.mark.nightly
    def test_run_of_another_worker_that_is_stopped_is_crashed_and_its_source_is_free(self, serving):
        serving.fetch_again(ARTICLES_OF_OFWEEK, SLOW)
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "copydesk"]
        environ = serving.environ | {"PREFECT_API_URL": serving.api}
        own = serving.child_pid("prefect")
        with subprocess.Popen([*command, "--name", "second"], env=environ) as worker:
            os.kill(own, signal.SIGSTOP)
            try:
                run = serving.ask("ofweek")
                serving.wait_for_requests(1, ARTICLES_OF_OFWEEK)
            finally:
                worker.terminate()
                os.kill(own, signal.SIGCONT)

        labels = serving.get(f"/flow_runs/{run['id']}")["labels"]
        assert labels["prefect.worker.name"] == "second"
        serving.faults.clear()
        serving.wait_for_state(run, "CRASHED")
        serving.wait_for_state(serving.ask("ofweek"), "COMPLETED")

    def test_killed_worker_is_started_again(self, serving):
        os.kill(serving.child_pid("prefect"), signal.SIGKILL)

        serving.wait_for_log("the worker ended (exit code -9)")
        serving.wait_for_another("sync woshipm")

    def test_sigterm_stores_what_is_under_way_and_leaves_nothing(self, serving, service_manager):
        maintenance = serving.deployment_id("maintenance", "maintenance")
        with serving.session() as session:
            path = f"/deployments/{maintenance}/pause_deployment"
            assert session.post(serving.api + path, timeout=10).ok
        serving.fetch_again(ARTICLES_OF_OFWEEK, SLOW)
        serving.wait_for_state(serving.ask("ofweek"), "RUNNING")
        serving.wait_for_requests(2, ARTICLES_OF_OFWEEK)

        begun = time.monotonic()
        code = serving.end(signal.SIGTERM)

        assert code == 0
        assert time.monotonic() - begun < 40
        assert serving.alive() == set()
        assert b"STOPPING=1" in [service_manager.recv(100) for _ in range(2)]
        serving.faults.clear()

    def test_next_start_catches_up_once_keeps_the_pause_and_drops_removed_sources(self, serving):
        stopped = datetime.now(UTC) + timedelta(seconds=1)  # the filter takes whole seconds
        text = serving.config.read_text(encoding="utf-8")
        serving.config.write_text(text.replace("[sources.ofweek]", "[sources.renamed]"), "utf-8")
        threading.Event().wait(2 * WOSHIPM_SECONDS)
        started = datetime.now(UTC)

        serving.start()

        assert serving.runs("RUNNING", "CANCELLING", name="sync ofweek") == []
        ended = serving.runs("CANCELLED", "COMPLETED", "CRASHED", name="sync ofweek")
        assert max(ended, key=lambda run: run["start_time"])["state"]["type"] == "CANCELLED"
        deployments = serving.post("/deployments/filter", {})
        assert {one["name"] for one in deployments} >= {"renamed", "woshipm"}
        assert "ofweek" not in {one["name"] for one in deployments}
        assert "maintenance/maintenance" in serving.output().split("(paused in the UI)")[-2]
        # Of the runs that came due meanwhile the latest is done, or a later one that was sooner.
        # The others are gone, and cancelled is one that the old worker had taken.
        latest = started - timedelta(seconds=WOSHIPM_SECONDS)
        serving.wait(
            "a late run is done",
            lambda: serving.runs_due("woshipm", latest, datetime.now(UTC), "COMPLETED"),
        )
        late = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED")
        assert serving.runs_due("woshipm", stopped, latest, *late) == []
        assert len(serving.runs_due("woshipm", latest, started, "COMPLETED")) <= 1

    @pytest.mark.nightly
    def test_after_a_kill_of_everything_the_run_is_crashed_and_the_next_one_runs(self, serving):
        serving.fetch_again(ARTICLES_OF_OFWEEK, SLOW)
        run = serving.ask("renamed")
        serving.wait_for_state(run, "RUNNING")
        serving.wait_for_requests(1, ARTICLES_OF_OFWEEK)
        serving.kill_everything()
        serving.faults.clear()

        serving.start()

        assert serving.state(run)["type"] == "CRASHED"
        serving.wait_for_state(serving.ask("renamed"), "COMPLETED")

    @pytest.mark.nightly
    def test_children_end_with_a_killed_supervisor(self, serving):
        serving.note_processes()
        serving.process.kill()
        serving.process.wait(10)

        # A run that has just begun looks for its server for up to five minutes.
        serving.wait("every process ended", lambda: not serving.alive(), 330)

    def test_nothing_was_lost_or_doubled_by_all_that(self, serving):
        with connect_read_only(serving.settings.warehouse.path) as db:
            rows = db.execute(
                "SELECT source, count(*), count(DISTINCT article_id) "
                "FROM articles WHERE source <> 'renamed' GROUP BY source ORDER BY source"
            ).fetchall()

        expected = {one: len(site.oracle(1).of(one, "direct")) for one in ("ofweek", "woshipm")}
        assert rows == [(source, count, count) for source, count in expected.items()]


# --- nightly -------------------------------------------------------------------------------


@pytest.mark.nightly
def test_hung_server_is_started_again_and_a_run_continues(tmp_path, prepared):
    prepared(tmp_path / "prefect")
    with serving_at(tmp_path, OFWEEK, SMALL_BATCHES) as serving:
        serving.start()
        serving.faults["/"] = Fault(delay_seconds=3)
        run = serving.ask("ofweek")
        serving.wait_for_state(run, "RUNNING")
        os.kill(serving.child_pid(SERVER_MODULE), signal.SIGSTOP)

        serving.wait_for_log("did not answer 3 times in a row")
        serving.faults.clear()

        serving.wait_for_state(run, "COMPLETED")
        assert serving.end() == 0


@pytest.mark.nightly
def test_one_signal_ends_serve_while_its_server_hangs(tmp_path, prepared):
    prepared(tmp_path / "prefect")
    with serving_at(tmp_path, OFWEEK) as serving:
        serving.start()
        os.kill(serving.child_pid(SERVER_MODULE), signal.SIGSTOP)

        assert serving.end(seconds=120) == 0
        assert serving.alive() == set()


@pytest.mark.nightly
def test_database_that_cannot_be_read_is_named_with_what_to_do(tmp_path, prepared):
    database = prepared(tmp_path / "prefect") / "prefect.db"
    database.write_bytes(b"not a database " * 100_000)
    with serving_at(tmp_path, OFWEEK) as serving:
        done = serving.run("serve", seconds=200)

    assert done.returncode == 1
    assert str(database) in done.stderr


class Receiver(BaseHTTPRequestHandler):
    """Keeps each posted body."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.received.append(self.rfile.read(length).decode())  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.received = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, name="receiver")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def webhook(serving: Serving, receiver: Any) -> str:
    """A Webhook block for the receiver; its id."""
    wanted = {"block_types": {"slug": {"any_": ["webhook"]}}}
    (kind,) = serving.post("/block_types/filter", wanted)
    schemas = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    schema = serving.post("/block_schemas/filter", schemas)[0]
    made = serving.post(
        "/block_documents/",
        {
            "name": "copydesk-alert",
            "data": {"method": "POST", "url": f"http://127.0.0.1:{receiver.server_port}/alert"},
            "block_type_id": kind["id"],
            "block_schema_id": schema["id"],
        },
    )
    return str(made["id"])


@pytest.mark.nightly
def test_example_automation_calls_a_webhook_when_a_source_has_no_success(
    tmp_path, prepared, receiver
):
    prepared(tmp_path / "prefect")
    with serving_at(tmp_path, OFWEEK) as serving:
        serving.start()
        text = EXAMPLE_AUTOMATION.read_text(encoding="utf-8")
        unset = "00000000-0000-0000-0000-000000000000"
        text = text.replace(f"deployment.{unset}", f"deployment.{serving.deployment_id('ofweek')}")
        text = text.replace(
            f"block_document_id: {unset}", f"block_document_id: {webhook(serving, receiver)}"
        )
        first, _ = yaml.safe_load(text)["automations"]
        first["trigger"]["within"] = 10
        serving.post("/automations/", first)

        received = serving.wait("the webhook", lambda: receiver.received)

        assert "no success at finews" in received[0]
