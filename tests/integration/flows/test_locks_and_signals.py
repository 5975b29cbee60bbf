"""A run that waits for the lock of its source, and a run that receives a signal."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from flows import settings
from flows.errors import Interrupted
from flows.pipeline import locks
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from flows.pipeline.signals import graceful_shutdown
from flows.serve.run_local import sync_without_prefect
from tests.e2e.project import open_project

# --- waiting for a lock ----------------------------------------------------------------


def stopped_while_waiting(stop, messages):
    """Return a notify function that stops the run at the message about a wait."""

    def notify(message):
        messages.append(message)
        if "waiting for" in message:
            stop.set()

    return notify


def other_run(project, slug):
    return locks.acquire(project.settings, slug, flow="backfill", run_id="of another")


@pytest.mark.timeout(120)
def test_wait_for_a_lock_ends_when_the_run_is_stopped(tmp_path):
    chosen = settings.Settings(warehouse={"path": tmp_path / "copydesk.duckdb"})
    stop, messages = threading.Event(), []
    waiting = locks.acquire(
        chosen, "a", flow="sync", run_id="2", wait_seconds=3600,
        notify=stopped_while_waiting(stop, messages), stop=stop,
    )  # fmt: skip
    with (
        locks.acquire(chosen, "a", flow="backfill", run_id="1"),
        pytest.raises(Interrupted),
        waiting,
    ):
        pytest.fail("two have one lease")
    assert "waiting for backfill run 1" in messages[0]

    with locks.acquire(chosen, "a", flow="sync", run_id="3"):
        pass


def test_configurations_of_one_catalog_in_a_file_share_its_locks(tmp_path):
    lake = {"url": f"ducklake:{tmp_path}/lake/catalog.ducklake", "data": str(tmp_path / "data")}
    one, two = (
        settings.Settings(warehouse=lake | {"path": tmp_path / name / "x"}) for name in "ab"
    )

    with locks.acquire(one, "finews", flow="sync", run_id="1"):
        assert locks.lock_owner(two, "finews").run_id == "1"
        with (
            pytest.raises(locks.SourceLocked),
            locks.acquire(two, "finews", flow="sync", run_id="2"),
        ):
            pytest.fail("two have one lock")


@pytest.mark.timeout(120)
def test_sync_that_waits_for_a_backfill_can_be_stopped_and_is_interrupted(tmp_path):
    with open_project(tmp_path) as project:
        stop = threading.Event()
        environment = RunEnvironment(
            stop=stop, notify=stopped_while_waiting(stop, project.messages)
        )
        with other_run(project, "ofweek"), use_environment(environment):
            report = project.sync("ofweek")

    assert report.state == "interrupted"
    assert not report.errors
    assert not any("CATList" in one.target for one in project.news_site.requests)


@pytest.mark.timeout(120)
def test_replay_that_waits_for_a_run_can_be_stopped(tmp_path, monkeypatch):
    from flows.admin import replay_quarantine

    with open_project(tmp_path) as project:
        project.sync("finews")
        stop = threading.Event()
        monkeypatch.setattr(replay_quarantine.threading, "Event", lambda: stop)
        messages = stopped_while_waiting(stop, project.messages)
        with other_run(project, "finews"):
            report = replay_quarantine.replay_quarantine(
                project.settings, notify=messages, on_progress=lambda *_far: None
            )

    assert report.state == "interrupted"


# --- signals ---------------------------------------------------------------------------


def test_run_that_does_not_end_in_time_is_interrupted():
    stop = threading.Event()
    begun = time.monotonic()

    def go_on_for_a_minute():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        threading.Event().wait(60)

    limited = graceful_shutdown(stop, lambda _message: None, within=0.2)
    with pytest.raises(KeyboardInterrupt), limited:
        go_on_for_a_minute()
    assert time.monotonic() - begun < 50


def test_run_that_ends_in_time_is_not_interrupted_later():
    stop = threading.Event()
    with graceful_shutdown(stop, lambda _message: None, within=0.2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)

    threading.Event().wait(0.5)  # an unexpected second signal needs time to arrive


# --- progress ----------------------------------------------------------------------------


def test_progress_after_ctrl_c_counts_what_was_stored(project, monkeypatch):
    stop, progress, fetch_all = threading.Event(), [], RunContext.fetch_all

    def three_pages(run, requests):
        responses = list(fetch_all(run, requests))
        if len(responses) > 3:  # the article pages
            stop.set()
        return iter(responses[:3])

    monkeypatch.setattr(RunContext, "fetch_all", three_pages)
    environment = RunEnvironment(stop=stop, on_progress=lambda *values: progress.append(values))
    with use_environment(environment):
        report = sync_without_prefect(project.settings, ["ofweek"])

    counts = report.stats[0].counts
    assert report.exit_code == 130
    assert progress == [("ofweek", counts["new"], 11)]
    assert counts["new"] in {2, 3}  # one page may be the first of several
    assert counts["new"] + counts["skipped"] == 11
