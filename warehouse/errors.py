"""What can go wrong with the warehouse.

WarehouseError
├── WarehouseBusy         another process holds the file
├── WarehouseDamaged      the file or its write-ahead log cannot be read, or commits are missing
├── WarehouseTooNew       a newer copydesk or DuckDB wrote it
├── MigrationChanged      an applied migration is not the one this copydesk has
├── WarehouseMissing      there is no file, or it is not a warehouse
├── WrongSnapshot         the read copy found there is another warehouse's
├── WarehouseFull         no space left, or a size limit was met
├── WarehouseReadOnly     the file or its folder may not be written
├── WriteConflict         another transaction of this process was faster, again and again
├── BadRow                a value that cannot be stored as it is
└── BadQuery              SQL that is not one read-only statement, or that fails

A message names the file, who holds it where that is the matter, and what to do.
"""

from __future__ import annotations


class WarehouseError(Exception):
    """The warehouse could not do what was asked; earlier batches are whole."""


class WarehouseBusy(WarehouseError):
    """Another process holds the file and did not let go in time.

    Attributes:
        pid: Who holds it; ``None`` when that cannot be found out.
    """

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class WarehouseDamaged(WarehouseError):
    """The file or its write-ahead log is damaged or incomplete."""


class WarehouseTooNew(WarehouseError):
    """The file was written by a newer copydesk or DuckDB."""


class MigrationChanged(WarehouseError):
    """A migration in the file's ledger differs from the one in this copydesk."""


class WarehouseMissing(WarehouseError):
    """There is no such file, or it holds something else."""


class WrongSnapshot(WarehouseError):
    """The published read copy belongs to another warehouse."""


class WarehouseFull(WarehouseError):
    """The disk is full or a size limit was met; the transaction is undone."""


class WarehouseReadOnly(WarehouseError):
    """The file, its lock or its folder may not be written."""


class WriteConflict(WarehouseError):
    """Another transaction kept changing the same rows."""


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


class BadQuery(WarehouseError):
    """SQL that is refused or fails; the message is DuckDB's."""
