"""Open the warehouse, and run transactions.

One process writes at a time; the connections of its threads share one DuckDB instance. Other
processes read the snapshot.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from uuid import UUID

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import instance, lock, migrate, wal
from warehouse.duckdb_errors import (
    damaged_error,
    interruptible,
    missing_error,
    translate_error,
    translate_errors,
)
from warehouse.errors import (
    WarehouseBusy,
    WarehouseDamaged,
    WarehouseLost,
    WarehouseMissing,
    WriteConflict,
)
from warehouse.file_size import is_short, missing_bytes
from warehouse.instance import CONFIG, MEMORY, NAME, temp_folder
from warehouse.lake import connection as lake_connection
from warehouse.lake import writer_lock
from warehouse.lake.attach import attach, seal
from warehouse.location import Lake, Location
from warehouse.quote import literal

_RETRY_SECONDS = 0.01

_opening = Lock()


@contextmanager
def connect(
    path: Location | str,
    *,
    wait_seconds: float = 30.0,
    notify: Callable[[str], None] | None = None,
    restore_steps: Callable[[], str] = str,
) -> Iterator[DuckDBPyConnection]:
    """Open the warehouse for writing; create or upgrade it when needed.

    Args:
        path: The file, or a lake; ``:memory:`` is a new warehouse that ends with the connection.
        wait_seconds: How long to wait for another process that holds it.
        notify: Called with a message before a wait, and before an upgrade. An upgrade keeps
            the old file as ``<path>.before-<schema>``.
        restore_steps: Returns how to restore a warehouse that is missing or damaged, if files
            of an earlier one are there. Then no new one is created.

    Raises:
        WarehouseLost: It is missing, and ``restore_steps`` returned a text.
        WarehouseError: One of its subclasses; the message names the file.
    """
    if str(path) == MEMORY:
        with duckdb.connect(MEMORY, config=dict(CONFIG)) as db, interruptible(db):
            _prepare(db)
            migrate.apply(db, migrate.migrations())
            yield db
        return
    if isinstance(path, Lake):
        with lake_connection.connect(
            path, wait_seconds=wait_seconds, notify=notify, restore_steps=restore_steps
        ) as db:
            yield db
        return
    path = resolve_path(path)
    with lock.hold(path, wait_seconds=wait_seconds, notify=notify) as held:
        opened: list[DuckDBPyConnection] = []
        try:
            _open(path, held, opened, wait_seconds=wait_seconds, notify=notify, steps=restore_steps)
            with interruptible(opened[-1]):
                yield opened[-1]
        finally:
            with translate_errors(path):
                for db in opened:
                    instance.detach(db, path)


def resolve_path(path: Path | str) -> Path:
    """Return the one path of a warehouse, however its folder is written."""
    path = Path(path).absolute()
    return path.parent.resolve() / path.name


@contextmanager
def connect_read_only(path: Location | str) -> Iterator[DuckDBPyConnection]:
    """Open a snapshot, a lake, or a warehouse without a writer, for reading.

    Raises:
        WarehouseMissing: There is none.
        WarehouseTooOld: The next run upgrades it.
        WarehouseBusy: A writer holds it.
        WarehouseUnreachable: The server of the catalog does not answer.
        WarehouseDamaged: It was cut, or a block cannot be read.
    """
    with opened(path) as db:
        yield db


@contextmanager
def opened(
    path: Location | str, config: Mapping[str, str] | None = None, *, is_sealed: bool = False
) -> Iterator[DuckDBPyConnection]:
    """Open a file or a lake for reading, as the database ``copydesk`` of a DuckDB instance of its own.

    All connections to one file by its name share an instance: a second reader in this process
    with another configuration would be refused, or find the configuration locked.

    Args:
        path: The file or the lake.
        config: Additional configuration of the instance.
        is_sealed: Nothing outside the warehouse can be reached, and no setting changed.
    """
    path = path if isinstance(path, Lake) else Path(path)
    file = path.file if isinstance(path, Lake) else path
    with translate_errors(path):
        if file and not file.exists():
            raise missing_error(path)
        file = file and file.resolve()
        path = path if isinstance(path, Lake) else path.resolve()
    with lock.shared_lock(file) if file else nullcontext():
        db = duckdb.connect(MEMORY, config={**CONFIG, **(config or {})})
        try:
            _prepare(db)
            with translate_errors(path):
                _attach_for_reading(db, path)
            if is_sealed:
                if isinstance(path, Lake):
                    seal(db, path)
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
            with interruptible(db):
                yield db
        except duckdb.IOException as error:
            raise translate_error(error, path) from error
        finally:
            db.close()


def check_size(db: DuckDBPyConnection, path: Path) -> None:
    """Raise ``WarehouseDamaged`` if the file of a connection was cut."""
    if missing := missing_bytes(db, path):
        raise damaged_error(path, f"cut: the last {missing:,} bytes are missing")


def _attach_for_reading(db: DuckDBPyConnection, path: Location) -> None:
    if isinstance(path, Lake):
        attach(db, path, NAME, is_read_only=True)
        db.execute(f"USE {NAME}")
    else:
        may_be_cut = is_short(path)
        db.execute(f"ATTACH {literal(path)} AS {NAME} (READ_ONLY)")
        db.execute(f"USE {NAME}")
        if may_be_cut:
            check_size(db, path)
    db.execute(f"SET temp_directory = {literal(temp_folder(path))}")
    migrate.check_readable(db, path)


@dataclass(frozen=True, slots=True)
class WriteSequence:
    """The row as this transaction sees it.

    Attributes:
        warehouse_id: The identity of the warehouse.
        last_seq: How many write transactions there were.
    """

    warehouse_id: UUID
    last_seq: int


def lock_for_write(db: DuckDBPyConnection) -> None:
    """Exclude every other write transaction until this one ends."""
    db.execute("UPDATE _store.write_sequence SET last_seq = last_seq + 1")


def read_sequence(db: DuckDBPyConnection) -> WriteSequence:
    """Read the row without a lock.

    Raises:
        WarehouseMissing: There is not exactly one.
    """
    found = db.execute("SELECT warehouse_id, last_seq FROM _store.write_sequence").fetchall()
    if len(found) != 1:
        raise WarehouseMissing(
            f"expected one row in _store.write_sequence, found {len(found)}: not a warehouse"
        )
    return WriteSequence(*found[0])


@contextmanager
def transaction(db: DuckDBPyConnection, *, wait_seconds: float = 30.0) -> Iterator[None]:
    """Run one write transaction: everything inside is stored, or nothing.

    It locks the write sequence first, so of several threads one continues and the others wait. In
    a lake with a catalog in PostgreSQL, writers of all machines wait for each other before that.

    Raises:
        WriteConflict: Other transactions held the lock for all of ``wait_seconds``.
        WarehouseBusy: A writer of a lake held its lock for all of ``wait_seconds``.
        LockLost: The lock was lost, so the transaction was rolled back.
        WarehouseFull: No space left; the transaction is rolled back.
        WarehouseError: Anything else that DuckDB raises inside.
    """
    with writer_lock.hold(instance.lake_of(db), wait_seconds=wait_seconds) as check:
        _begin(db, wait_seconds)
        try:
            yield
            sequence = read_sequence(db)
            check()
            db.execute("COMMIT")
        except duckdb.Error as error:
            _rollback(db)
            raise translate_error(error, _name(db)) from error
        except BaseException:
            _rollback(db)
            raise
    with suppress(OSError):  # it is committed; the next commit is recorded with it
        lock.record_commit(sequence.warehouse_id, sequence.last_seq)


def write_through(db: DuckDBPyConnection) -> None:
    """Let the running transaction, if it is large, go into the file at its commit.

    DuckDB then skips the WAL, so that every body is written once instead of twice, which saves
    a fifth of a first import. It is as safe: DuckDB changes the file's header last. While
    another transaction runs, DuckDB uses the WAL all the same.
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
    """Return the place of a connection, for messages."""
    with suppress(duckdb.Error):
        if place := location_of(db):
            return str(place)
    return "the warehouse"


def location_of(db: DuckDBPyConnection) -> Location | None:
    """Return the file or the lake of a connection; ``None`` for one in memory."""
    found = db.execute(
        "SELECT path, type, options['data_path'] FROM duckdb_databases() "
        "WHERE database_name = current_database()"
    ).fetchall()
    if not found or not found[0][0]:
        return None
    path, kind, data = found[0]
    return Lake(path, data.rstrip("/")) if kind == "ducklake" else Path(path)


def _open(
    path: Path,
    held: lock.HeldLock,
    opened: list[DuckDBPyConnection],
    *,
    wait_seconds: float,
    notify: Callable[[str], None] | None,
    steps: Callable[[], str],
) -> None:
    """Open the warehouse as soon as no reader of another program holds the file.

    The caller closes every connection in ``opened``, also after an error; the last is the one
    to use.
    """
    owner: int | None = None

    def is_open() -> bool:
        nonlocal owner
        try:
            _open_now(path, held, opened, notify, steps)
        except WarehouseBusy as error:
            owner = error.pid
            return False
        return True

    lock.wait_for(path, is_open, lambda: (owner, ""), wait_seconds=wait_seconds, notify=notify)


def _open_now(
    path: Path,
    held: lock.HeldLock,
    opened: list[DuckDBPyConnection],
    notify: Callable[[str], None] | None,
    steps: Callable[[], str],
) -> None:
    known = migrate.migrations()
    with _opening, translate_errors(path):
        if not path.exists():
            if _wal(path).exists():
                raise WarehouseDamaged(
                    f"{path}: missing, but its write-ahead log {_wal(path)} is there: put the "
                    "file back"
                )
            _check_not_lost(path, steps)
            lock.clear_commit_log(held)
        is_first = path.is_file() and not lock.is_shared(path)
        may_be_cut = is_first and is_short(path)
        if is_first:
            lock.open_log(held)
        opened.append(_connect(path))
        if may_be_cut:
            check_size(opened[-1], path)
        todo = migrate.pending(opened[-1], str(path), known)
        if todo and migrate.version(opened[-1]):
            _upgrade(opened[-1], path, todo, notify)
            opened.append(_connect(path))
        elif todo:
            _check_empty(opened[-1], path, held)
            _check_not_lost(path, steps)
            migrate.apply(opened[-1], todo)
            opened[-1].execute("CHECKPOINT")
        lock.open_log(held)
        _check_commits(opened[-1], path, held)


def _connect(path: Path) -> DuckDBPyConnection:
    db = instance.attach(path)
    try:
        wal.default_checkpoints(db)
    except BaseException:
        instance.detach(db, path)
        raise
    return db


def _prepare(db: DuckDBPyConnection) -> None:
    db.execute("SET TimeZone = 'UTC'")


def _check_not_lost(path: Path, restore_steps: Callable[[], str]) -> None:
    """Refuse a new warehouse where files of an earlier one are."""
    if steps := restore_steps():
        state = "is empty" if path.exists() else "is missing"
        raise WarehouseLost(f"{path}: the warehouse {state}, but files of it are there. {steps}")


def _check_empty(db: DuckDBPyConnection, path: Path, held: lock.HeldLock) -> None:
    """Refuse a DuckDB file of another program, and one that has lost every commit."""
    found = db.execute("SELECT table_name FROM duckdb_tables() LIMIT 1").fetchone()
    if found:
        raise WarehouseMissing(
            f"{path}: a DuckDB file with other tables ({found[0]}), not a warehouse: "
            "check [warehouse] path"
        )
    if commit := lock.last_commit(held):
        raise _commits_missing(path, 0, commit[1])


def _upgrade(
    db: DuckDBPyConnection,
    path: Path,
    todo: Sequence[migrate.Migration],
    notify: Callable[[str], None] | None,
) -> None:
    """Migrate a copy of the file, then put it in its place: a killed upgrade changes nothing.

    The connection is closed.

    In place it would not be safe: DuckDB 1.5.5 cannot replay a WAL with renamed tables.
    """
    found = migrate.version(db)
    before = path.with_name(f"{path.name}.before-{todo[0].version:04}")
    fresh = path.with_name(f"{path.name}.upgrading")
    if notify:
        notify(
            f"{path}: upgrading from schema {found} to {todo[-1].version}; the old file stays as "
            f"{before.name}"
        )
    db.execute("CHECKPOINT")
    instance.detach(db, path)
    for rest in (fresh, _wal(fresh), before):
        rest.unlink(missing_ok=True)
    _copy(path, fresh)
    upgraded = _connect(fresh)
    try:
        migrate.apply(upgraded, todo)
        upgraded.execute("CHECKPOINT")
    finally:
        instance.detach(upgraded, fresh)
    try:
        os.link(path, before)
    except OSError:  # a file system without links
        _copy(path, before)
    fresh.replace(path)


def _copy(path: Path, copy: Path) -> None:
    # A child copies: opening the file here would drop DuckDB's lock on it (see lock).
    command = ["cp", "-p", "--", str(path), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        copy.unlink(missing_ok=True)
        raise translate_error(duckdb.IOException(done.stderr.strip()), path)


def _check_commits(db: DuckDBPyConnection, path: Path, held: lock.HeldLock) -> None:
    """Compare the warehouse with the last commit that its lock file records."""
    commit = lock.last_commit(held)  # read first: another thread may commit meanwhile
    sequence = read_sequence(db)
    if commit is None or commit[0] != str(sequence.warehouse_id):
        lock.write_commit(held, sequence.warehouse_id, sequence.last_seq)
    elif commit[1] > sequence.last_seq:
        raise _commits_missing(path, sequence.last_seq, commit[1])
    lock.register(sequence.warehouse_id, held)


def _commits_missing(path: Path, found: int, recorded: int) -> WarehouseDamaged:
    return WarehouseDamaged(
        f"{path}: at transaction {found}, but {recorded} was committed: its write-ahead log "
        f"{_wal(path)} is missing or cut short, or the file is an older copy. Put the log (or "
        f"the newer file) back; or, to continue without the last {recorded - found}, delete "
        f"{lock.lock_file(path)}"
    )


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")
