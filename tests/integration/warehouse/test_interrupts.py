"""Ctrl-C while DuckDB is at work."""

from __future__ import annotations

import os
import signal
import threading

import duckdb
import pytest

from warehouse import connect, connect_read_only, transaction
from warehouse.read.query import connect_for_queries

# Its client looks at no signal while a query runs; copydesk is pinned to one that does.
deaf = pytest.mark.skipif(
    duckdb.__version__.startswith("2."), reason="duckdb 2.0.0 does not hear Ctrl-C during a query"
)
LONG = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range % 7 = b.range % 3"


@pytest.fixture
def interrupt_soon():
    """Return a function that sends Ctrl-C in the middle of the next statement."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    yield timer.start
    timer.cancel()
    signal.signal(signal.SIGINT, before)


@deaf
@pytest.mark.parametrize("opened", [connect, connect_read_only, connect_for_queries])
def test_query_that_is_interrupted_ends_as_everything_that_is(tmp_path, interrupt_soon, opened):
    path = tmp_path / "project.duckdb"
    with connect(path):
        pass

    def ask():
        with opened(path) as db:
            interrupt_soon()
            db.execute(LONG)

    with pytest.raises(KeyboardInterrupt):
        ask()


@deaf
def test_interrupted_transaction_leaves_nothing_and_the_next_one_succeeds(tmp_path, interrupt_soon):
    path = tmp_path / "project.duckdb"

    def work():
        with connect(path) as db, transaction(db):
            db.execute("CREATE TABLE half AS SELECT 1 AS a")
            interrupt_soon()
            db.execute(LONG)

    with pytest.raises(KeyboardInterrupt):
        work()

    with connect(path) as db, transaction(db):
        assert not db.execute("FROM duckdb_tables() WHERE table_name = 'half'").fetchall()


def test_other_errors_of_the_same_kind_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="mine"), connect(tmp_path / "project.duckdb"):
        raise RuntimeError("mine")
