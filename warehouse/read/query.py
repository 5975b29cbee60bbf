"""SQL from outside: one read-only statement that reaches nothing but the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse.db import opened
from warehouse.errors import BadQuery
from warehouse.rows import ResultSet

# No file, no network, no Python variable, no extension; and no way to change that.
_HARDENED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
_ZONED = "TIMESTAMP WITH TIME ZONE"


@contextmanager
def connect_for_queries(path: Path | str) -> Iterator[DuckDBPyConnection]:
    """Open a snapshot, or a warehouse without a writer, for SQL from outside.

    Raises:
        WarehouseMissing: There is none.
        WarehouseTooOld: The next run upgrades it.
        WarehouseBusy: A writer holds it.
    """
    with opened(path, _HARDENED, is_sealed=True) as db:
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
        cursor = db.execute(sql, list(parameters))
        columns = tuple(str(one[0]) for one in cursor.description or ())
        types = tuple(str(one[1]) for one in cursor.description or ())
        rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
    return ResultSet(columns=columns, types=types, rows=_in_utc(rows, types))


def run_query_arrow(db: DuckDBPyConnection, sql: str) -> pa.Table:
    """Return the result as an Arrow table, for Parquet and CSV.

    Raises:
        BadQuery: As ``run_query``.
    """
    _check(db, sql)
    with _as_bad_query():
        return db.sql(sql).to_arrow_table()


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


@contextmanager
def _as_bad_query() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise BadQuery(str(error).strip()) from error


def _in_utc(rows: list[tuple[Any, ...]], types: Sequence[str]) -> list[tuple[object, ...]]:
    if _ZONED not in types:
        return list(rows)
    return [
        tuple(value.astimezone(UTC) if isinstance(value, datetime) and type_ == _ZONED else value
              for value, type_ in zip(row, types, strict=True))
        for row in rows
    ]  # fmt: skip
