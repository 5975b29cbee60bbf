"""One writer at a time: threads, processes, and readers in the way."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import duckdb
import pytest

from tests.unit.warehouse.factories import article, cursor_of, rows_of, upsert
from warehouse import (
    UpsertCounts,
    connect,
    connect_read_only,
    instance,
    lock,
    observe,
    transaction,
    upsert_articles,
)
from warehouse import db as database
from warehouse.care.integrity import verify
from warehouse.errors import WarehouseBusy, WriteConflict
from warehouse.lock import lock_file

ROOT = Path(__file__).parents[3]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.warehouse.writer", *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def held(path: Path, command: str = "hold") -> Iterator[subprocess.Popen[str]]:
    """Another process that has the warehouse open: ``hold`` for writing, ``read`` for reading."""
    child = start(command, path)
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    try:
        yield child
    finally:
        child.communicate("\n", timeout=30)


# --- processes ---------------------------------------------------------------------------


def test_a_second_writer_waits_and_names_the_first(path: Path) -> None:
    reported: list[str] = []
    with held(path) as child:

        def tell(message: str) -> None:
            reported.append(message)
            assert child.stdin
            child.stdin.write("\n")
            child.stdin.flush()

        with connect(path, wait_seconds=30, notify=tell) as db:
            assert upsert(db, article(2, "加息")) == UpsertCounts(new=1)

    assert [str(path) in one and f"process {child.pid}," in one for one in reported] == [True]


def test_a_second_writer_gives_up_with_a_message(path: Path) -> None:
    with held(path) as child, pytest.raises(WarehouseBusy) as caught:
        connect(path, wait_seconds=0).__enter__()

    assert caught.value.pid == child.pid
    assert str(path) in str(caught.value)
    assert f"process {child.pid}" in str(caught.value)
    assert "`copydesk query`" in str(caught.value)


def test_message_for_a_reader_of_the_live_file_names_the_writer(path: Path) -> None:
    with held(path) as child, pytest.raises(WarehouseBusy, match=f"process {child.pid}"):
        connect_read_only(path).__enter__()


def test_message_for_a_writer_names_the_reader_of_the_live_file(path: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
    reported: list[str] = []
    with held(path, "read") as child:
        with pytest.raises(WarehouseBusy, match=f"process {child.pid}") as caught:
            connect(path, wait_seconds=0.1, notify=reported.append).__enter__()
        assert caught.value.pid == child.pid
        assert [f"held by process {child.pid}" in one for one in reported] == [True]
    with connect(path) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(1,)]


def test_a_writer_that_was_killed_is_not_waited_for(path: Path) -> None:
    with held(path) as child:
        child.kill()
        child.wait()
        with connect(path, wait_seconds=0) as db:
            assert rows_of(db, "SELECT count(*) FROM articles") == [(1,)]


def test_two_processes_with_the_same_articles_store_each_once(path: Path) -> None:
    children = [start("add", path, name, 6) for name in ("a", "b")]
    lines = [child.communicate(timeout=120)[0].splitlines() for child in children]

    counts = [list(map(int, line.split()[1:])) for one in lines for line in one]
    assert sum(new for new, _ in counts) == 60
    assert sum(unmodified for _, unmodified in counts) == 60
    with connect(path) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(60,)]
        assert verify(db).problems == ()


# --- threads -----------------------------------------------------------------------------


def test_threads_with_the_same_articles_store_each_once(path: Path) -> None:
    def add(db: duckdb.DuckDBPyConnection) -> UpsertCounts:
        return sum(
            (upsert(db, *(article(f"{n}-{i}", f"{n}-{i}") for i in range(10))) for n in range(8)),
            UpsertCounts(),
        )

    with connect(path) as db, connect(path) as other, ThreadPoolExecutor(3) as pool:
        done = list(pool.map(add, [cursor_of(db), cursor_of(db), other]))
        assert sum(done, UpsertCounts()) == UpsertCounts(new=80, unchanged=160)
        assert rows_of(db, "SELECT count(*) FROM articles") == [(80,)]
        assert verify(db).problems == ()


def test_a_second_connection_of_this_process_shares_the_lock(path: Path) -> None:
    with connect(path) as first:
        with connect(path, wait_seconds=0) as second:
            upsert(second, article())
        assert rows_of(first, "SELECT count(*) FROM articles") == [(1,)]
        child = start("add", path, "other", 1)
        upsert(first, article(2, "加息"))
    assert child.communicate(timeout=60)[0] == "other 10 0\n"


def test_a_commit_while_another_thread_opens_the_warehouse_is_no_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_sequence = database.read_sequence
    with connect(path) as first:

        def read_and_commit(db: duckdb.DuckDBPyConnection) -> database.WriteSequence:
            found = read_sequence(db)
            if db is not first:
                with transaction(first):
                    pass
            return found

        monkeypatch.setattr(database, "read_sequence", read_and_commit)
        with connect(path) as second:
            monkeypatch.undo()
            sequence = read_sequence(second)

    with connect(path) as db:
        lock.record_commit(sequence.warehouse_id, sequence.last_seq - 1)  # of a thread that is late
        (held,) = lock._held.values()
        assert lock.last_commit(held) == (str(sequence.warehouse_id), sequence.last_seq)
        assert read_sequence(db) == sequence


def test_a_commit_that_cannot_be_recorded_is_a_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError("no space left on device")

    with connect(path) as db:
        monkeypatch.setattr(lock, "_write", refuse)
        upsert(db, article())
        monkeypatch.undo()
    with connect(path) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(1,)]


@pytest.mark.parametrize("command", ["hold", "read"])
def test_a_thread_that_waits_for_another_process_holds_up_no_other_thread(
    path: Path, command: str
) -> None:
    with connect(path) as db:
        upsert(db, article())
    is_waiting = threading.Event()

    def count() -> list[tuple[object, ...]]:
        with connect(path, wait_seconds=30, notify=lambda _: is_waiting.set()) as db:
            return rows_of(db, "SELECT count(*) FROM articles")

    with ThreadPoolExecutor(1) as pool:
        with held(path, command) as child:
            waiting = pool.submit(count)
            assert is_waiting.wait(30)
            with pytest.raises(WarehouseBusy) as caught:
                connect(path, wait_seconds=0).__enter__()
            assert caught.value.pid == child.pid
            assert not waiting.done()
        assert waiting.result(60) == [(1,)]


def test_an_interrupt_at_any_step_of_opening_leaves_no_lock_and_no_connection(path: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
    for step in itertools.count(1):
        try:
            with ExitStack() as stack:
                with interrupt_at(step):
                    stack.enter_context(connect(path))
                break
        except KeyboardInterrupt:
            pass
        assert lock._held == {}
        assert [one.connections for one in instance._instances.values()] in ([], [[]])
        with lock_file(path).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert step > 50


@contextmanager
def interrupt_at(number: int) -> Iterator[None]:
    """Raise KeyboardInterrupt at the given step of ``lock``, ``db`` or ``instance`` in the block.

    A step is one at which Python handles signals: a call has begun, or a call of C has ended.
    """
    steps = itertools.count(1)
    files = {lock.__file__, database.__file__, instance.__file__}

    def profile(frame: FrameType, event: str, _: object) -> None:
        is_step = event in {"call", "c_return"} and frame.f_code.co_filename in files
        if is_step and next(steps) == number:
            raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def test_an_interrupt_while_the_warehouse_is_opened_is_an_interrupt(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_path: Path) -> duckdb.DuckDBPyConnection:
        raise RuntimeError("Query interrupted")  # as DuckDB does after Ctrl-C

    monkeypatch.setattr(database.instance, "attach", interrupt)
    with pytest.raises(KeyboardInterrupt), connect(path):
        pass


def test_a_thread_that_waits_too_long_for_its_turn_is_reported(path: Path) -> None:
    with connect(path) as db, transaction(db):
        other = cursor_of(db)
        with pytest.raises(WriteConflict, match=r"project\.duckdb: another transaction"):
            transaction(other, wait_seconds=0.05).__enter__()


def test_a_transaction_that_fails_leaves_nothing_and_frees_the_next(path: Path) -> None:
    with connect(path) as db:
        with pytest.raises(RuntimeError, match="stop"):
            upsert_and_stop(db)
        assert rows_of(db, "SELECT count(*) FROM articles") == [(0,)]
        assert upsert(db, article()) == UpsertCounts(new=1)


def upsert_and_stop(db: duckdb.DuckDBPyConnection) -> None:
    with transaction(db):
        assert upsert_articles(db, [observe(article())], run_id="run") == {
            "finews": UpsertCounts(new=1)
        }
        raise RuntimeError("stop")


def test_this_process_reads_what_it_writes_through_its_own_connection(path: Path) -> None:
    with connect(path), pytest.raises(WarehouseBusy, match="this process: read through"):
        connect_read_only(path).__enter__()


# --- traps of DuckDB and of the system -----------------------------------------------------


def test_opening_and_closing_the_file_does_not_let_another_writer_in(path: Path) -> None:
    """A POSIX lock goes with the first close of the file in the process; ours does not."""
    with connect(path) as db:
        upsert(db, article())
        shutil.copy(path, path.with_suffix(".copy"))  # drops DuckDB's own lock
        code = "import sys; from warehouse import connect; connect(sys.argv[1], wait_seconds=0).__enter__()"
        found = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert found.returncode == 1
    assert f"WarehouseBusy: {path}: held by process {os.getpid()}" in found.stderr


def test_opening_and_closing_the_file_does_not_let_a_reader_in(path: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        path.read_bytes()
        code = "import sys; from warehouse import connect_read_only; connect_read_only(sys.argv[1]).__enter__()"
        found = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert f"WarehouseBusy: {path}: held by process {os.getpid()}" in found.stderr


def test_a_lookup_against_a_smaller_table_works(path: Path) -> None:
    """DuckDB then pushes the join's filter down to Arrow, which cannot filter UUIDs."""
    with connect(path) as db:
        upsert(db, article())
        for _ in range(2):
            upsert(db, *(article(number, str(number)) for number in range(500)))
        assert rows_of(db, "SELECT count(*) FROM articles") == [(500,)]


def test_waiting_ends_when_the_other_thread_is_done(path: Path) -> None:
    with connect(path) as db:
        is_inside = threading.Event()
        may_end = threading.Event()

        def hold_guard() -> None:
            with transaction(cursor_of(db)):
                is_inside.set()
                may_end.wait(30)

        with ThreadPoolExecutor(1) as pool:
            holding = pool.submit(hold_guard)
            assert is_inside.wait(30)
            threading.Timer(0.05, may_end.set).start()
            assert upsert(cursor_of(db), article()) == UpsertCounts(new=1)
            holding.result(30)
