"""Runs of one source never overlap."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows import settings
from flows.admin.erasure import ErasureRequest, erase
from flows.admin.replay_quarantine import replay_quarantine
from flows.callbacks import no_progress
from flows.cli import demo_run
from flows.import_export.import_files import import_posts
from flows.pipeline import locks, sync_source
from flows.pipeline.reparse_steps import reparse_source
from flows.pipeline.rows import post_failure
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from parsers.errors import ParseError
from tests import site
from warehouse import connect, transaction
from warehouse.records import quarantine

SEEDS = Path(site.__file__).parent / "seeds"

OTHER = "20260101T000000-x"


@pytest.fixture
def chosen(tmp_path):
    """The settings of a source whose site is up."""
    with site.serve() as news_site:
        yield settings.load(
            demo_run.write_config(tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL),
            {},
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


# --- every command that writes articles of a source has its lock ---------------------------


def import_ofweek(chosen):
    import_posts(chosen, [SEEDS], source=None)


def reparse_ofweek(chosen):
    with RunContext("reparse", chosen, ["ofweek"]) as run:
        reparse_source(run, "ofweek")


def replay_ofweek(chosen):
    replay_quarantine(chosen, source="posts", notify=print, on_progress=no_progress)


def erase_ofweek(chosen):
    request = ErasureRequest(article_ids=("finews:1", "ofweek:1"))
    erase(chosen, request, reason="", notify=print, on_progress=no_progress)


@pytest.mark.parametrize("command", [import_ofweek, reparse_ofweek, replay_ofweek, erase_ofweek])
def test_command_waits_for_a_sync_of_a_source_that_it_touches(chosen, monkeypatch, command):
    sync(chosen, "person")
    if command is replay_ofweek:
        quarantine_an_ofweek_post(chosen)
    monkeypatch.setattr(locks, "LONG_WAIT_SECONDS", 0.3)
    monkeypatch.setattr("flows.admin.replay_quarantine.LOCK_TIMEOUT_SECONDS", 0.3)

    with other_sync(chosen), pytest.raises(locks.SourceLocked, match=OTHER):
        command(chosen)
    command(chosen)


def quarantine_an_ofweek_post(chosen):
    """A post in quarantine that can be parsed today; its failure has the source "posts"."""
    (post,) = (file for file in SEEDS.rglob("*") if "ofweek" in file.read_text("utf-8", "replace"))
    error = ParseError("of an earlier parser")
    failure = post_failure("posts", post.name, post.read_bytes(), error, datetime.now(UTC))
    with connect(chosen.warehouse.path) as db, transaction(db):
        quarantine.put(db, [failure], run_id="run")


def test_import_waits_with_the_warehouse_closed(chosen, monkeypatch):
    monkeypatch.setattr(locks, "LONG_WAIT_SECONDS", 3.0)
    program = f"from warehouse import connect\nwith connect({str(chosen.warehouse.path)!r}): pass"
    outcomes = []

    def notify(text):
        if "waiting for" in text:
            other = [sys.executable, "-c", program]
            outcomes.append(subprocess.run(other, check=False, timeout=60).returncode)

    with (
        use_environment(RunEnvironment(notify=notify)),
        other_sync(chosen),
        pytest.raises(locks.SourceLocked),
    ):
        import_ofweek(chosen)

    assert outcomes == [0]
