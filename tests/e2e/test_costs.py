"""What a run costs Prefect, counted: task runs, events, lines of its log; how a process leaves."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect.events import Event
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows import schedules, settings
from flows.serving import leaving, place, thrift
from flows.serving.polling import PREFETCH_SECONDS, poll_seconds
from tests.e2e.serving import OFWEEK, Serving, bare_environment, descendants, serving_at

MOST_TASK_RUNS = 1
"""Of a run of one source, whatever the number of its pages."""

MOST_EVENTS = 9
"""Five states of the run, two of its task run, its result table, and its lineage."""

MOST_RESOURCES = 40
MOST_BYTES = 24_000
"""Of those events: what they are about, each a row with four indexes; their words."""


FORGET = "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES"
LOOP = "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS"
ASSET = "prefect.asset.materialization.succeeded"
OF_EVENT = "SELECT id FROM events WHERE event = ? ORDER BY id"
OF_RUN = "SELECT event FROM events WHERE resource_id = ?1 OR related_resource_ids LIKE ?2"
RESOURCES = f"""
    SELECT count(*), sum(length(resource) + length(resource_id) + length(event_id))
    FROM event_resources WHERE event_id IN ({OF_RUN.replace("event", "id", 1)})"""
WORDS = f"""
    SELECT sum(length(resource) + length(related) + length(related_resource_ids) + length(payload))
    FROM events WHERE id IN ({OF_RUN.replace("event", "id", 1)})"""


def rows(database: Path, sql: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute(sql, values).fetchall()


def about(database: Path, run: str, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds of the events that are about a flow run, or a task run of it."""
    resource = f"prefect.flow-run.{run}"
    return rows(database, sql, resource, f'%"{resource}"%')


def events_of(database: Path, run: str) -> Counter[str]:
    """How many of each kind."""
    return Counter(event for (event,) in about(database, run, OF_RUN))


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, prepared: Any
) -> Iterator[tuple[Serving, list[str]]]:
    """A serve that has carried out two runs, one with what is new and one without, and ended."""
    folder = tmp_path_factory.mktemp("costs")
    prepared(folder / "prefect")
    with serving_at(folder, OFWEEK, COPYDESK_RUN__BATCH_SIZE="2") as serving:
        serving.start()
        runs = [serving.ask("ofweek")["id"]]
        serving.wait("what is new", lambda: serving.completed("sync ofweek") == 1)
        runs.append(serving.ask("ofweek")["id"])
        serving.wait("nothing new", lambda: serving.completed("sync ofweek") == 2)
        # A run whose process is still there when serve ends is cancelled, though it completed.
        serving.wait(
            "their ends", lambda: descendants(serving.process.pid) == {serving.server_pid()}
        )
        serving.end()  # the server writes down what it has heard
        yield serving, runs


@pytest.mark.e2e
class TestDatabaseOfPrefect:
    """In this order: the second test goes on where the first ended."""

    def test_run_of_a_source_makes_one_task_run_and_few_events_for_all_its_batches(self, served):
        serving, runs = served
        database = serving.home / "prefect.db"
        stored = len(serving.articles("ofweek"))

        assert stored > 6
        for run in runs:
            tasks = rows(database, "SELECT id FROM task_run WHERE flow_run_id = ?", run)
            assert len(tasks) == MOST_TASK_RUNS
            events = events_of(database, run)
            assert events["prefect.task-run.Completed"] == MOST_TASK_RUNS
            assert events.total() <= MOST_EVENTS, events
            assert not events.keys() & {*thrift.UNTOLD, thrift.HEARTBEAT}
            ((resources, named),) = about(database, run, RESOURCES)
            ((words,),) = about(database, run, WORDS)
            assert resources <= MOST_RESOURCES
            assert named + words <= MOST_BYTES
            log = rows(database, "SELECT message FROM log WHERE flow_run_id = ?", run)
            steps = [line for (line,) in log if "read in" in line]
            assert len(steps) >= stored / 2, log  # what a batch came to is told there
            assert steps[-1].startswith(f"ofweek {len(steps)}/{len(steps)}: of ")

    def test_lineage_of_a_run_that_brought_something_is_an_event_of_it(self, served):
        serving, runs = served
        database = serving.home / "prefect.db"

        first, second = (events_of(database, run)[ASSET] for run in runs)

        assert (first, second) == (1, 0)
        ((related,),) = rows(database, "SELECT related FROM events WHERE event = ?", ASSET)
        assert {one["prefect.resource.role"] for one in json.loads(related)} == {
            "asset", "flow-run",
        }  # fmt: skip

    def test_steps_of_runs_are_forgotten_and_how_runs_ended_is_not(self, served):
        serving, runs = served
        database = serving.home / "prefect.db"
        ended = rows(database, OF_EVENT, "prefect.flow-run.Completed")
        own = place.own_server_environment(serving.settings, serving.home)
        soon = dict.fromkeys(json.loads(own[FORGET]), 1)
        serving.environ |= {FORGET: json.dumps(soon), LOOP: "2"}

        serving.start()
        for event in soon:
            serving.wait(f"no {event}", lambda event=event: not rows(database, OF_EVENT, event))
        serving.end()

        assert rows(database, OF_EVENT, "prefect.flow-run.Completed") == ended
        assert len(ended) == len(runs)
        assert len(rows(database, "SELECT id FROM task_run")) == len(runs) * MOST_TASK_RUNS


def event(name: str, *roles: str) -> Event:
    related = [
        {"prefect.resource.id": f"test.{role}", "prefect.resource.role": role} for role in roles
    ]
    about_one = {"prefect.resource.id": "test.one"}
    return Event.model_validate({"event": name, "resource": about_one, "related": related})


@pytest.mark.parametrize("name", sorted(thrift.UNTOLD))
def test_what_nobody_reads_is_not_told(name):
    assert thrift.spared(event(name, "flow-run")) is None


def test_events_of_a_run_name_what_they_are_of_and_findings_are_told_in_full():
    roles = ("flow-run", "task-run", "flow", "deployment", "tag", "tag", "asset")

    def told(name: str) -> list[str]:
        found = thrift.spared(event(name, *roles))
        return [one.role for one in found.related] if found else []

    assert told("prefect.task-run.Completed") == ["flow-run", "task-run", "asset"]
    assert told(ASSET) == ["flow-run", "task-run", "asset"]
    assert told("copydesk.gap") == [*roles]


def test_heartbeats_are_told_where_somebody_set_how_often():
    beat = event(thrift.HEARTBEAT, "flow-run", "tag")

    assert thrift.spared(beat) is None
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 60}):
        assert thrift.spared(beat) == beat


def test_settings_of_our_server_are_such_that_prefect_knows(monkeypatch, tmp_path):
    from prefect.settings.models.server.root import ServerSettings

    for name, value in place.own_server_environment(settings.Settings(), tmp_path).items():
        monkeypatch.setenv(name, value)
    told = ServerSettings()

    services = told.services
    assert services.late_runs.loop_seconds == 30
    assert services.scheduler.recent_deployments_loop_seconds == 10
    assert {
        one.loop_seconds
        for one in (
            services.foreman,
            services.repossessor,
            services.cancellation_cleanup,
            services.cleanup_reconciler,
            services.pause_expirations,
        )
    } == {60}
    assert told.events.proactive_granularity.total_seconds() == 15
    assert services.db_vacuum.loop_seconds == 600
    assert services.db_vacuum.enabled_vacuum_types >= {"events", "flow_runs"}
    soon = services.db_vacuum.event_retention_overrides
    assert {kept.total_seconds() for kept in soon.values()} == {3600}
    assert "prefect.flow-run.Completed" not in soon  # how a run ended is kept for days


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        ((), 10),
        (("*/5 * * * *", "every 1 minute", "FREQ=DAILY"), 10),
        (("*/5 * * * *", "every 3 seconds"), 5),
    ],
)
def test_runs_are_asked_for_seldom_unless_a_schedule_counts_seconds(texts, seconds):
    timetables = [schedules.parse_schedule(text, "UTC") for text in texts]

    assert poll_seconds(timetables) == seconds
    assert 1.3 * seconds < PREFETCH_SECONDS  # Prefect's polls are up to so much late


# --- the end of a process --------------------------------------------------------------

TELL_NOBODY = """
import sys
from prefect.events import emit_event
from flows.serving.leaving import give_up_soon, leave
give_up_soon()
for n in range(3):
    emit_event(event="copydesk.test", resource={"prefect.resource.id": f"copydesk.test.{n}"})
print("the last word")
leave(7, seconds=0.5)
"""


@pytest.mark.e2e
def test_process_leaves_with_its_code_although_its_server_listens_and_says_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        api = f"http://127.0.0.1:{deaf.getsockname()[1]}/api"
        done = subprocess.run(
            [sys.executable, "-c", TELL_NOBODY],
            env=bare_environment() | {"PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 7, done.stderr
    assert done.stdout == "the last word\n"


def test_process_without_prefect_has_nothing_to_tell(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "prefect"]:
        monkeypatch.delitem(sys.modules, name)

    assert leaving.drain()
    with pytest.raises(SystemExit) as left:
        leaving.leave(3)
    assert left.value.code == 3
