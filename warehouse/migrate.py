"""Numbered SQL files, a ledger with checksums, one transaction per file.

A file is never changed once released: what is to change is the next file. Views do not
follow a table that changes, so a file that changes one makes its views anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.errors import MigrationChanged, WarehouseTooNew

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

_COMPRESSION = " USING COMPRESSION zstd"
_LEDGER = """
    CREATE SCHEMA IF NOT EXISTS _store;
    CREATE TABLE IF NOT EXISTS _store.migrations (
        version    INTEGER     NOT NULL,
        name       VARCHAR     NOT NULL,
        checksum   VARCHAR     NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL
    );
"""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One file: its number, its name, its SQL."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file; line ends do not count."""
        return sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()


def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """Every migration of this copydesk, in order and without a hole."""
    folder = folder or resources.files("warehouse") / "migrations"
    found = sorted(
        Migration(int(name[1]), name[2], one.read_text(encoding="utf-8"))
        for one in folder.iterdir()
        if (name := _NAME.fullmatch(one.name))
    )
    if [one.version for one in found] != list(range(1, len(found) + 1)):
        raise MigrationChanged(
            f"migrations are not numbered 1 to {len(found)}: a broken installation"
        )
    return tuple(found)


def pending(
    db: DuckDBPyConnection, path: str, known: tuple[Migration, ...]
) -> tuple[Migration, ...]:
    """The migrations this warehouse has not seen.

    Raises:
        WarehouseTooNew: The warehouse has seen some this copydesk does not know.
        MigrationChanged: One it has seen is not the one known here.
    """
    applied = _applied(db)
    if len(applied) > len(known):
        raise WarehouseTooNew(
            f"{path}: at migration {len(applied)}, this copydesk knows {len(known)}: "
            "it was written by a newer copydesk; use that one"
        )
    for one, (version, name, checksum) in zip(known, applied, strict=False):
        if (one.version, one.checksum) != (version, checksum):
            raise MigrationChanged(
                f"{path}: migration {version} ({name}) was applied with checksum "
                f"{checksum[:12]}, this copydesk has {one.checksum[:12]}: use the copydesk that "
                "wrote the file; a released migration is never changed"
            )
    return known[len(applied) :]


def apply(db: DuckDBPyConnection, todo: tuple[Migration, ...], *, is_lake: bool = False) -> None:
    """Applies migrations, each in a transaction of its own with its line in the ledger.

    DuckLake has no comments on the columns of views and chooses its own compression:
    there those are left out.
    """
    if todo:
        db.execute(_LEDGER)
    for one in todo:
        db.execute("BEGIN")
        try:
            if not is_lake:
                db.execute(one.sql)
            elif not one.name.endswith("column_comments"):
                db.execute(one.sql.replace(_COMPRESSION, ""))
            db.execute(
                "INSERT INTO _store.migrations VALUES (?, ?, ?, now())",
                [one.version, one.name, one.checksum],
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def _applied(db: DuckDBPyConnection) -> list[tuple[int, str, str]]:
    try:
        return db.execute(
            "SELECT version, name, checksum FROM _store.migrations ORDER BY version"
        ).fetchall()
    except duckdb.CatalogException:
        return []
