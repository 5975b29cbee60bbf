"""Errors of the warehouse.

WarehouseError
├── WarehouseBusy         another process holds the file
├── WarehouseDamaged      the file or its write-ahead log is damaged, or commits are missing
├── WarehouseTooNew       a newer copydesk or DuckDB wrote it
├── WarehouseTooOld       an earlier copydesk wrote it, and it is not upgraded here
├── MigrationChanged      an applied migration is not the one of this copydesk
├── WarehouseUnreachable  the server of its catalog, or its bucket, does not answer
├── ExtensionMissing      this environment cannot open lakes
├── WarehouseMissing      there is no file, or it is not a warehouse
│   └── WarehouseLost     files of a warehouse are there that is missing itself
├── VersionExpired        the version of a lake that a statement reads was deleted
├── WarehouseExists       a new warehouse would mix with another one
├── WarehouseIncomplete   a copy to it was not completed
├── WrongSnapshot         the snapshot belongs to another warehouse
├── WarehouseFull         no space left, or a size limit was reached
├── WarehouseReadOnly     the file or its folder cannot be written
├── WriteConflict         another transaction of this process kept changing the same rows
├── LockLost              PostgreSQL ended the connection that held the locks of this process
├── BadRow                a row with a value that cannot be stored
├── NotFound              no row, or several, have the given id
└── BadQuery              SQL that is not one read-only statement, or that fails

A message names the file, the process that holds it, and what to do.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class WarehouseError(Exception):
    """An operation on the warehouse failed; earlier batches are complete."""


class WarehouseBusy(WarehouseError):
    """Another process holds the file and did not release it in time.

    Attributes:
        pid: That process; ``None`` when it is not known.
    """

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class WarehouseDamaged(WarehouseError):
    """The file or its write-ahead log is damaged or incomplete."""


class WarehouseTooNew(WarehouseError):
    """A newer copydesk or DuckDB wrote the file."""


class WarehouseTooOld(WarehouseError):
    """An earlier copydesk wrote the file; a run upgrades it, or copydesk 0.1.0 has to."""


class MigrationChanged(WarehouseError):
    """A migration in the file's ledger differs from the one of this copydesk."""


class WarehouseUnreachable(WarehouseError):
    """The server of a catalog, or a bucket, does not answer, or refuses the user."""


class ExtensionMissing(WarehouseError):
    """A package that lakes need is missing, or DuckDB has another version."""


class WarehouseMissing(WarehouseError):
    """There is no such file, or it is no warehouse."""


class WarehouseLost(WarehouseMissing):
    """A snapshot or an archive is there, but not its warehouse: no new one is started."""


class VersionExpired(WarehouseError):
    """The version of a lake that a statement reads was deleted; the newest one can be read."""


class WarehouseExists(WarehouseError):
    """The place of a new warehouse is not empty."""


class WarehouseIncomplete(WarehouseError):
    """A copy to this warehouse was begun and not completed."""


class WrongSnapshot(WarehouseError):
    """The snapshot belongs to another warehouse."""


class WarehouseFull(WarehouseError):
    """The disk is full or a size limit was reached; the transaction was rolled back."""


class WarehouseReadOnly(WarehouseError):
    """The file, its lock or its folder cannot be written."""


class WriteConflict(WarehouseError):
    """Another transaction kept changing the same rows."""


class LockLost(WarehouseError):
    """The connection that held the locks of a lake was lost; nothing more is stored."""


class BadRow(WarehouseError):
    """A row with a value that cannot be stored; nothing of its batch was.

    Attributes:
        article_id: Which row.
        field: Which of its fields.
    """

    def __init__(self, message: str, *, article_id: str, field: str) -> None:
        super().__init__(message)
        self.article_id = article_id
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a pickle give the keywords that ``__init__`` requires."""
        keywords = {"article_id": self.article_id, "field": self.field}
        return partial(type(self), **keywords), self.args, self.__dict__


class NotFound(WarehouseError):
    """No row, or more than one, has the given id or the beginning of it."""


class BadQuery(WarehouseError):
    """SQL that is refused or fails; the message is DuckDB's."""
