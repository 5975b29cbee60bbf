"""Source locks: between processes, after a kill, and between the chunks of a backfill."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.backfill import do_chunk
from flows.pipeline import locks
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.backfill_steps import plan_chunks
from flows.pipeline.run import RunContext
from flows.settings import Settings, WarehouseSettings

_HOLDER = """
import pathlib, sys
from flows.pipeline import locks
from flows.settings import Settings, WarehouseSettings
settings = Settings(warehouse=WarehouseSettings(path=pathlib.Path(sys.argv[1])))
with locks.acquire(settings, 'finews', flow='sync', run_id='first'):
    print('held', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(warehouse=WarehouseSettings(path=tmp_path / "copydesk.duckdb"))


def test_killed_owner_leaves_no_lock(settings: Settings) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(settings.warehouse.path)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "held\n"
    found = locks.lock_owner(settings, "finews")
    assert found is not None
    assert (found.run_id, found.process.pid) == ("first", owner.pid)
    with (
        pytest.raises(locks.SourceLocked, match=str(owner.pid)),
        locks.acquire(settings, "finews", flow="sync", run_id="second"),
    ):
        pass

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    assert locks.lock_owner(settings, "finews") is None
    with locks.acquire(settings, "finews", flow="sync", run_id="second"):
        found = locks.lock_owner(settings, "finews")
        assert found is not None
        assert found.run_id == "second"


def test_waiting_run_gets_the_lock_before_the_next_chunk(settings: Settings) -> None:
    order = []

    def sync() -> None:
        with locks.acquire(settings, "finews", flow="sync", run_id="s", wait_seconds=10):
            order.append("sync")

    waiting = threading.Thread(target=sync)
    with locks.acquire(settings, "finews", flow="backfill", run_id="b"):
        waiting.start()
        queue = settings.warehouse.path.parent / "locks" / "finews.queue.lock"
        while not is_locked(queue):
            time.sleep(0.01)
        order.append("chunk 1")
    with locks.acquire(settings, "finews", flow="backfill", run_id="b", wait_seconds=10):
        order.append("chunk 2")
    waiting.join()

    assert order == ["chunk 1", "sync", "chunk 2"]


def is_locked(file: Path) -> bool:
    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_chunk_holds_the_lock_of_its_source(desk, monkeypatch) -> None:
    owners = []

    def run_chunk(job, _chunk):
        owners.append(locks.lock_owner(job.run.settings, "ofweek"))

    monkeypatch.setattr("flows.pipeline.backfill_steps.run_chunk", run_chunk)
    urls = ["https://www.ofweek.com/2021-05/ART-260009-8420-30500850.html"]
    request = desk.request("ofweek", urls=urls)
    with RunContext("backfill", desk.settings, ["ofweek"]) as run:
        job = BackfillContext(run, request)
        plan_chunks(job)
        chunk = job.plan.next_chunk()
        assert chunk is not None
        do_chunk.fn(job, chunk)

    assert [owner.flow for owner in owners if owner] == ["backfill"]
    assert locks.lock_owner(desk.settings, "ofweek") is None
