"""A run of a deployment that comes upon a sync of its source waits for it."""

from __future__ import annotations

import threading
import time

import pytest

from flows import tasks
from flows.pipeline import locks
from flows.serving.events import events_of
from tests.e2e.plainly import plain_desk
from tests.e2e.test_serve_stopping import begin

__all__ = ["begin"]

OTHER = "20260101T000000-x"


def other_sync(desk, slug="ofweek"):
    return locks.acquire(desk.settings, slug, flow="sync", run_id=OTHER)


def test_sync_at_the_keyboard_is_told_at_once_and_the_source_is_named_once(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_PATIENCE_UNATTENDED_SECONDS", 3600.0)
    with plain_desk(tmp_path) as desk, other_sync(desk):
        report = desk.sync("ofweek")

    assert report.state == "failed"
    assert report.problems[0].startswith(f"ofweek: sync run {OTHER} (process ")
    assert report.problems[0].count("ofweek") == 1


def test_run_of_a_deployment_that_waited_in_vain_says_for_whom(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "is_deployed", lambda: True)
    monkeypatch.setattr(locks, "_PATIENCE_UNATTENDED_SECONDS", 0.5)
    with plain_desk(tmp_path) as desk, other_sync(desk):
        begun = time.monotonic()
        report = desk.sync("ofweek")
        waited = time.monotonic() - begun

    assert list(events_of(report)) == []  # the source is well, and read by the other one
    assert waited >= 0.5  # it never asks for less than its patience
    assert report.problems[0].startswith(f"ofweek: sync run {OTHER} (process ")
    assert report.problems[0].count("ofweek") == 1


def test_run_of_a_deployment_goes_on_when_the_sync_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "is_deployed", lambda: True)
    is_waiting, said = threading.Event(), []

    def log(words):
        said.append(words)
        if "waiting for" in words:
            is_waiting.set()

    monkeypatch.setattr(tasks, "log", log)
    reports = []
    with plain_desk(tmp_path) as desk:
        waiter = threading.Thread(target=lambda: reports.append(desk.sync("ofweek")))
        with other_sync(desk):
            waiter.start()
            assert is_waiting.wait(60)
        waiter.join(120)

    assert reports[0].totals()["new"] > 0
    assert not reports[0].problems
    assert any(f"ofweek: waiting for sync run {OTHER}" in words for words in said)


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_run_that_serve_began_waits_for_a_sync_and_says_so_in_its_log(desk, begin):
    with other_sync(desk):
        process, state = begin("ofweek")
        for line in process.stdout:
            if f"waiting for sync run {OTHER}" in line:
                break
        else:
            pytest.fail(f"it did not wait: {state()}")

    process.communicate(timeout=120)

    assert state().is_completed(), state()
    assert desk.rows("SELECT state FROM runs") == [("completed",)]
