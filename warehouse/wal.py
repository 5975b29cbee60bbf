"""When DuckDB writes its log into the file: three thresholds, of which one wins.

The threshold belongs to the whole instance, which all connections of this process to a file
share. While a snapshot is copied nothing may be written into the file, whatever a
transaction of another thread would like: a copy of a file that changes is no copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from duckdb import DuckDBPyConnection

# Each checkpoint writes the last, unfinished row group of a table anew, bodies and all: with
# DuckDB's 16 MB the first 20,000 articles are written six times. A crash leaves at most this
# much log to read.
USUAL = "256MB"
# By DuckDB's own estimate, which counts 16 bytes for any text.
BULK = "1MB"
NEVER = "1TB"

_mutex = Lock()
_is_copying = Event()


def default_checkpoints(db: DuckDBPyConnection) -> None:
    """Back to the usual threshold, but for the time of a copy."""
    _ask_for(db, USUAL)


def early_checkpoints(db: DuckDBPyConnection) -> None:
    """A large transaction goes into the file at its commit, but for the time of a copy."""
    _ask_for(db, BULK)


@contextmanager
def no_checkpoints(db: DuckDBPyConnection) -> Iterator[None]:
    """No checkpoint by itself: what is committed meanwhile stays in the log.

    One at a time in a process.
    """
    with _mutex:
        before = db.execute("SELECT current_setting('checkpoint_threshold')").fetchall()[0][0]
        _is_copying.set()
        _set(db, NEVER)
    try:
        yield
    finally:
        with _mutex:
            _is_copying.clear()
            _set(db, before)


def _ask_for(db: DuckDBPyConnection, threshold: str) -> None:
    with _mutex:
        # The copy may be of another warehouse of this process; copies are rare, and short.
        if not _is_copying.is_set():
            _set(db, threshold)


def _set(db: DuckDBPyConnection, threshold: str) -> None:
    db.execute(f"SET GLOBAL checkpoint_threshold = '{threshold}'")
