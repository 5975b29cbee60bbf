"""SQL from outside: one read-only statement that reaches nothing but the warehouse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from warehouse.db import location_of, opened
from warehouse.errors import BadQuery, WarehouseError
from warehouse.lake import statement
from warehouse.location import Lake, Location
from warehouse.quote import literal
from warehouse.rows import ResultSet

if TYPE_CHECKING:
    import pyarrow as pa

# No file, no network, no Python variable, no extension; and no way to change that.
_HARDENED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}

# Python and Parquet have the same values of these types as DuckDB.
_EXACT = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR",
}  # fmt: skip
_WHOLE = {"HUGEINT", "UHUGEINT"}
_TIMES = {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}
_NESTED = re.compile(r".*\[\d*\]|(?:STRUCT|MAP|UNION|TUPLE|VARIANT)\b.*", re.DOTALL)
_SAME_IN_PARQUET = re.compile(
    r"BLOB|TIME|DECIMAL\(\d+,\d+\)"
    r"|(?:VARCHAR|BOOLEAN|DOUBLE|FLOAT|BLOB|U?(?:TINY|SMALL|BIG)INT|U?INTEGER)(?:\[\])+"
)
_FINITE = {"DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", *_TIMES}


@contextmanager
def connect_for_queries(
    path: Location | str, limits: Mapping[str, str] | None = None
) -> Iterator[DuckDBPyConnection]:
    """Open a snapshot, a lake, or a warehouse without a writer, for SQL from outside.

    Args:
        path: The file or the lake.
        limits: Settings of DuckDB, such as ``memory_limit``; no statement can change them.

    Raises:
        WarehouseMissing: There is none.
        WarehouseTooOld: The next run upgrades it.
        WarehouseBusy: A writer holds it.
    """
    with opened(path, {**_HARDENED, **(limits or {})}, is_sealed=True) as db:
        yield db


def run_query(
    db: DuckDBPyConnection, sql: str, parameters: Sequence[object] = (), *, limit: int | None = None
) -> ResultSet:
    """Return the result of one read-only statement, at most ``limit`` rows.

    Raises:
        BadQuery: It is not one read-only statement, or DuckDB refuses it.
    """
    _check(db, sql)
    with _as_bad_query():
        found = db.sql(sql, params=list(parameters)) if parameters else db.sql(sql)
        columns, types = tuple(found.columns), tuple(map(str, found.types))
        if limit is not None:
            found = found.limit(limit)
        rows = found.project(_select(found, _printed)).fetchall()
    readers = [_reader(kind) for kind in types]
    return ResultSet(
        columns=columns,
        types=types,
        rows=[
            tuple(
                read(value) if read and value is not None else value
                for read, value in zip(readers, row, strict=True)
            )
            for row in rows
        ],
    )


def run_query_arrow(db: DuckDBPyConnection, sql: str) -> pa.Table:
    """Return the result as an Arrow table, for Parquet.

    Types that Parquet does not hold exactly are texts; an infinite time is refused.

    Raises:
        BadQuery: As ``run_query``; or a time is infinite.
    """
    _check(db, sql)
    with _as_bad_query():
        found = db.sql(sql)
        table = found.project(_select(found, _stored)).to_arrow_table()
        return table.rename_columns(list(found.columns))


def _select(found: DuckDBPyRelation, expression: Callable[[str, str, str], str]) -> str:
    """Return the select list that makes each column exact; names may repeat, so by number."""
    columns = zip(found.columns, map(str, found.types), strict=True)
    return ", ".join(
        f'{expression(f"#{i}", kind, name)} AS "{i}"' for i, (name, kind) in enumerate(columns, 1)
    )


def _printed(column: str, kind: str, _name: str) -> str:
    """Return a value that Python holds exactly: itself, its JSON, or DuckDB's text of it.

    Python's own types would change it: an interval has months, a time nanoseconds, and an
    infinite date becomes the year 9999.
    """
    if kind in _EXACT or kind in _WHOLE:
        return column
    return f"CAST({f'to_json({column})' if _NESTED.fullmatch(kind) else column} AS VARCHAR)"


def _reader(kind: str) -> Callable[[Any], object] | None:
    if kind in _TIMES:
        return _time
    return read_json if _NESTED.fullmatch(kind) else None


def _time(text: str) -> object:
    """Return a time, or its text where Python has none: infinity, years after 9999."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def read_json(text: str) -> object:
    """Return the value of a JSON text; a number that Python would round is its text."""
    return json.loads(text, parse_float=_number, parse_constant=str)


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else text


def _stored(column: str, kind: str, name: str) -> str:
    """Return a value that a Parquet file holds exactly."""
    if kind in _FINITE:
        refusal = f"column {name} has an infinite {kind}: Parquet has none, cast it to VARCHAR"
        return f"CASE WHEN isinf({column}) THEN error({literal(refusal)}) ELSE {column} END"
    if kind in _WHOLE:
        return f"CAST({column} AS DECIMAL(38, 0))"
    if kind in _EXACT or _SAME_IN_PARQUET.fullmatch(kind):
        return column
    return _printed(column, kind, name)


def _check(db: DuckDBPyConnection, sql: str) -> None:
    with _as_bad_query():
        statements = db.extract_statements(sql)
    if len(statements) != 1:
        raise BadQuery(f"expected one SQL statement, found {len(statements)}")
    kind = statements[0].type
    if kind not in _READS:
        raise BadQuery(
            f"expected a read-only statement (SELECT, FROM, DESCRIBE, EXPLAIN), found {kind.name}"
        )
    if isinstance(location_of(db), Lake):
        statement.check(db, sql)


@contextmanager
def _as_bad_query() -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise WarehouseError(
            f"out of memory ({str(error).strip()}): select fewer rows or columns, or give this "
            "process more memory"
        ) from error
    except duckdb.IOException:
        raise  # the file is damaged: ``opened`` explains it
    except duckdb.Error as error:
        raise BadQuery(str(error).strip()) from error
