"""Rows on their way in: Python columns to an Arrow table that DuckDB reads in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
BYTES = pa.binary()
BYTES_LIST = pa.list_(pa.binary())
WHOLE = pa.int64()
SMALL = pa.int32()
TAG = pa.uint32()
LONG_TAG = pa.uint64()
REAL = pa.float64()
MOMENT = pa.timestamp("us", tz="UTC")
_KEY = pa.binary(16)


def keys(values: Sequence[bytes]) -> pa.Array:
    """16-byte keys as an Arrow column; SQL that compares them casts them to UUID.

    Arrow's own UUID type would save the cast, but DuckDB pushes filters of a join down
    to Arrow, and fails: "Unimplemented type UUID for Arrow Filter Pushdown" (1.5.5).
    """
    return pa.array(values, _KEY)


def tags(values: Sequence[bytes]) -> pa.Array:
    """The tags of 16-byte keys as an Arrow column."""
    return pa.array([int.from_bytes(value[:4]) for value in values], TAG)


def long_tags(values: Sequence[bytes]) -> pa.Array:
    """The long tags of 16-byte keys as an Arrow column."""
    return pa.array([int.from_bytes(value[:8]) for value in values], LONG_TAG)


def table(**columns: Any) -> pa.Table:
    """An Arrow table of arrays, or of ``(values, type)`` pairs."""
    return pa.table(
        {
            name: pa.array(column[0], column[1]) if isinstance(column, tuple) else column
            for name, column in columns.items()
        }
    )


@contextmanager
def staged(db: DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Makes ``rows`` readable as ``name`` on this connection, for a moment."""
    db.register(name, rows)
    try:
        yield
    finally:
        db.unregister(name)


def insert(db: DuckDBPyConnection, into: str, rows: pa.Table) -> None:
    """Appends rows to a table of ours, by column name."""
    if rows.num_rows:
        with staged(db, "copydesk_rows", rows):
            # `into` is a constant of this package, never input.
            db.execute(f"INSERT INTO {into} BY NAME SELECT * FROM copydesk_rows")  # noqa: S608
