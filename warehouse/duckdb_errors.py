"""Translation of DuckDB's errors to those of ``warehouse.errors``.

DuckDB distinguishes causes only by its messages; only this module reads them.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.errors import (
    VersionExpired,
    WarehouseBusy,
    WarehouseDamaged,
    WarehouseError,
    WarehouseFull,
    WarehouseMissing,
    WarehouseReadOnly,
    WarehouseTooNew,
    WarehouseUnreachable,
    WriteConflict,
)
from warehouse.lake.postgres import unreachable_error
from warehouse.location import Location

_INTERRUPTED = "Query interrupted"
_HELD = re.compile(r"Conflicting lock is held in (.*?)\(PID (\d+)\)")
_GONE = re.compile(r"(?s)(?=.*\bducklake-[0-9a-f-]+\.parquet)(?=.*(No such file|Not Found|404))")
_SERVER_LOST = re.compile(
    "server closed the connection|terminating connection|no connection to the server|"
    'SSL SYSCALL|SSL connection has been closed|Failed to execute query "ROLLBACK"'
)
_BUCKET = re.compile(r"\bHTTP (?:Error|GET|HEAD|PUT|POST|DELETE)\b")
_STATUS = re.compile(r"\bHTTP (\d{3})\b")
_FULL = ("No space left on device", "File too large", "Disk quota exceeded", "Could not write")
_FORBIDDEN = (
    "Permission denied",
    "Read-only file system",
    "read-only mode",
    "Operation not permitted",
)
_DAMAGED = (
    "Corrupt", "corrupt", "checksum", "Could not read", "WAL file", "Failed to deserialize",
    "FATAL", "has been invalidated", "INTERNAL Error", "Serialization Error", "Failure while replaying",
)  # fmt: skip


@contextmanager
def translate_errors(path: Location | str) -> Iterator[None]:
    """Translate errors of DuckDB and the system inside the context.

    Raises:
        WarehouseError: Its fitting subclass, with the original as its cause.
        KeyboardInterrupt: After Ctrl-C, where DuckDB raises RuntimeError.
    """
    try:
        yield
    except WarehouseError:
        raise
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise translate_error(error, path) from error
    except OSError as error:
        raise _of_system(error, path) from error


@contextmanager
def interruptible(db: DuckDBPyConnection) -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C during a query, where DuckDB raises RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        db.interrupt()  # otherwise closing waits for DuckDB's other threads
        raise KeyboardInterrupt from error


def translate_error(error: duckdb.Error, path: Location | str) -> WarehouseError:
    """Return the error that explains DuckDB's and what to do."""
    text = str(error)
    first = text.splitlines()[0] if text else type(error).__name__
    if isinstance(error, duckdb.OutOfMemoryException):
        return WarehouseError(
            f"{path}: out of memory ({first}). Nothing of the transaction was stored: give this "
            "process more memory, or lower [run] batch_size, then run the same command again"
        )
    if "Could not set lock on file" in text:
        holder = _HELD.search(text)
        return busy_error(path, int(holder[2]) if holder else None)
    if "Unable to connect to Postgres" in text:
        return unreachable_error(text)
    if _SERVER_LOST.search(text):
        return WarehouseUnreachable(
            f"{path}: PostgreSQL closed the connection, as at a restart. The transaction was not "
            "stored, earlier ones are complete: run the same command again"
        )
    if "Existing DuckLake at metadata catalog" in text and "does not exist" in text:
        return missing_error(path)
    if "does not match existing data path" in text:
        return WarehouseMissing(f"{path}: {first} Set [warehouse] data to the existing one")
    if "No snapshot found at version" in text or _GONE.search(text):
        return VersionExpired(
            f"{path}: the version that this statement reads was deleted meanwhile, by an erasure or "
            "after [retention] versions_hours: run the same command again. If that fails, too, files "
            "of the lake are missing: restore them from a backup"
        )
    if _BUCKET.search(text):
        return _bucket_error(path, text)
    if "Is a directory" in text:
        return _a_folder(path)
    if "sqlite_scanner" in text:
        return WarehouseMissing(f"{path}: a file of SQLite, not of DuckDB: check [warehouse] path")
    if any(part in text for part in _FULL):
        return WarehouseFull(
            f"{path}: no space left ({first}). The transaction was rolled back, earlier batches are "
            "complete: free some space, then run the same command again"
        )
    if any(part in text for part in _FORBIDDEN):
        return _read_only(path, first)
    if "Conflict on" in text or "write-write conflict" in text or "TransactionContext" in text:
        return WriteConflict(
            f"{path}: another transaction changed the same rows ({first}): run the same command again"
        )
    if "version number" in text or "newer" in text:
        return WarehouseTooNew(
            f"{path}: written by a newer DuckDB than {duckdb.__version__} ({first}): "
            "use the copydesk that wrote it"
        )
    if "not a valid DuckDB database file" in text:
        return WarehouseMissing(f"{path}: not a DuckDB file: check [warehouse] path")
    if "does not exist" in text and "database" in text:
        return missing_error(path)
    if any(part in text for part in _DAMAGED):
        return damaged_error(path, first)
    return WarehouseError(f"{path}: {first}")


def busy_error(path: Location | str, pid: int | None, who: str = "") -> WarehouseBusy:
    """Return the error for a file that another process holds."""
    name = f"process {pid}" if pid else "another process"
    return WarehouseBusy(
        f"{path}: held by {name}{f' ({who})' if who else ''}. Wait for it, end it, or read "
        "the snapshot with `copydesk query`; `copydesk doctor` shows the process",
        pid=pid,
    )


def damaged_error(path: Location | str, what: str) -> WarehouseDamaged:
    """Return the error for a file or write-ahead log that cannot be read."""
    return WarehouseDamaged(
        f"{path}: damaged ({what}). Nothing was changed. Keep {path} and {path}.wal, "
        "and run `copydesk doctor`, which names the step that restores it"
    )


def _bucket_error(path: Location | str, text: str) -> WarehouseUnreachable:
    status = _STATUS.search(text)
    answer = f"answered HTTP {status[1]}" if status else "gave no answer"
    return WarehouseUnreachable(
        f"{path}: the bucket of the lake {answer}: check that it can be reached, and the variables "
        "AWS_ENDPOINT_URL, AWS_REGION and AWS_ACCESS_KEY_ID of this process. The transaction was "
        "not stored, earlier ones are complete: run the same command again"
    )


def missing_error(path: Location | str) -> WarehouseMissing:
    """Return the error for a missing file."""
    return WarehouseMissing(
        f"{path}: no such warehouse: `copydesk sync` or `copydesk import` creates one"
    )


def _a_folder(path: Location | str) -> WarehouseMissing:
    return WarehouseMissing(
        f"{path}: a folder, expected a file: set [warehouse] path to the file, such as "
        "data/copydesk.duckdb"
    )


def _read_only(path: Location | str, what: str) -> WarehouseReadOnly:
    return WarehouseReadOnly(
        f"{path}: no permission, or a read-only disk ({what}): give this user access to the file "
        "and its folder, or name another file ([warehouse] path, for a warehouse)"
    )


def _of_system(error: OSError, path: Location | str) -> WarehouseError:
    what = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return WarehouseFull(f"{path}: no space left ({what}): free some space, then try again")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return _read_only(error.filename or path, what)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return missing_error(path)
    if error.errno == errno.EISDIR:
        return _a_folder(path)
    return WarehouseError(f"{path}: {what}")
