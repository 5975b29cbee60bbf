"""Rows on their way in: Python columns to an Arrow table that DuckDB reads in place."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
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
    joined = pa.py_buffer(b"".join(values))
    return pa.FixedSizeBinaryArray.from_buffers(_KEY, len(values), [None, joined])


def tags(values: Sequence[bytes]) -> pa.Array:
    """The tags of 16-byte keys as an Arrow column."""
    return _column(_heads(values, "I"), TAG)


def long_tags(values: Sequence[bytes]) -> pa.Array:
    """The long tags of 16-byte keys as an Arrow column."""
    return _column(_heads(values, "Q"), LONG_TAG)


def long_numbers(values: Sequence[bytes]) -> Sequence[int]:
    """The long tags of 16-byte keys as numbers."""
    return _heads(values, "Q")


def _heads(values: Sequence[bytes], code: str) -> array[int]:
    """The first bytes of each key as a big-endian number, without a step per key."""
    numbers = array(code, b"".join(values))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers[:: 16 // numbers.itemsize]


def _column(numbers: array[int], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def texts(values: Sequence[bytes]) -> pa.Array:
    """Texts that ``str.encode`` made, as an Arrow column, without checking them again."""
    ends = array("q", accumulate(map(len, values), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.large_string(), len(values), buffers)


def same(value: str, count: int) -> pa.Array:
    """One text, so many times."""
    return pa.repeat(pa.scalar(value, TEXT), count)


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
