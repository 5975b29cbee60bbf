"""`copydesk serve` from start to end: schedules, restarts, kills, and nothing left running."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.pipeline import locks
from flows.serving import place
from flows.serving.server import is_answering
from tests import site
from tests.e2e.serving import OFWEEK, WOSHIPM, Serving, serving_at, with_no_mercy
from tests.site import Fault
from warehouse import connect_read_only


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, prepared: Any) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serve")
    prepared(folder / "prefect")
    with serving_at(folder, WOSHIPM, OFWEEK, serve="max_concurrent_runs = 2") as one:
        one.start()
        yield one


@pytest.mark.e2e
class TestOneServeFromStartToEnd:
    """In this order: each test goes on where the one before ended."""

    def test_source_is_read_on_its_schedule_again_and_again(self, serving):
        serving.wait("two runs", lambda: len(serving.runs("COMPLETED", name="sync woshipm")) > 1)

        held = site.truth(1).of("woshipm", "direct")
        assert serving.articles("woshipm") == set(held)
        assert serving.articles("ofweek") == set()
        assert (serving.home / "prefect.db").exists()

    def test_second_serve_of_the_same_warehouse_is_refused(self, serving):
        done = serving.run("serve")

        assert done.returncode == 1
        assert "another `copydesk serve` already serves this warehouse" in done.stderr
        assert serving.api.removesuffix("/api") in done.stderr

    def test_another_warehouse_cannot_take_the_same_port(self, serving, tmp_path):
        port = serving.settings.serve.port
        config = tmp_path / "copydesk.toml"
        config.write_text(f"[serve]\nport = {port}\n[sources]\n", encoding="utf-8")

        done = replace(serving, config=config).run("serve")

        assert done.returncode == 1
        assert "is taken by another Prefect server" in done.stderr
        assert f"PREFECT_API_URL={serving.api}" in done.stderr

    def test_example_automation_tells_a_webhook_that_a_source_has_no_success(
        self, serving, receiver
    ):
        text = EXAMPLE_AUTOMATION.read_text(encoding="utf-8")
        ids = {"sync/finews": serving.deployment_id("ofweek"), "block": webhook(serving, receiver)}
        first, _ = yaml.safe_load(
            text.replace(
                "deployment.00000000-0000-0000-0000-000000000000",
                f"deployment.{ids['sync/finews']}",
            ).replace(
                "block_document_id: 00000000-0000-0000-0000-000000000000",
                f"block_document_id: {ids['block']}",
            )
        )["automations"]
        first["trigger"]["within"] = 10
        serving.post("/automations/", first)

        told = serving.wait("the webhook", lambda: receiver.told)

        assert "no success at finews for three intervals" in told[0]

    def test_backfill_of_an_unknown_source_is_refused_by_the_server(self, serving):
        """By Prefect's own command; what else the form refuses: test_backfill_asked.py."""
        words = ["source=ofwek", "from_date=2022-03-01", "to_date=2022-03-11"]
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "deployment", "run", "backfill/backfill",
             *(word for pair in words for word in ("--param", pair))],
            env=serving.environ | {"PREFECT_API_URL": serving.api},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

        assert done.returncode == 1
        said = " ".join((done.stdout + done.stderr).split())
        assert "field 'source'" in said.replace("\\", "")
        assert "is not one of" in said

    def test_reversed_window_which_no_form_can_refuse_fails_at_once_and_fetches_nothing(
        self, serving
    ):
        run = serving.ask(
            "backfill", "backfill", source="ofweek", from_date="2022-03-13", to_date="2022-03-11"
        )
        path = f"/flow_runs/{run['id']}"

        serving.wait("its end", lambda: serving.get(path)["state_type"] == "FAILED")

        message = serving.get(path)["state"]["message"]
        assert "ends on or after its first day, found 2022-03-13 to 2022-03-11" in message
        assert "exchange the two" in message
        assert not any("CATList" in one.target for one in serving.stand.requests)

    def test_long_requests_hold_up_no_schedule_and_say_what_they_wait_for(self, serving):
        window = {"from_date": "2022-03-11", "to_date": "2022-03-13"}
        with locks.acquire(serving.settings, "ofweek", flow="a test", run_id="1"):
            first = serving.ask("backfill", "backfill", source="ofweek", **window)
            backfill = f"/flow_runs/{first['id']}"
            serving.wait("it begins", lambda: serving.get(backfill)["state_type"] == "RUNNING")
            reparse = f"/flow_runs/{serving.ask('reparse', 'reparse')['id']}"
            waiting = serving.wait("why it waits", lambda: told(serving.get(reparse)))
            for _ in range(2):
                serving.wait_for_another("sync woshipm")

            assert "a backfill, import, reparse or maintenance that is under way" in waiting
            assert serving.get(backfill)["state_type"] == "RUNNING"
            assert serving.get(reparse)["state_name"] == "AwaitingConcurrencySlot"
            serving.post(f"{backfill}/set_state", {"state": {"type": "CANCELLING"}})
            serving.wait("its turn", lambda: serving.get(reparse)["state_type"] == "COMPLETED")
        assert serving.articles("ofweek") == set()

    def test_lost_database_of_the_server_costs_no_article_and_no_schedule(self, serving):
        before = serving.articles("woshipm")
        old = {run["id"] for run in serving.runs("COMPLETED", "RUNNING")}
        for file in serving.home.glob("prefect.db*"):
            file.unlink()

        words = "the database of the Prefect server was lost; starting it again"
        serving.wait("loss noticed", lambda: words in serving.said())
        serving.wait(
            "a run in the new database",
            lambda: {run["id"] for run in serving.runs("COMPLETED")} - old,
        )
        assert serving.articles("woshipm") == before

    def test_run_finishes_and_stores_while_the_server_is_killed(self, serving):
        serving.faults["/CATList"] = Fault(delay_seconds=2.0)
        assert serving.process is not None
        serving.ask("ofweek")
        serving.wait("the run begins", lambda: serving.runs("RUNNING", name="sync ofweek"))
        with_no_mercy(serving.server_pid())

        serving.wait("articles", lambda: serving.articles("ofweek"))
        serving.faults.clear()
        assert set(site.truth(1).of("ofweek", "direct")) == serving.articles("ofweek")
        words = "the Prefect server ended (exit code -9); starting it again"
        serving.wait("end noticed", lambda: words in serving.said())
        serving.wait("the server answers", lambda: is_answering(serving.api))
        assert "websocket failed" not in serving.said()
        assert "Error logging to API" not in serving.said()

    def test_full_disk_loses_nothing_and_serve_goes_on_when_there_is_room(self, serving):
        """A size limit on files stands for the disk: the system call fails in the same way."""
        before = serving.articles("woshipm")
        serving.limit_files(1024, but=serving.server_pid())
        serving.wait(
            "a run that fails and says why",
            lambda: [one for one in serving.runs("FAILED") if "room" in one["state"]["message"]],
        )
        serving.limit_files(1024)  # now the Prefect server has no room either
        with serving.session() as session:
            path = f"{serving.api}/deployments/{serving.deployment_id('ofweek')}/create_flow_run"
            assert session.post(path, json={}, timeout=240).status_code >= 500

        serving.limit_files(resource.RLIM_INFINITY)

        serving.wait_for_another("sync woshipm")
        assert serving.articles("woshipm") == before
        # Its log had no room, too: no run was taken for one that could not begin.
        assert re.search(
            r"\(\d+ lines? could not be written here: File too large\)", serving.said()
        )
        assert "could not start" not in serving.said()

    def test_after_a_kill_of_everything_the_lost_run_is_crashed_and_the_next_begins(self, serving):
        serving.faults["/"] = Fault(delay_seconds=1.0)
        running = serving.wait("a run", lambda: serving.runs("RUNNING", name="sync woshipm"))
        assert serving.process is not None
        serving.note_processes()
        for pid in (serving.process.pid, *serving.alive()):
            with_no_mercy(pid)
        serving.process.wait(10)
        serving.faults.clear()

        serving.start()

        assert re.search(r"left from before: \d run\(s\) that a dead process", serving.said())
        crashed = serving.runs("CRASHED", name="sync woshipm")
        assert running[0]["id"] in [run["id"] for run in crashed]
        serving.wait_for_another("sync woshipm")

    def test_sigterm_in_the_middle_of_a_run_ends_everything(self, serving):
        serving.faults["/"] = Fault(delay_seconds=1.0)
        serving.wait("a run", lambda: serving.runs("RUNNING", name="sync woshipm"))

        began = time.monotonic()
        code = serving.end(signal.SIGTERM)

        assert code == 0
        assert time.monotonic() - began < 30
        assert "stopped; nothing of it is left running" in serving.said()
        serving.wait("every process has ended", lambda: not serving.alive())
        assert place.find_served(serving.home) is None

    def test_database_that_broke_while_it_was_stopped_is_set_aside_and_serve_goes_on(self, serving):
        database = serving.home / "prefect.db"
        database.write_bytes(b"not a database " * (database.stat().st_size // 15))

        serving.start()

        assert "Prefect's database could not be read" in serving.said()
        serving.wait("a run", lambda: serving.completed("sync woshipm"))
        assert serving.end(signal.SIGINT) == 0

    def test_nothing_was_lost_or_doubled_by_all_that(self, serving):
        with connect_read_only(serving.settings.warehouse.path) as db:
            rows = db.execute(
                "SELECT source, count(*), count(DISTINCT article_id), max(revision_count) "
                "FROM articles GROUP BY source ORDER BY source"
            ).fetchall()

        truth = site.truth(1)
        expected = [(one, len(truth.of(one, "direct"))) for one in ("ofweek", "woshipm")]
        assert rows == [(source, count, count, 1) for source, count in expected]


def told(run: dict[str, Any]) -> str:
    """What the state of a run says."""
    return run["state"]["message"] or ""


EXAMPLE_AUTOMATION = Path(__file__).parents[2] / "deploy" / "automation.example.yaml"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.told.append(self.rfile.read(length).decode())  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.told = []  # type: ignore[attr-defined]
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
