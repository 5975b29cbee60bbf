"""Runs of one source never overlap."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from flows import settings
from flows.cli import demo_run
from flows.pipeline import locks, sync_source
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from tests import site

OTHER = "20260101T000000-x"


@pytest.fixture
def chosen(tmp_path):
    """The settings of a source whose site is up."""
    with site.serve() as stand:
        yield settings.load(
            demo_run.write_config(tmp_path, port=stand.port, article_url=demo_run.ARTICLE_URL), {}
        )


def sync(chosen, trigger, notify=print):
    """One sync of OFweek; its statistics."""
    with (
        use_environment(RunEnvironment(notify=notify)),
        RunContext("sync", chosen, ["ofweek"], trigger=trigger) as run,
    ):
        sync_source.sync_source(run, "ofweek")
        run.finish()
    return run.stats["ofweek"]


def other_sync(chosen):
    return locks.acquire(chosen, "ofweek", flow="sync", run_id=OTHER)


def test_person_learns_at_once_which_sync_has_the_source(chosen):
    with other_sync(chosen):
        stats = sync(chosen, "person")

    assert (stats.is_locked, stats.is_broken, stats.counts["discovered"]) == (True, True, 0)
    assert OTHER in stats.errors[0]
    assert not stats.is_stale  # the other sync reads it
    assert sync(chosen, "person").counts["new"] > 0


def test_scheduled_sync_fails_when_the_other_one_does_not_end(chosen, monkeypatch):
    monkeypatch.setattr(sync_source, "LOCK_TIMEOUT_SECONDS", 0.5)
    with other_sync(chosen):
        stats = sync(chosen, "schedule")

    assert stats.is_locked


def test_scheduled_sync_starts_when_the_other_one_has_ended(chosen):
    messages, is_waiting, found = [], threading.Event(), []

    def notify(text):
        messages.append(text)
        is_waiting.set()

    waiter = threading.Thread(target=lambda: found.append(sync(chosen, "schedule", notify)))
    with other_sync(chosen):
        waiter.start()
        assert is_waiting.wait(60)
    waiter.join(60)

    assert OTHER in messages[0]
    assert found[0].counts["new"] > 0


def test_lock_passes_to_the_run_that_waits(chosen):
    """A backfill that releases its lock between two chunks does not starve the schedule."""
    order, is_waiting = [], threading.Event()

    def sync_once():
        with locks.acquire(
            chosen,
            "a",
            flow="sync",
            run_id="2",
            wait_seconds=30,
            notify=lambda _text: is_waiting.set(),
        ):
            order.append("sync")

    waiter = threading.Thread(target=sync_once)
    with locks.acquire(chosen, "a", flow="backfill", run_id="1"):
        waiter.start()
        assert is_waiting.wait(30)
    with locks.acquire(chosen, "a", flow="backfill", run_id="1", wait_seconds=30):
        order.append("backfill")
    waiter.join(30)

    assert order == ["sync", "backfill"]


def test_lock_of_a_killed_process_is_free(chosen):
    """Its owner is still in the file, and the kernel has released the lock."""
    script = (
        "import os, signal, sys; from flows import settings; from flows.pipeline import locks\n"
        f"chosen = settings.load(__import__('pathlib').Path({str(chosen.warehouse.path.parent / 'copydesk.toml')!r}), {{}})\n"
        "with locks.acquire(chosen, 'a', flow='sync', run_id='killed'):\n"
        "    print(locks.lock_owner(chosen, 'a').run_id, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "killed\n"
        assert locks.lock_owner(chosen, "a").process.pid == process.pid
        process.kill()
    assert locks.lock_owner(chosen, "a") is None
    with locks.acquire(chosen, "a", flow="sync", run_id="next"):
        assert locks.lock_owner(chosen, "a").run_id == "next"
