"""Open a lake for writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import instance, lock, migrate
from warehouse.duckdb_errors import interruptible, translate_errors
from warehouse.errors import WarehouseExists, WarehouseLost
from warehouse.lake import writer_lock
from warehouse.location import Lake


@contextmanager
def connect(
    lake: Lake,
    *,
    wait_seconds: float,
    notify: Callable[[str], None] | None,
    restore_steps: Callable[[], str],
) -> Iterator[DuckDBPyConnection]:
    """Open a lake for writing; create or upgrade it when needed.

    A catalog in PostgreSQL needs no lock to be open. One in a file is held as a warehouse in a
    file is.

    Raises:
        WarehouseLost: It is empty, and ``restore_steps`` returned a text.
        WarehouseExists: It is empty, but its folder has files, which a compaction would delete.
        WarehouseError: One of its subclasses; the message names the catalog.
    """
    with _hold(lake, wait_seconds, notify):
        with translate_errors(lake):
            db = _attach(lake, wait_seconds, notify)
        try:
            if _is_old(db, lake):
                with writer_lock.hold(lake, wait_seconds=wait_seconds, notify=notify):
                    _upgrade(db, lake, notify, restore_steps)
            with interruptible(db):
                yield db
        finally:
            with translate_errors(lake):
                instance.detach(db, lake)


def check_folder(db: DuckDBPyConnection, lake: Lake) -> None:
    """Check that the folder of a new lake has no files of another one.

    Raises:
        WarehouseExists: It has.
    """
    pattern = f"{lake.data.rstrip('/')}/**/*.parquet"
    if file := db.execute("SELECT file FROM glob(?) LIMIT 1", [pattern]).fetchone():
        raise WarehouseExists(
            f"{lake.data}: has Parquet files already, such as {file[0]}: each lake needs a folder of "
            "its own, so name an empty one"
        )


def _hold(
    lake: Lake, wait_seconds: float, notify: Callable[[str], None] | None
) -> AbstractContextManager[object]:
    if lake.file is None:
        return nullcontext()
    return lock.hold(lake.file, wait_seconds=wait_seconds, notify=notify)


def _attach(
    lake: Lake, wait_seconds: float, notify: Callable[[str], None] | None
) -> DuckDBPyConnection:
    try:
        return instance.attach(lake)
    except duckdb.Error:
        if lake.file:
            raise
        # Two processes may create one lake at once; the second finds that of the first.
        with writer_lock.hold(lake, wait_seconds=wait_seconds, notify=notify):
            return instance.attach(lake)


def _is_old(db: DuckDBPyConnection, lake: Lake) -> bool:
    with translate_errors(lake):
        return bool(migrate.pending(db, str(lake), migrate.migrations()))


def _upgrade(
    db: DuckDBPyConnection,
    lake: Lake,
    notify: Callable[[str], None] | None,
    restore_steps: Callable[[], str],
) -> None:
    """Apply the migrations that are missing, each in a transaction of its own."""
    with translate_errors(lake):
        todo = migrate.pending(db, str(lake), migrate.migrations())
        if not todo:
            return
        found = migrate.version(db)
        if found and notify:
            notify(f"{lake}: upgrading from schema {found} to {todo[-1].version}")
        if not found and (steps := restore_steps()):
            raise WarehouseLost(f"{lake}: the lake is empty, but files of it are there. {steps}")
        if not found:
            check_folder(db, lake)
        migrate.apply(db, todo, is_lake=True)
