"""`copydesk serve` at a Prefect server of somebody else: it goes away, comes back, forgets."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.cli.demo_run import free_port
from flows.serving.server import PrefectServer
from tests import site
from tests.e2e.serving import OFWEEK, WOSHIPM, WOSHIPM_OFTEN, Serving, server_at, serving_at
from tests.site import Fault

pytestmark = pytest.mark.e2e

AWAY = "does not answer; no run begins until it does"


@dataclass
class Foreign:
    """A serve, and the server that it uses."""

    serving: Serving
    server: PrefectServer
    start_server: Callable[[], None]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, prepared: Any) -> Iterator[Foreign]:
    home = prepared(tmp_path_factory.mktemp("server"))
    folder = tmp_path_factory.mktemp("desk")
    with (
        server_at(home) as (server, start),
        serving_at(folder, WOSHIPM_OFTEN, OFWEEK, api=server.url) as serving,
    ):
        yield Foreign(serving, server, start)


class TestForeignServer:
    """In this order: each test goes on where the one before ended."""

    def test_server_that_is_not_there_at_the_start_is_told_with_what_to_do(self, tmp_path):
        api = f"http://127.0.0.1:{free_port(0)}/api"
        with serving_at(tmp_path, OFWEEK, api=api) as serving:
            done = serving.run("serve")

        assert done.returncode == 1
        assert f"no Prefect server answers at {api} (PREFECT_API_URL): start it, or" in done.stderr

    def test_it_serves_there_and_starts_no_server_of_its_own(self, foreign):
        serving = foreign.serving
        serving.start()
        serving.wait_for_another("sync woshipm")

        assert not list(serving.home.glob("prefect.db*"))
        assert foreign.server.url.removesuffix("/api") in serving.said()

    def test_second_serve_at_the_same_server_is_refused_and_changes_nothing(
        self, foreign, tmp_path
    ):
        serving = foreign.serving
        before = serving.get("/deployments/name/sync/woshipm")
        with serving_at(tmp_path, WOSHIPM, api=serving.api) as second:
            done = second.run("serve")

        assert done.returncode == 1
        assert f"another `copydesk serve` (process {serving.process.pid} on " in done.stderr
        assert "unset PREFECT_API_URL to have a server for this one here" in done.stderr
        assert serving.get("/deployments/name/sync/woshipm")["parameters"] == before["parameters"]

    def test_server_that_goes_away_costs_a_line_and_no_article(self, foreign):
        serving = foreign.serving
        serving.faults["/CATList"] = Fault(delay_seconds=2.0)
        serving.ask("ofweek")
        serving.wait("the run begins", lambda: serving.runs("RUNNING", name="sync ofweek"))
        foreign.server.stop()

        serving.wait("its articles", lambda: serving.articles("ofweek"))
        serving.faults.clear()
        serving.wait_for_words(AWAY)

        assert serving.articles("ofweek") == set(site.truth(1).of("ofweek", "direct"))
        assert serving.said().count(AWAY) == 1
        assert "start it again where it runs" in serving.said()
        assert "FlowRunCancellingObserver" not in serving.said()

    def test_schedules_go_on_when_it_is_back(self, foreign):
        foreign.start_server()

        foreign.serving.wait_for_words("answers again; the schedules go on")
        foreign.serving.wait_for_another("sync woshipm")

        def late():
            return [run["state"]["message"] for run in foreign.serving.runs("CANCELLED")]

        # Where a run is under way when the server is back, the late ones are dropped for that
        # first; it is every 3 seconds, and asked for every 5.
        foreign.serving.wait(
            "one run stands for late ones", lambda: any("stands for it" in one for one in late())
        )
        for words in late():
            assert "stands for it" in words or "still under way" in words, words
        ended = foreign.serving.runs("CRASHED", "COMPLETED", name="sync ofweek")
        assert ended, "the run that ended without the server must not stay Running"

    def test_run_can_still_be_cancelled_after_the_server_was_away(self, foreign):
        serving = foreign.serving
        threads = set(threading.enumerate())
        serving.faults["/CATList"] = Fault(delay_seconds=8.0)
        run = serving.ask("ofweek")
        path = f"/flow_runs/{run['id']}"
        serving.wait("it begins", lambda: serving.get(path)["state_type"] == "RUNNING")
        serving.post(f"{path}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})

        serving.wait("it is cancelled", lambda: serving.get(path)["state_type"] == "CANCELLED")
        serving.faults.clear()
        # The run does not wait for the slow answer; the newsstand is still giving it.
        serving.wait("the answer is over", lambda: not set(threading.enumerate()) - threads)

    def test_deployment_that_was_deleted_is_registered_again(self, foreign):
        serving = foreign.serving
        with serving.session() as session:
            session.delete(f"{serving.api}/deployments/{serving.deployment_id('woshipm')}")

        serving.wait_for_words("no longer knows sync/woshipm: registered again")

        serving.wait_for_another("sync woshipm")

    def test_nothing_was_lost_or_doubled_and_the_next_serve_may_begin_at_once(self, foreign):
        serving = foreign.serving
        assert serving.end() == 0
        rows = serving.rows(
            "SELECT source, count(*), count(DISTINCT article_id), max(revision_count) "
            "FROM articles GROUP BY source ORDER BY source"
        )
        truth = site.truth(1)
        expected = [(one, len(truth.of(one, "direct"))) for one in ("ofweek", "woshipm")]
        assert rows == [(source, count, count, 1) for source, count in expected]

        serving.start()
        assert serving.end() == 0


# --- two installations at one server ---------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path, prepared: Any) -> Iterator[tuple[Serving, Serving]]:
    """Two desks with a server that is neither's."""
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with (
        server_at(prepared(tmp_path / "server")) as (server, _),
        serving_at(folders[0], WOSHIPM, OFWEEK, api=server.url) as first,
        serving_at(folders[1], WOSHIPM, OFWEEK, api=server.url) as second,
    ):
        yield first, second


def away(serving: Serving, number: int) -> None:
    """Stop or wake all of a serve, as an outage of its network does."""
    serving.note_processes()
    for pid in serving.alive():
        os.kill(pid, number)


def test_serve_that_lost_its_place_in_an_outage_ends_and_leaves_the_other_ones_runs_alone(two):
    first, second = two
    first.start()
    first.wait_for_another("sync woshipm")
    away(first, signal.SIGSTOP)
    with first.session() as session:  # as the message says, for one that is gone for good
        session.delete(f"{first.api}/variables/name/copydesk_serve").raise_for_status()
    second.start()
    second.faults["/CATList"] = Fault(delay_seconds=8.0)
    run = second.ask("ofweek")
    second.wait("a run of the second", lambda: second.runs("RUNNING", name="sync ofweek"))

    away(first, signal.SIGCONT)
    process = first.process
    first.wait("the first ends", lambda: process.poll() is not None)

    assert process.returncode == 1
    assert f"another `copydesk serve` (process {second.process.pid} on " in first.said()
    assert "no run of its warehouse begins before it is started again" in first.said()
    second.wait("its end", lambda: second.get(f"/flow_runs/{run['id']}")["state_type"] != "RUNNING")
    assert second.get(f"/flow_runs/{run['id']}")["state_type"] == "COMPLETED"
    assert second.articles("ofweek") == set(site.truth(1).of("ofweek", "direct"))
    assert "registered by another installation" in second.said()
    assert "set to Crashed" not in first.said()
    second.wait_for_another("sync woshipm")
    assert second.end() == 0


def test_serve_that_was_killed_takes_its_own_place_and_another_one_does_not(two):
    first, second = two
    first.start()
    first.wait_for_another("sync woshipm")
    first.kill_everything()

    refused = second.run("serve")

    assert refused.returncode == 1
    assert "prefect variable delete copydesk_serve" in refused.stderr
    first.start()
    first.wait_for_another("sync woshipm")
    assert first.end() == 0
