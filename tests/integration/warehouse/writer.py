"""Another process with the warehouse: ``python -m tests.integration.warehouse.writer WHAT FILE ...``.

Prints one line on standard output for each step, as soon as it is done.
"""

from __future__ import annotations

import resource
import sys
from itertools import count
from pathlib import Path

from tests.unit.warehouse.factories import HOUR, NOON, article, upsert
from warehouse import (
    WarehouseError,
    connect,
    connect_read_only,
    observe,
    transaction,
    upsert_articles,
    wal,
)
from warehouse.records import runs, watermarks


def notify(*values: object) -> None:
    print(*values, flush=True)


def hold(path: Path) -> None:
    """Keeps the warehouse open until a line comes."""
    with connect(path) as db:
        upsert(db, article())
        notify("open")
        sys.stdin.readline()


def read(path: Path) -> None:
    """Keeps the warehouse open for reading until a line comes."""
    with connect_read_only(path):
        notify("open")
        sys.stdin.readline()


def add(path: Path, name: str, batches: str) -> None:
    """The same articles as every other process that does this."""
    for number in range(int(batches)):
        with connect(path, wait_seconds=60) as db:
            done = upsert(db, *(article(f"{number}-{i}", f"{number}-{i}") for i in range(10)))
        notify(name, done.new, done.unchanged)


def batches(path: Path, start: str) -> None:
    """Write batches until the process is killed; print the number of each acknowledged batch."""
    wal.DEFAULT = wal.EARLY = "200KB"
    with connect(path) as db:
        for number in count(int(start)):
            one_batch(db, number)
            notify(number)


def one_batch(db, number: int) -> None:  # type: ignore[no-untyped-def]
    """Twenty rows, ten of them a change of the batch before, a watermark and counters."""
    at = NOON + number * HOUR
    fresh = [
        article(f"{number}-{i}", f"{number}-{i} " + "字" * 500, fetched_at=at) for i in range(10)
    ]
    changed = [
        article(f"{number - 1}-{i}", f"{number}-{i} 改 " + "字" * 500, fetched_at=at)
        for i in range(10)
    ]
    with transaction(db):
        upsert_articles(db, map(observe, fresh + changed), run_id=str(number))
        watermarks.advance(db, {("finews", "emnews"): (at, str(number))}, run_id=str(number))


def fill(path: Path, limit: str) -> None:
    """Batches until a file may not grow beyond ``limit`` bytes any more."""
    with connect(path) as db:
        for number in count():
            if number == 3:
                resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
            try:
                one_batch(db, number)
            except WarehouseError as error:
                notify("stopped", number, type(error).__name__, error)
                break
            notify("stored", number)
        notify("readable", db.execute("SELECT count(*) FROM articles").fetchall()[0][0])


def crash(path: Path) -> None:
    """Ends without closing anything, as after kill -9, its log not yet in the file."""
    import os

    wal.DEFAULT = wal.EARLY = wal.NEVER
    with connect(path) as db:
        with transaction(db):
            runs.start_run(db, flow="sync", sources=["finews"], code_version="0")
        for number in range(3):
            one_batch(db, number)
        notify("stored")
        os._exit(9)


if __name__ == "__main__":
    {"hold": hold, "read": read, "add": add, "batches": batches, "fill": fill, "crash": crash}[
        sys.argv[1]
    ](Path(sys.argv[2]), *sys.argv[3:])
