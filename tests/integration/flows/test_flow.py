"""The sync as a Prefect flow: task runs, state and alerts."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.sorting import FlowRunSort

from flows import sync
from flows.pipeline import load as load_steps
from tests.site import Fault
from warehouse.errors import WarehouseError

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("prefect_server")]


def latest_run(name):
    with get_client(sync_client=True) as client:
        wanted = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
        runs = client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=1
        )
        return runs[0], [one.name for one in client.read_task_runs(flow_run_filter=wanted)]


def test_run_has_one_task_run_a_source_and_names_its_warnings(project):
    report = project.sync_with_prefect("finews", "ofweek")

    run, tasks = latest_run("sync finews ofweek")
    assert report.state == "completed_with_warnings"
    assert (run.state.name, run.state.is_completed()) == ("CompletedWithWarnings", True)
    assert {"finews", "ofweek"} <= set(tasks)


def test_run_of_many_sources_is_one_task_run_and_its_error_is_that_of_a_source(
    project, monkeypatch
):
    monkeypatch.setattr(sync, "MAX_TASK_RUNS", 1)
    monkeypatch.setattr(sync, "MAX_NAMES", 1)
    report = project.sync_with_prefect("ofweek", "woshipm")
    _, tasks = latest_run("sync 2 sources")

    def fail(*_arguments, **_options):
        raise WarehouseError("the disk is full")

    monkeypatch.setattr(load_steps, "load", fail)
    with pytest.raises(WarehouseError, match="the disk is full"):
        project.sync_with_prefect("ofweek", "woshipm")

    assert tasks == ["2 sources"]
    assert all(one.counts["new"] for one in report.stats)
    assert latest_run("sync 2 sources")[0].state.is_failed()


def test_scheduled_run_alerts_each_failure_once(project, monkeypatch):
    alerted = []

    def send_events(report):
        alerted.append(sum(stats.unalerted for stats in report.stats))
        return [stats.source for stats in report.stats]

    monkeypatch.setattr(sync, "run_trigger", lambda: "schedule")
    monkeypatch.setattr(sync, "send_events", send_events)

    runs = [project.sync_with_prefect("finews") for _ in range(2)]

    assert [one.exit_code for one in runs] == [3, 0]
    assert alerted == [3, 0]


def test_warehouse_that_cannot_be_written_fails_the_run(project, monkeypatch):
    def fail(*_arguments, **_options):
        raise WarehouseError("the disk is full")

    monkeypatch.setattr(load_steps, "load", fail)

    with pytest.raises(WarehouseError, match="the disk is full"):
        project.sync_with_prefect("ofweek")

    assert latest_run("sync ofweek")[0].state.is_failed()


def test_interrupt_in_the_middle_keeps_whole_batches_and_the_next_run_finishes(project, faults):
    text = project.config.read_text(encoding="utf-8") + "\n[run]\nbatch_size = 5\n"
    project.config.write_text(text, encoding="utf-8")
    faults["/NewsData"] = Fault(delay_seconds=0.15)

    def interrupt():
        while len([one for one in project.news_site.requests if "GetNewsText" in one.target]) < 14:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt, daemon=True)
    watcher.start()
    report = project.sync_with_prefect("finews")
    watcher.join()

    assert (report.state, report.exit_code) == ("interrupted", 130)
    assert any("stopping" in message for message in project.messages)
    stored = report.totals()["new"]
    assert 0 < stored < 40
    assert dict(project.rows("SELECT source, state FROM runs")) == {"finews": "interrupted"}
    assert project.rows("SELECT count(*) FROM articles")[0][0] >= stored

    faults.clear()
    project.sync("finews")
    ids = project.rows("SELECT count(*), count(DISTINCT article_id) FROM articles")
    assert ids == [(43, 43)]
