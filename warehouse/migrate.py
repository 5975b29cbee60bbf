"""Schema migrations: numbered SQL files and a ledger with their checksums.

A released file never changes; a change of the schema is the next file. DuckDB's views do not
follow a changed table, so a file that changes a table makes its views again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.errors import (
    MigrationChanged,
    WarehouseIncomplete,
    WarehouseTooNew,
    WarehouseTooOld,
)
from warehouse.location import Location

FIRST_VERSION = 6
"""Schema 5 (copydesk 0.1.0) is upgraded to it; earlier ones were never released."""

_INCOMPLETE = 0  # the number of no migration

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")
_UPGRADE = f"upgrade_from_{FIRST_VERSION - 1:04}.sql"
# Of the checksums in the ledger of schema 5.
_CHECKSUM_BEFORE = "e363db27885ce0ce79e1135b4e44d9eafd9fecf55c4198d1827b95c2e5ed15ff"

_COMPRESSION = " USING COMPRESSION zstd"
# A file has the names of itself and its snapshot here: see ``warehouse.care.macros``.
_HOME = re.compile(r"^(CREATE (?:OR REPLACE )?MACRO \w+\(.*home := )''", re.MULTILINE)
_COLUMN_COMMENT = re.compile(r"^COMMENT ON COLUMN .*;$", re.MULTILINE)
_LEDGER = """
    CREATE SCHEMA IF NOT EXISTS _store;
    CREATE TABLE IF NOT EXISTS _store.migrations (
        version    INTEGER     NOT NULL,
        name       VARCHAR     NOT NULL,
        checksum   VARCHAR     NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL
    );
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One SQL file.

    Attributes:
        checksum: SHA-256 of the file with Unix line ends.
    """

    version: int
    name: str
    sql: str
    checksum: str


@cache
def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """Read every migration of this copydesk, in order.

    Raises:
        MigrationChanged: A number is missing.
    """
    folder = folder or resources.files("warehouse") / "migrations"
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if name := _NAME.fullmatch(file.name):
            sql = file.read_text(encoding="utf-8").replace("\r\n", "\n")
            checksum = sha256(sql.encode()).hexdigest()
            found.append(Migration(version=int(name[1]), name=name[2], sql=sql, checksum=checksum))
    expected = list(range(FIRST_VERSION, FIRST_VERSION + len(found)))
    if [one.version for one in found] != expected:
        raise MigrationChanged(
            f"the numbers of the migrations are not {expected[0]} to {expected[-1]}: "
            "the installation is broken, install copydesk again"
        )
    return tuple(found)


def version(db: DuckDBPyConnection) -> int:
    """Return the schema version of a file; 0 when it has no schema of copydesk."""
    applied = _applied(db)
    return applied[-1][0] if applied else 0


def pending(
    db: DuckDBPyConnection, path: str, known: Sequence[Migration], *, is_incomplete: bool = False
) -> tuple[Migration, ...]:
    """Return the migrations that a warehouse still needs.

    Args:
        db: The warehouse.
        path: Where it is, for messages.
        known: All migrations of this copydesk.
        is_incomplete: A copy that was not completed is no error.

    Raises:
        WarehouseIncomplete: A copy to it was not completed.
        WarehouseTooNew: A newer copydesk migrated it.
        WarehouseTooOld: It has a schema before 5.
        MigrationChanged: It has applied another text of a migration.
    """
    applied = _applied(db)
    if applied and applied[0][0] == _INCOMPLETE:
        if not is_incomplete:
            raise _incomplete_error(path)
        applied = applied[1:]
    if not applied:
        return tuple(known)
    found = applied[-1][0]
    if found > known[-1].version:
        raise WarehouseTooNew(
            f"{path}: has schema {found}, this copydesk knows {known[-1].version}: "
            "a newer copydesk wrote it, use that one"
        )
    if found < FIRST_VERSION - 1:
        raise WarehouseTooOld(
            f"{path}: has schema {found}, this copydesk upgrades schema {FIRST_VERSION - 1}: "
            "open it once with copydesk 0.1.0, which upgrades it to that"
        )
    if found == FIRST_VERSION - 1:
        checksums = "".join(checksum for _, _, checksum in applied)
        if sha256(checksums.encode()).hexdigest() != _CHECKSUM_BEFORE:
            raise MigrationChanged(
                f"{path}: its schema {found} is not that of copydesk 0.1.0: "
                "open it once with copydesk 0.1.0"
            )
        return (_upgrade(known[0]), *known[1:])
    for one, (number, name, checksum) in zip(known, applied, strict=False):
        if (one.version, one.checksum) != (number, checksum):
            raise MigrationChanged(
                f"{path}: migration {number} ({name}) was applied with checksum "
                f"{checksum[:12]}, this copydesk has {one.checksum[:12]}: use the copydesk "
                "that wrote the file"
            )
    return tuple(known[len(applied) :])


def check_readable(db: DuckDBPyConnection, path: Location) -> None:
    """Check that a reader can use a file or a lake, if it has a schema at all.

    Raises:
        WarehouseTooOld: The next run upgrades it.
        WarehouseIncomplete: A copy to it was not completed.
    """
    applied = _applied(db)
    if applied and applied[0][0] == _INCOMPLETE:
        raise _incomplete_error(path)
    if applied and applied[-1][0] < FIRST_VERSION:
        raise WarehouseTooOld(
            f"{path}: has schema {applied[-1][0]} of an earlier copydesk; the next run upgrades it "
            "(`copydesk sync`)"
        )


def _incomplete_error(path: Location | str) -> WarehouseIncomplete:
    return WarehouseIncomplete(
        f"{path}: a copy to it was not completed: run `copydesk migrate-warehouse` to it again, or "
        "use the warehouse that it was copied from"
    )


def check_version(db: DuckDBPyConnection, path: Location | str) -> None:
    """Check that a file has every table and view of this copydesk; for readers that need all.

    Raises:
        WarehouseTooOld: It lacks some; the next run adds them.
        WarehouseTooNew: A newer copydesk wrote it.
    """
    if pending(db, str(path), migrations()):
        raise WarehouseTooOld(
            f"{path}: has schema {version(db)} of an earlier copydesk; the next run upgrades it "
            "(`copydesk sync`)"
        )


def mark_incomplete(db: DuckDBPyConnection) -> None:
    """Mark a new warehouse, so that nothing opens it before ``remove_mark``."""
    db.execute(_LEDGER)
    db.execute(
        "INSERT INTO _store.migrations VALUES (?, 'copy not completed', '', now())", [_INCOMPLETE]
    )


def is_incomplete(db: DuckDBPyConnection) -> bool:
    """Return whether a copy to a warehouse was begun and not completed."""
    return any(number == _INCOMPLETE for number, _, _ in _applied(db))


def remove_mark(db: DuckDBPyConnection) -> None:
    """Let others open a warehouse, because it is complete."""
    db.execute("DELETE FROM _store.migrations WHERE version = ?", [_INCOMPLETE])


def apply(db: DuckDBPyConnection, todo: Sequence[Migration], *, is_lake: bool = False) -> None:
    """Apply migrations, each with its row in the ledger in one transaction.

    DuckDB 1.5 cannot commit two migrations that change the same table at once.

    Args:
        db: The warehouse.
        todo: What ``pending`` returned.
        is_lake: It is a DuckLake.
    """
    for one in todo:
        db.execute("BEGIN")
        try:
            db.execute(_LEDGER)
            if not is_lake:
                db.execute(one.sql)
            elif sql := _lake_sql(one):
                db.execute(sql)
            db.execute(
                "INSERT INTO _store.migrations VALUES (?, ?, ?, now())",
                [one.version, one.name, one.checksum],
            )
            db.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):  # after a failed commit there is no transaction
                db.execute("ROLLBACK")
            raise


def _lake_sql(migration: Migration) -> str:
    """Return the statements for DuckLake.

    It has no comments on the columns of views, and chooses its own compression. It is always
    attached as ``copydesk`` here, so that called from another database a macro reads ``news``.
    """
    sql = _COLUMN_COMMENT.sub("", migration.sql.replace(_COMPRESSION, ""))
    return _HOME.sub(r"\1'copydesk'", sql)


def _upgrade(first: Migration) -> Migration:
    """Return the migration that makes the tables of ``first`` from those of schema 5."""
    file = resources.files("warehouse") / "migrations" / _UPGRADE
    return replace(first, sql=file.read_text(encoding="utf-8"))


def _applied(db: DuckDBPyConnection) -> list[tuple[int, str, str]]:
    try:
        return db.execute(
            "SELECT version, name, checksum FROM _store.migrations ORDER BY version"
        ).fetchall()
    except duckdb.CatalogException:
        return []
