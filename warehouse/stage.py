"""Rows between Python and DuckDB: columns in as Arrow tables, rows out as dicts."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse.keys import key_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TEXT = pa.string()
TEXTS = pa.list_(pa.string())
BYTES = pa.binary()
BYTES_LIST = pa.list_(pa.binary())
WHOLE = pa.int64()
SMALL = pa.int32()
TAG = pa.uint32()
LONG_TAG = pa.uint64()
MOMENT = pa.timestamp("us", tz="UTC")
DAY = pa.date32()
FLAG = pa.bool_()
MEDIA = pa.list_(
    pa.struct({"kind": TEXT, "url": TEXT, "type": TEXT, "length": WHOLE, "duration": pa.float64()})
)
"""The fields of a ``MediaRow``, in their order."""

_KEY = pa.binary(16)
_TYPES = {
    "str": TEXT,
    "tuple[str, ...]": TEXTS,
    "int": WHOLE,
    "float": pa.float64(),
    "bytes": BYTES,
    "tuple[bytes, ...]": BYTES_LIST,
    "datetime": MOMENT,
    "date": DAY,
}


def keys(values: Sequence[bytes]) -> pa.Array:
    """Return 16-byte keys as an Arrow column; SQL that compares them casts them to UUID.

    Arrow's UUID type would spare the cast, but DuckDB pushes a join's filter down to Arrow
    and fails: "Unimplemented type UUID for Arrow Filter Pushdown" (1.5.5).
    """
    joined = pa.py_buffer(b"".join(values))
    return pa.FixedSizeBinaryArray.from_buffers(_KEY, len(values), [None, joined])


def tags(values: Sequence[bytes]) -> pa.Array:
    """Return the tags of 16-byte keys as an Arrow column."""
    return _column(_heads(values, "I"), TAG)


def long_tags(values: Sequence[bytes]) -> pa.Array:
    """Return the long tags of 16-byte keys as an Arrow column."""
    return _column(_heads(values, "Q"), LONG_TAG)


def long_numbers(values: Sequence[bytes]) -> Sequence[int]:
    """Return the long tags of 16-byte keys as numbers."""
    return _heads(values, "Q")


def _heads(values: Sequence[bytes], code: str) -> array[int]:
    """Return the first bytes of each key as a big-endian number, without a step per key."""
    numbers = array(code, b"".join(values))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers[:: 16 // numbers.itemsize]


def _column(numbers: array[int], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def texts(values: Sequence[bytes]) -> pa.Array:
    """Return texts that ``str.encode`` made as an Arrow column, without a second check."""
    ends = array("q", accumulate(map(len, values), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.large_string(), len(values), buffers)


def same(value: str, count: int) -> pa.Array:
    """Return a column with one text in every row."""
    return pa.repeat(pa.scalar(value, TEXT), count)


def table(**columns: Any) -> pa.Table:
    """Make an Arrow table of arrays, or of ``(values, type)`` pairs."""
    return pa.table(
        {
            name: pa.array(column[0], column[1]) if isinstance(column, tuple) else column
            for name, column in columns.items()
        }
    )


def columns(row: type[DataclassInstance], *without: str) -> dict[str, pa.DataType]:
    """Return the Arrow type of each field of a row class, by the annotation."""
    return {
        one.name: _TYPES[str(one.type).removesuffix(" | None")]
        for one in fields(row)
        if one.name not in without
    }


def values(rows: Sequence[object], kinds: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """Return the columns of some rows for ``table``."""
    by_column = zip(*map(attrgetter(*kinds), rows), strict=True)
    return {
        name: (column, kind) for (name, kind), column in zip(kinds.items(), by_column, strict=True)
    }


def keyed(names: Sequence[str], **columns: Any) -> pa.Table:
    """Make an Arrow table with the place ``i`` and the key of each name, and more columns."""
    return table(
        i=(range(len(names)), SMALL), key=keys([key_of(name) for name in names]), **columns
    )


@contextmanager
def staged(db: DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Make ``rows`` readable as a table on this connection inside the context."""
    db.register(name, rows)
    try:
        yield
    finally:
        with suppress(
            duckdb.TransactionException
        ):  # the transaction failed before: that error counts
            db.unregister(name)


def insert(db: DuckDBPyConnection, into: str, rows: pa.Table) -> None:
    """Append rows to a table by column name."""
    if rows.num_rows:
        with staged(db, "copydesk_rows", rows):
            # `into` is a constant of this package, never input.
            db.execute(f"INSERT INTO {into} BY NAME SELECT * FROM copydesk_rows")  # noqa: S608


def select(
    db: DuckDBPyConnection, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts, with datetimes in UTC and lists as tuples."""
    values = parameters if isinstance(parameters, Mapping) else list(parameters)
    cursor = db.execute(sql, values)
    names = [one[0] for one in cursor.description]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall()]


def count(db: DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> int:
    """Return the one number of a query."""
    return int(db.execute(sql, list(parameters)).fetchall()[0][0])


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return tuple(value) if isinstance(value, list) else value


def delete(
    db: DuckDBPyConnection, table_name: str, where: str, parameters: Sequence[object] = ()
) -> int:
    """Delete rows of a table; return how many. Names and conditions are constants, never input."""
    rows = count(db, f"SELECT count(*) FROM {table_name} WHERE {where}", parameters)  # noqa: S608
    if rows:
        db.execute(f"DELETE FROM {table_name} WHERE {where}", list(parameters))  # noqa: S608
    return rows
