"""Opening the warehouse, and its transactions.

One process writes at a time; its threads use cursors of one connection, or connections
of their own, which share one DuckDB instance. Everyone else reads the snapshot.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import lock, migrate, wal
from warehouse.duckdb_errors import (
    holder_of,
    interruptible,
    is_lock_conflict,
    missing_error,
    translate_error,
    translate_errors,
)
from warehouse.errors import WarehouseDamaged, WarehouseError, WarehouseMissing, WriteConflict
from warehouse.upsert.write_lock import lock_for_write, read_sequence

STORAGE_VERSION = "v1.5.0"
"""What files are made with: half the size of DuckDB's default, and its write-ahead log
knows which file it belongs to."""

MEMORY = ":memory:"
# A name in SQL is a table of ours, never a Python variable that happens to be called so.
# And no file makes DuckDB fetch an extension (it would, to read a file of SQLite's).
_CONFIG = {"python_enable_replacements": "false", "autoinstall_known_extensions": "false"}
_RETRY_SECONDS = 0.01
# Batches are small: a second thread makes them a third dearer and no faster.
_THREADS = "1"

_opening = Lock()


@contextmanager
def connect(
    path: Path | str,
    *,
    wait_seconds: float = 30.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[DuckDBPyConnection]:
    """The warehouse, open for writing; made and migrated when needed.

    Waits for another process that holds it, after telling ``on_wait`` who that is. An
    older file is copied to ``<path>.before-<number>`` first. ``:memory:`` is a warehouse
    of its own that ends with the connection.

    Raises:
        WarehouseError: One of its leaves, all of which name the file.
    """
    if str(path) == MEMORY:
        with duckdb.connect(MEMORY, config=dict(_CONFIG)) as db, interruptible(db):
            _prepare(db)
            migrate.apply(db, migrate.migrations())
            yield db
        return
    path = resolve_path(path)
    held = lock.acquire(path, wait_seconds=wait_seconds, on_wait=on_wait)
    try:
        db = _open(path, held, wait_seconds=wait_seconds, on_wait=on_wait)
        try:
            with interruptible(db):
                yield db
        finally:
            with translate_errors(path):
                db.close()
    finally:
        lock.release(held)


def resolve_path(path: Path | str) -> Path:
    """The one name of a warehouse, however its folder is spelled."""
    path = Path(path).absolute()
    return path.parent.resolve() / path.name


@contextmanager
def connect_read_only(path: Path | str) -> Iterator[DuckDBPyConnection]:
    """A snapshot, or a warehouse that nobody writes, open for reading.

    Raises:
        WarehouseMissing: There is none.
        WarehouseBusy: A writer holds it.
    """
    with opened(path) as db:
        yield db


@contextmanager
def opened(
    path: Path | str, config: Mapping[str, str] | None = None, *, is_sealed: bool = False
) -> Iterator[DuckDBPyConnection]:
    """A file open for reading, as the database ``copydesk`` of a DuckDB of its own.

    Of its own, because all that connect to one file by its name share one DuckDB: a
    second reader in this process would be refused for another configuration, or find the
    configuration locked.

    Args:
        path: The file.
        config: Of that DuckDB, beyond what all of ours have.
        is_sealed: Nothing outside the file can be reached, and no setting changed.
    """
    path = Path(path)
    with translate_errors(path):
        if not path.exists():
            raise missing_error(path)
        path = path.resolve()
    with lock.shared_lock(path):
        db = duckdb.connect(MEMORY, config={**_CONFIG, **(config or {})})
        try:
            _prepare(db)
            with translate_errors(path):
                _attach_for_reading(db, path)
            if is_sealed:
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
            with interruptible(db):
                yield db
        finally:
            db.close()


def _attach_for_reading(db: DuckDBPyConnection, path: Path) -> None:
    quoted = str(path).replace("'", "''")
    db.execute(f"ATTACH '{quoted}' AS copydesk (READ_ONLY)")
    db.execute("USE copydesk")
    db.execute(f"SET temp_directory = '{quoted}.tmp'")


@contextmanager
def transaction(db: DuckDBPyConnection, *, wait_seconds: float = 30.0) -> Iterator[None]:
    """One transaction: all that happens inside, or nothing.

    The guard row is taken first, so of several threads one goes on and the others wait.

    Raises:
        WriteConflict: Others were faster for all of ``wait_seconds``.
        WarehouseFull: No room; the transaction is undone.
        WarehouseError: Anything else DuckDB raises inside.
    """
    _begin(db, wait_seconds)
    try:
        yield
        guard = read_sequence(db)
        db.execute("COMMIT")
    except duckdb.Error as error:
        _rollback(db)
        raise translate_error(error, _name(db)) from error
    except BaseException:
        _rollback(db)
        raise
    lock.record_commit(guard.warehouse_id, guard.n)


def write_through(db: DuckDBPyConnection) -> None:
    """Lets the running transaction, if it is large, go into the file at its commit.

    DuckDB then leaves the log out, so that every body is written once instead of twice: a
    fifth of what a first import costs. It is no less whole, the file's header is changed
    last. In the presence of another transaction the log is used all the same.
    """
    wal.early_checkpoints(db)


def _begin(db: DuckDBPyConnection, wait_seconds: float) -> None:
    end = time.monotonic() + wait_seconds
    while True:
        try:
            wal.default_checkpoints(db)
            db.execute("BEGIN")
            lock_for_write(db)
        except duckdb.Error as error:
            _rollback(db)
            translation = translate_error(error, _name(db))
            if not isinstance(translation, WriteConflict) or time.monotonic() >= end:
                raise translation from error
        else:
            return
        time.sleep(_RETRY_SECONDS)


def _rollback(db: DuckDBPyConnection) -> None:
    # After a failed commit there is no transaction left to roll back.
    with suppress(duckdb.Error):
        db.execute("ROLLBACK")


def _name(db: DuckDBPyConnection) -> str:
    """The file behind a connection, for messages."""
    try:
        found = db.execute(
            "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchone()
    except duckdb.Error:
        return "the warehouse"
    return str(found[0]) if found and found[0] else "the warehouse"


def _open(
    path: Path,
    held: lock.HeldLock,
    *,
    wait_seconds: float,
    on_wait: Callable[[str], None] | None,
) -> DuckDBPyConnection:
    known = migrate.migrations()
    with _opening, translate_errors(path):
        is_new = not path.exists()
        if is_new and _wal(path).exists():
            raise WarehouseDamaged(
                f"{path}: missing, but its write-ahead log {_wal(path)} is there: put the "
                "file back, or move the log away to begin anew"
            )
        if is_new:
            lock.clear_commit_log(held)
        db = _attach(path, wait_seconds, on_wait)
        try:
            todo = migrate.pending(db, str(path), known)
            if todo and len(todo) < len(known):
                db = _saved(db, path, len(known) - len(todo))
            elif todo:
                _must_be_empty(db, path, held)
            if todo:
                migrate.apply(db, todo)
                db.execute("CHECKPOINT")
            _check_memory(db, path, held)
        except BaseException:
            db.close()
            raise
    return db


def _attach(
    path: Path, wait_seconds: float, on_wait: Callable[[str], None] | None
) -> DuckDBPyConnection:
    """A connection, once no reader holds the file."""
    found: list[DuckDBPyConnection] = []

    def is_free() -> bool:
        try:
            found.append(_connect(path))
        except duckdb.IOException as error:
            if not is_lock_conflict(error) or time.monotonic() >= end:
                raise
            if on_wait and not has_told:
                has_told.append(True)
                on_wait(
                    f"{path}: held by process {holder_of(error)}, waiting up to "
                    f"{wait_seconds:g} seconds"
                )
            return False
        return True

    has_told: list[bool] = []
    end = time.monotonic() + wait_seconds
    while not is_free():
        time.sleep(_RETRY_SECONDS)
    return found[0]


def _connect(path: Path) -> DuckDBPyConnection:
    db = duckdb.connect(
        str(path),
        config={
            "storage_compatibility_version": STORAGE_VERSION,
            "threads": _THREADS,
            **_CONFIG,
        },
    )
    _prepare(db)
    wal.default_checkpoints(db)
    return db


def _prepare(db: DuckDBPyConnection) -> None:
    db.execute("SET TimeZone = 'UTC'")


def _must_be_empty(db: DuckDBPyConnection, path: Path, held: lock.HeldLock) -> None:
    """Refuses somebody else's DuckDB file, and one that has lost everything."""
    found = db.execute("SELECT table_name FROM duckdb_tables() LIMIT 1").fetchone()
    if found:
        raise WarehouseMissing(
            f"{path}: a DuckDB file with other tables ({found[0]}), not a warehouse: "
            "check [warehouse] path"
        )
    if noted := lock.last_commit(held):
        raise _commits_missing(path, 0, noted[1])


def _saved(db: DuckDBPyConnection, path: Path, version: int) -> DuckDBPyConnection:
    """The connection anew, after a copy of the file as it was."""
    db.execute("CHECKPOINT")
    db.close()
    # A child copies: opening the file here would drop DuckDB's lock on it (see lock).
    copy = path.with_name(f"{path.name}.before-{version + 1:04}")
    subprocess.run(["cp", "-p", "--", str(path), str(copy)], check=True, capture_output=True)  # noqa: S603, S607
    return _connect(path)


def _check_memory(db: DuckDBPyConnection, path: Path, held: lock.HeldLock) -> None:
    """Compares the warehouse with the last commit its lock file remembers."""
    guard = read_sequence(db)
    noted = lock.last_commit(held)
    if noted is None or noted[0] != str(guard.warehouse_id):
        held.note(guard.warehouse_id, guard.n)
    elif noted[1] > guard.n:
        raise _commits_missing(path, guard.n, noted[1])
    lock.register(guard.warehouse_id, held)


def _commits_missing(path: Path, found: int, acknowledged: int) -> WarehouseDamaged:
    return WarehouseDamaged(
        f"{path}: at transaction {found}, but {acknowledged} was acknowledged: its write-ahead "
        f"log {_wal(path)} is missing or cut short, or the file is an older copy. Put the log "
        f"(or the newer file) back; or, to go on without the last {acknowledged - found}, "
        f"delete {lock.lock_file(path)}"
    )


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


__all__ = [
    "MEMORY",
    "STORAGE_VERSION",
    "WarehouseError",
    "connect",
    "connect_read_only",
    "transaction",
]
