"""Backfill killed, interrupted, held up; beside the schedule and another backfill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows.pipeline import backfill_context, locks
from flows.pipeline.date_range import parse_request
from tests.e2e.filling import LISTED, texts, window
from tests.site import Fault
from warehouse import connect
from warehouse.records import backfill_chunks

pytestmark = pytest.mark.e2e


# --- killed ------------------------------------------------------------------------------


def test_killed_backfill_goes_on_and_repeats_no_finished_chunk(
    desk, fill, faults, small, prefect_server
):
    faults["/NewsData"] = Fault(delay_seconds=0.05)
    script = Path(__file__).with_name("killed_backfill.py")
    killed = subprocess.Popen(
        [sys.executable, str(script), str(desk.config), "finews", "2022-03-01", "2022-03-31"],
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_API_URL": prefect_server},
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in killed.stdout:
        if int(line.split()[0]) >= 8:  # two chunks of four articles are done
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    asked = desk.settings
    plan = parse_request(asked, "finews", **window("2022-03-01", "2022-03-31")).plan
    with connect(desk.settings.warehouse.path) as db:
        left = backfill_chunks.chunks_of_plan(db, plan)
        stored = {one for (one,) in db.execute("SELECT article_id FROM articles").fetchall()}
    done = {
        f"finews:{entry.source_article_id}": entry.url
        for chunk in left
        if chunk.kind == "fetch_entries" and chunk.state == "done"
        for entry in backfill_context.entries_of(chunk)
    }
    assert len(done) >= 8
    assert stored <= set(done)
    assert any(chunk.state == "waiting" for chunk in left)
    desk.stand.forget_requests()

    report = fill("finews", **window("2022-03-01", "2022-03-31"))

    fetched = {f"{desk.stand.url}{one.target}" for one in desk.stand.requests}
    left_over = {
        entry.url
        for chunk in left
        if chunk.kind == "fetch_entries" and chunk.state != "done"
        for entry in backfill_context.entries_of(chunk)
    }
    # Two ids of one article share an address; it may be in a chunk that was not done.
    assert fetched & (set(done.values()) - left_over) == set()
    assert not any("webapi" in one for one in fetched)
    assert report.state in ("completed", "completed_with_warnings")
    assert desk.far[0][1] == sum(c.entries for c in left if c.state == "done")
    counts = desk.rows("SELECT count(*), count(DISTINCT article_id) FROM articles")
    assert counts[0][0] == counts[0][1] > len(stored)
    states = desk.rows("SELECT state, count(*) FROM runs WHERE flow = 'backfill' GROUP BY ALL")
    assert dict(states) == {"crashed": 1, "completed": 1}


def test_interrupt_keeps_whole_chunks_and_the_next_goes_on(desk, fill, faults, small):
    faults["/NewsData"] = Fault(delay_seconds=0.1)

    def interrupt():
        while len(texts(desk)) < 10 and threading.main_thread().is_alive() and not ended.is_set():
            ended.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    ended = threading.Event()

    helper = threading.Thread(target=interrupt, daemon=True)
    helper.start()
    stopped = fill("finews", **window("2022-03-01", "2022-03-31"))
    ended.set()
    helper.join()

    assert (stopped.state, stopped.exit_code) == ("interrupted", 130)
    assert any("chunks are left" in words for words in stopped.warnings)

    faults.clear()
    rest = fill("finews", **window("2022-03-01", "2022-03-31"))

    assert rest.totals()["new"] > 0
    assert not any("chunks are left" in words for words in rest.warnings)


def test_fetch_that_hangs_ends_at_the_deadline_and_the_run_goes_on(desk, fill, faults):
    faults[f"/NewsData/GetNewsText.do?id={LISTED}"] = Fault(delay_seconds=60)

    report = fill("finews", **window("2022-03-14", "2022-03-14"))

    assert report.totals()["failed"] == 1
    assert report.totals()["new"] > 0
    assert report.totals()["seconds"] < 15
    assert locks.lock_owner(desk.settings, "finews") is None


# --- side by side ------------------------------------------------------------------------


def test_second_backfill_of_a_source_ends_at_once_and_names_the_first(desk, fill):
    with locks.acquire(
        desk.settings, "backfill finews", flow="backfill", run_id="20260101T000000-x"
    ):
        with pytest.raises(locks.SourceLocked, match="backfill run 20260101T000000-x") as caught:
            fill("finews", **window("2022-03-11", "2022-03-13"))

        assert str(os.getpid()) in str(caught.value)
        assert texts(desk) == []
        other = fill("ofweek", **window("2021-05-20", "2021-05-30"))
        assert other.totals()["new"] > 0


def test_killed_holder_leaves_no_lease_behind(desk):
    script = (
        "import sys, pathlib; from flows import leases, settings\n"
        "chosen = settings.load(pathlib.Path(sys.argv[1]), {})\n"
        "with leases.hold(chosen, 'finews', flow='sync', run_id='first'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(desk.config)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    found = locks.lock_owner(desk.settings, "finews")
    assert (found.run_id, found.process.pid) == ("first", holder.pid)
    with (
        pytest.raises(locks.SourceLocked, match=f"kill {holder.pid}"),
        locks.acquire(desk.settings, "finews", flow="sync", run_id="second"),
    ):
        pass

    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    assert locks.lock_owner(desk.settings, "finews") is None
    with locks.acquire(desk.settings, "finews", flow="sync", run_id="second"):
        assert locks.lock_owner(desk.settings, "finews").run_id == "second"


def test_one_who_waits_gets_the_lease_before_the_one_who_lets_go_gets_it_back(desk):
    order, waiting = [], threading.Event()

    def schedule():
        with locks.acquire(
            desk.settings, "finews", flow="sync", run_id="s", wait_seconds=10, notify=lambda _: None
        ):
            order.append("sync")

    helper = threading.Thread(target=schedule)
    with locks.acquire(desk.settings, "finews", flow="backfill", run_id="b"):
        helper.start()
        turn = desk.settings.warehouse.path.parent / "leases" / "finews.turn"
        while not waiting.is_set():
            if is_locked(turn):
                waiting.set()
        order.append("chunk 1")
    with locks.acquire(desk.settings, "finews", flow="backfill", run_id="b", wait_seconds=10):
        order.append("chunk 2")
    helper.join()

    assert order == ["chunk 1", "sync", "chunk 2"]


def is_locked(file):
    import fcntl

    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
