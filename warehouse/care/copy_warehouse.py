"""A copy of a whole warehouse: from a file to a lake, back, or from one lake to another.

    new file    written as ``<path>.migrating``, compared, then put in its place
    new lake    marked as incomplete, filled in one transaction, compared, then the mark removed

A killed copy leaves no file, or a lake that every command refuses until the copy is repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse import lock, migrate
from warehouse.care.integrity import TABLES
from warehouse.db import opened, resolve_path
from warehouse.duckdb_errors import translate_errors
from warehouse.errors import WarehouseError, WarehouseExists
from warehouse.instance import NAME, STORAGE_VERSION
from warehouse.lake import writer_lock
from warehouse.lake.attach import attach
from warehouse.lake.connection import check_folder
from warehouse.lake.writer_lock import Check
from warehouse.location import Lake, Location
from warehouse.quote import identifier, literal

OnTable = Callable[[str, int, int], None]
"""Called with a table, how many tables are done, and how many there are."""

_TARGET = "copydesk_target"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """A copy that equals its origin.

    Attributes:
        rows: The number of rows of each table.
    """

    rows: dict[str, int]


def copy_warehouse(
    origin: Location,
    target: Location,
    *,
    wait_seconds: float = 30.0,
    notify: Callable[[str], None] | None = None,
    on_table: OnTable = lambda _table, _done, _total: None,
) -> CopyResult:
    """Copy every row to a new warehouse, and compare both. Writers of the origin wait meanwhile.

    Raises:
        WarehouseExists: The target has a warehouse, or its folder has files of one.
        WarehouseTooOld: The origin needs an upgrade first.
        WarehouseBusy: A process writes one of them.
        WarehouseError: Another of its subclasses, or the copy differs.
    """
    if isinstance(target, Path):
        target = resolve_path(target)
    if isinstance(origin, Path):
        origin = resolve_path(origin)
    if origin == target:
        raise WarehouseExists(f"{target}: the origin and the target are the same")
    with ExitStack() as held:

        def hold(place: Location) -> Check:
            lake = place if isinstance(place, Lake) else None
            return held.enter_context(
                writer_lock.hold(lake, wait_seconds=wait_seconds, notify=notify)
            )

        check_origin = hold(origin)
        db = held.enter_context(opened(origin))
        migrate.check_version(db, origin)
        check_target = hold(target)

        def check() -> None:
            check_origin()
            check_target()

        file = target.file if isinstance(target, Lake) else target
        if file:
            lock_file = lock.hold(file, wait_seconds=wait_seconds, notify=notify)
            lock.clear_commit_log(held.enter_context(lock_file))
        with translate_errors(target):
            if isinstance(target, Lake):
                return _into_lake(db, target, check, on_table)
            return _into_file(db, target, check, on_table)


def _into_file(db: DuckDBPyConnection, path: Path, check: Check, on_table: OnTable) -> CopyResult:
    for old in (path, path.with_name(f"{path.name}.wal")):
        if old.exists():
            raise WarehouseExists(
                f"{old}: exists already: name another file, or move it away with its files "
                f"{path.name}.*"
            )
    fresh = path.with_name(f"{path.name}.migrating")
    wal = fresh.with_name(f"{fresh.name}.wal")
    for rest in (fresh, wal):
        rest.unlink(missing_ok=True)
    try:
        db.execute(f"ATTACH {literal(fresh)} AS {_TARGET} (STORAGE_VERSION '{STORAGE_VERSION}')")
        with _using(db, _TARGET):
            migrate.apply(db, migrate.migrations())
        db.execute("BEGIN")
        _copy_tables(db, on_table)
        db.execute("COMMIT")
        db.execute(f"CHECKPOINT {_TARGET}")
        result = _compare(db, path)
        check()
        db.execute(f"DETACH {_TARGET}")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        for rest in (fresh, wal):
            rest.unlink(missing_ok=True)
    return result


def _into_lake(db: DuckDBPyConnection, lake: Lake, check: Check, on_table: OnTable) -> CopyResult:
    attach(db, lake, _TARGET)
    with _using(db, _TARGET):
        if not migrate.is_incomplete(db):
            _check_empty(db, lake)
            migrate.mark_incomplete(db)
        todo = migrate.pending(db, str(lake), migrate.migrations(), is_incomplete=True)
        migrate.apply(db, todo, is_lake=True)
    db.execute("BEGIN")
    _copy_tables(db, on_table)
    db.execute("COMMIT")
    result = _compare(db, lake)
    check()
    with _using(db, _TARGET):
        migrate.remove_mark(db)
    return result


def _check_empty(db: DuckDBPyConnection, lake: Lake) -> None:
    found = db.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = ? "
        "LIMIT 1",
        [_TARGET],
    ).fetchone()
    if found:
        raise WarehouseExists(
            f"{lake}: has tables already, such as {found[0]}: name an empty database"
        )
    check_folder(db, lake)


def _copy_tables(db: DuckDBPyConnection, on_table: OnTable) -> None:
    """Replace every row, also those of a copy before; the caller owns the transaction."""
    for number, table in enumerate(TABLES):
        on_table(table, number, len(TABLES))
        db.execute(f"DELETE FROM {_TARGET}._store.{table} WHERE {_where(table)}")  # noqa: S608
        db.execute(
            f"INSERT INTO {_TARGET}._store.{table} BY NAME "  # noqa: S608
            f"SELECT * FROM {NAME}._store.{table}"
        )
    on_table("", len(TABLES), len(TABLES))


def _compare(db: DuckDBPyConnection, target: Location) -> CopyResult:
    rows = {}
    for table in TABLES:
        found, copied = (_hash(db, database, table) for database in (NAME, _TARGET))
        if found != copied:
            raise WarehouseError(
                f"{target}: {table} has {copied[0]} rows after the copy, expected {found[0]} with "
                "the same values: the target is not used. Run the same command again"
            )
        rows[table] = found[0]
    return CopyResult(rows=rows)


def _hash(db: DuckDBPyConnection, database: str, table: str) -> tuple[int, str]:
    """Return the number of rows and a hash over every value; columns may be in any order."""
    columns = db.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND "
        "schema_name = '_store' AND table_name = ? ORDER BY 1",
        [database, table],
    ).fetchall()
    names = ", ".join(identifier(name) for (name,) in columns)
    count, total = db.execute(
        f"SELECT count(*), CAST(sum(hash({names})) AS VARCHAR) "  # noqa: S608
        f"FROM {database}._store.{table} WHERE {_where(table)}"
    ).fetchall()[0]
    return int(count), str(total)


def _where(table: str) -> str:
    """Return what excludes the mark of an incomplete copy."""
    return "version > 0" if table == "migrations" else "true"


@contextmanager
def _using(db: DuckDBPyConnection, database: str) -> Iterator[None]:
    """Make another database the current one."""
    db.execute(f"USE {database}")
    try:
        yield
    finally:
        db.execute(f"USE {NAME}")
