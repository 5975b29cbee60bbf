"""`copydesk serve`: schedules, restarts, kills, and nothing left running."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
import yaml

from flows import newsstand, schedules, serve, settings
from flows.demo import free_port
from flows.errors import RunFailed
from flows.newsstand import Fault
from flows.report import Report, Tally
from flows.serving import events, place, tidying
from flows.serving.deployments import Registered
from flows.serving.place import Served
from flows.serving.server import is_answering, set_broken_database_aside
from flows.settings import ConfigurationError
from warehouse import connect_read_only
from warehouse.errors import WarehouseError

SERVED = Served(pid=1, api_url="http://127.0.0.1:4200/api", is_own=True)


# --- schedules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("*/5 * * * *", "cron", "*/5 * * * *"),
        ("0 9-17 * * mon-fri", "cron", "0 9-17 * * mon-fri"),
        ("every 90 seconds", "interval", "90"),
        ("Every hour", "interval", "3600"),
        ("FREQ=DAILY;BYHOUR=7,19", "rrule", "FREQ=DAILY;BYHOUR=7,19"),
        ("RRULE:freq=hourly", "rrule", "FREQ=HOURLY"),
    ],
)
def test_schedule_is_cron_interval_or_rrule(text, kind, value):
    found = schedules.read(text, "Asia/Shanghai")

    assert (found.kind, found.value, found.zone) == (kind, value, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61 * * * *", "expected 0 to 59"),
        ("*/0 * * * *", "as minute, found '*/0'"),
        ("5-1 * * * *", "as minute, found '5-1'"),
        ("* * * * funday", "as day of week, found 'funday'"),
        ("* * *", "expected cron"),
        ("@daily", "expected cron"),
        ("every 0 seconds", "at least one second"),
        ("FREQ=FOO", "found the rule 'FREQ=FOO'"),
        ("FREQ=DAILY;COUNT=3", "expected a rule that never ends"),
    ],
)
def test_wrong_schedule_is_told_when_the_configuration_is_read(tmp_path, text, expected):
    file = tmp_path / "copydesk.toml"
    file.write_text(f'[sources.a]\nparser = "finews"\nschedule = "{text}"', encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        settings.load(file, {})

    assert "sources.a.schedule: " in str(caught.value)
    assert expected in str(caught.value)


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
    assert tidying.sift([*asked, scheduled := due(ONE, -1)], (), NOW) == ([scheduled], [])


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


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_address_beyond_loopback_needs_a_password(host):
    chosen = settings.Settings(serve=settings.ServeSettings(host=host))

    with pytest.raises(ConfigurationError, match="PREFECT_SERVER_API_AUTH_STRING"):
        place.check_exposure(chosen, {})
    place.check_exposure(chosen, {"PREFECT_SERVER_API_AUTH_STRING": "desk:planted"})


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


# --- the command itself ----------------------------------------------------------------


@dataclass
class Serving:
    """`copydesk serve` in processes of its own, one after another, over one warehouse."""

    config: Path
    port: int
    faults: dict[str, Fault]
    environ: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    pids: set[int] = field(default_factory=set)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.config, {})

    def start(self) -> None:
        seen = self.said().count("Prefect UI:")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=self.environ, start_new_session=True
            )
        self.wait("serve is ready", lambda: self.said().count("Prefect UI:") > seen, 90)

    def command(self, *more: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "from flows.cli import main; main()",
            "--config",
            str(self.config),
            "serve",
            *more,
        ]

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait(self, what: str, until: Callable[[], Any], seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not (found := until()):
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s: {what}\n{self.said()[-3000:]}")
            self.note_processes()
            pause.wait(0.1)
        return found

    def note_processes(self) -> None:
        """Remember every process that this serve has started."""
        if self.process is not None:
            self.pids |= {self.process.pid, *descendants(self.process.pid)}

    def end(self, number: int = signal.SIGTERM, seconds: float = 40) -> int:
        assert self.process is not None
        self.note_processes()
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def alive(self) -> set[int]:
        return {pid for pid in self.pids if tidying.is_alive(pid)}

    def runs(self, *states: str, name: str | None = None) -> list[dict[str, Any]]:
        wanted: dict[str, Any] = {"state": {"type": {"any_": list(states)}}}
        if name:
            wanted["name"] = {"any_": [name]}
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.post(
                    f"{self.api}/flow_runs/filter", json={"flow_runs": wanted}, timeout=10
                )
                answer.raise_for_status()
            except requests.RequestException:
                return []
            found: list[dict[str, Any]] = answer.json()
        return found

    def articles(self, source: str) -> set[str]:
        try:
            with connect_read_only(self.settings.warehouse.snapshot) as db:
                rows = db.execute(
                    "SELECT source_article_id FROM articles WHERE source = ?", [source]
                ).fetchall()
        except WarehouseError:
            return set()
        return {one for (one,) in rows}


def descendants(pid: int) -> set[int]:
    """The processes below this one, now."""
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, file.read_text().split()):
                found |= {child, *descendants(child)}
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("serve")
    faults: dict[str, Fault] = {}

    def fault_of(target: str, _turn: int) -> Fault | None:
        return next((fault for start, fault in faults.items() if target.startswith(start)), None)

    with newsstand.serve(faults=fault_of) as stand:
        config, port = folder / "copydesk.toml", free_port(0)
        url = f"http://127.0.0.1:{stand.port}"
        config.write_text(
            f"""
            [warehouse]
            path = "copydesk.duckdb"
            snapshot = "copydesk.read.duckdb"
            [archive]
            path = "archive"
            [fetch]
            user_agent = "copydesk-tests/0.1 (+{url}/)"
            allow_private_hosts = ["127.0.0.1:{stand.port}"]
            [serve]
            port = {port}
            [sources.woshipm]
            parser = "woshipm"
            base_url = "{url}"
            schedule = "every 4 seconds"
            [sources.ofweek]
            parser = "ofweek"
            base_url = "{url}"
            """,
            encoding="utf-8",
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "COPYDESK_"))
        }
        one = Serving(config, port, faults, kept, folder / "serve.log")
        try:
            one.start()
            yield one
        finally:
            one.note_processes()
            for pid in one.alive():
                with_no_mercy(pid)
            if one.process is not None:
                one.process.wait(10)


def with_no_mercy(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.e2e
class TestOneServeFromStartToEnd:
    """In this order: each test goes on where the one before ended."""

    def test_source_is_read_on_its_schedule_again_and_again(self, serving):
        serving.wait("two runs", lambda: len(serving.runs("COMPLETED", name="sync woshipm")) > 1)

        held = newsstand.truth(1).of("woshipm", "direct")
        assert serving.articles("woshipm") == set(held)
        assert serving.articles("ofweek") == set()
        assert (serving.config.parent / "prefect" / "prefect.db").exists()

    def test_second_serve_of_the_same_warehouse_is_refused(self, serving):
        done = subprocess.run(
            serving.command(), env=serving.environ, capture_output=True, text=True, timeout=30
        )

        assert done.returncode == 1
        assert "another `copydesk serve` already serves this warehouse" in done.stderr
        assert f"http://127.0.0.1:{serving.port}" in done.stderr

    def test_another_warehouse_cannot_take_the_same_port(self, serving, tmp_path):
        config = tmp_path / "copydesk.toml"
        config.write_text(f"[serve]\nport = {serving.port}\n[sources]\n", encoding="utf-8")
        command = [
            str(config) if part == str(serving.config) else part for part in serving.command()
        ]

        done = subprocess.run(
            command, env=serving.environ, capture_output=True, text=True, timeout=30
        )

        assert done.returncode == 1
        assert "is taken by another Prefect server" in done.stderr
        assert f"PREFECT_API_URL=http://127.0.0.1:{serving.port}/api" in done.stderr

    def test_example_automation_tells_a_webhook_that_a_source_has_no_success(
        self, serving, receiver
    ):
        text = EXAMPLE_AUTOMATION.read_text(encoding="utf-8")
        ids = {"sync/finews": deployment_id(serving, "ofweek"), "block": webhook(serving, receiver)}
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
        post(serving, "/automations/", first)

        told = serving.wait("the webhook", lambda: receiver.told, 60)

        assert "no success at finews for three intervals" in told[0]

    def test_lost_database_of_the_server_costs_no_article_and_no_schedule(self, serving):
        before = serving.articles("woshipm")
        old = {run["id"] for run in serving.runs("COMPLETED", "RUNNING")}
        for file in (serving.config.parent / "prefect").glob("prefect.db*"):
            file.unlink()

        words = "the database of the Prefect server was lost; starting it again"
        serving.wait("loss noticed", lambda: words in serving.said())
        serving.wait(
            "a run in the new database",
            lambda: {run["id"] for run in serving.runs("COMPLETED")} - old,
            60,
        )
        assert serving.articles("woshipm") == before

    def test_run_finishes_and_stores_while_the_server_is_killed(self, serving):
        serving.faults["/CATList"] = Fault(delay_seconds=2.0)
        assert serving.process is not None
        ask(serving, "ofweek")
        serving.wait("the run begins", lambda: serving.runs("RUNNING", name="sync ofweek"))
        with_no_mercy(server_of(serving))

        serving.wait("articles", lambda: serving.articles("ofweek"))
        serving.faults.clear()
        assert set(newsstand.truth(1).of("ofweek", "direct")) == serving.articles("ofweek")
        words = "the Prefect server ended (exit code -9); starting it again"
        serving.wait("end noticed", lambda: words in serving.said())
        serving.wait("the server answers", lambda: is_answering(serving.api))

    def test_after_a_kill_of_everything_the_lost_run_is_crashed_and_the_next_begins(self, serving):
        serving.faults["/"] = Fault(delay_seconds=1.0)
        running = serving.wait("a run", lambda: serving.runs("RUNNING", name="sync woshipm"), 60)
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
        done = len(serving.runs("COMPLETED", name="sync woshipm"))
        serving.wait(
            "the next run",
            lambda: len(serving.runs("COMPLETED", name="sync woshipm")) > done,
        )

    def test_sigterm_in_the_middle_of_a_run_ends_everything(self, serving):
        serving.faults["/"] = Fault(delay_seconds=1.0)
        serving.wait("a run", lambda: serving.runs("RUNNING", name="sync woshipm"), 60)

        began = time.monotonic()
        code = serving.end(signal.SIGTERM)

        assert code == 0
        assert time.monotonic() - began < 30
        assert "stopped; nothing of it is left running" in serving.said()
        serving.wait("every process has ended", lambda: not serving.alive(), 5)
        assert place.find_served(serving.config.parent / "prefect") is None

    def test_nothing_was_lost_or_doubled_by_all_that(self, serving):
        with connect_read_only(serving.settings.warehouse.path) as db:
            rows = db.execute(
                "SELECT source, count(*), count(DISTINCT article_id), max(revisions) "
                "FROM articles GROUP BY source ORDER BY source"
            ).fetchall()

        truth = newsstand.truth(1)
        expected = [(one, len(truth.of(one, "direct"))) for one in ("ofweek", "woshipm")]
        assert rows == [(source, count, count, 1) for source, count in expected]


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


def post(serving: Serving, path: str, document: Any) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(serving.api + path, json=document, timeout=10)
        assert answer.ok, answer.text
        return answer.json()


def deployment_id(serving: Serving, name: str) -> str:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{serving.api}/deployments/name/sync/{name}", timeout=10)
        answer.raise_for_status()
        return str(answer.json()["id"])


def webhook(serving: Serving, receiver: Any) -> str:
    """A Webhook block for the receiver; its id."""
    wanted = {"block_types": {"slug": {"any_": ["webhook"]}}}
    (kind,) = post(serving, "/block_types/filter", wanted)
    schemas = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    schema = post(serving, "/block_schemas/filter", schemas)[0]
    made = post(
        serving,
        "/block_documents/",
        {
            "name": "copydesk-alert",
            "data": {"method": "POST", "url": f"http://127.0.0.1:{receiver.server_port}/alert"},
            "block_type_id": kind["id"],
            "block_schema_id": schema["id"],
        },
    )
    return str(made["id"])


def server_of(serving: Serving) -> int:
    assert serving.process is not None
    for pid in descendants(serving.process.pid):
        if b"flows.serving.server" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("there is no server")


def ask(serving: Serving, deployment: str) -> None:
    """Start a run by hand, as the button in the UI does."""
    post(serving, f"/deployments/{deployment_id(serving, deployment)}/create_flow_run", {})
