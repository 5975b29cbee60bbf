"""When DuckDB writes its write-ahead log (WAL) into the file: the threshold of a checkpoint.

The threshold belongs to the DuckDB instance, which all connections of this process to a file
share. While a snapshot is copied nothing may be written into the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from duckdb import DuckDBPyConnection

# Each checkpoint rewrites the last, unfinished row group of a table, bodies and all: with
# DuckDB's 16 MB the first 20,000 articles are written six times. A crash leaves at most this
# much log to replay.
DEFAULT = "256MB"
# By DuckDB's own estimate, which counts 16 bytes for any text.
EARLY = "1MB"
NEVER = "1TB"

_mutex = Lock()
_is_copying = Event()


def default_checkpoints(db: DuckDBPyConnection) -> None:
    """Set the default threshold, except during a copy."""
    _set_unless_copying(db, DEFAULT)


def early_checkpoints(db: DuckDBPyConnection) -> None:
    """Let a large transaction go into the file at its commit, except during a copy."""
    _set_unless_copying(db, EARLY)


@contextmanager
def no_checkpoints(db: DuckDBPyConnection) -> Iterator[None]:
    """Keep all commits inside the context in the WAL. One context at a time in a process."""
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


def _set_unless_copying(db: DuckDBPyConnection, threshold: str) -> None:
    with _mutex:
        # The copy may be of another warehouse of this process; copies are rare, and short.
        if not _is_copying.is_set():
            _set(db, threshold)


def _set(db: DuckDBPyConnection, threshold: str) -> None:
    db.execute(f"SET GLOBAL checkpoint_threshold = '{threshold}'")
