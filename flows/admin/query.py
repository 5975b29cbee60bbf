"""Read-only SQL on the snapshot."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from duckdb import DuckDBPyConnection

from flows.callbacks import Notify
from flows.pipeline.restore import require_warehouse
from flows.pipeline.snapshot import current_snapshot
from flows.query_result import QueryResult
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_for_queries, run_query
from warehouse.location import Location
from warehouse.read.query import run_query_arrow

OLD_SECONDS = 3600.0
_RETRY_SECONDS = 0.05

Result = TypeVar("Result")


def query(
    settings: Settings, sql: str, *, live: bool, notify: Notify, limit: int | None = None
) -> QueryResult:
    """Run one read-only statement on the snapshot, or on the warehouse itself.

    Ctrl-C ends the statement.

    Args:
        settings: The configuration.
        sql: The statement.
        live: Whether to read the warehouse itself.
        notify: Called with a message if the snapshot is old.
        limit: The most rows to return; ``None`` for all.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        BadQuery: The statement is refused or fails.
    """
    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        return QueryResult(run_interruptible(db, lambda: run_query(db, sql, limit=limit)))


def query_to_parquet(
    settings: Settings, sql: str, file: Path, *, live: bool, notify: Notify
) -> int:
    """Write the result of a query as a Parquet file; return its number of rows."""
    import pyarrow.parquet

    with connect_for_queries(file_to_read(settings, live=live, notify=notify)) as db:
        found = run_interruptible(db, lambda: run_query_arrow(db, sql))
    pyarrow.parquet.write_table(found, file, compression="zstd")
    count: int = found.num_rows
    return count


def file_to_read(settings: Settings, *, live: bool, notify: Notify) -> Location:
    """Return the snapshot, or the warehouse itself; notify when the snapshot is old."""
    if live:
        require_warehouse(settings)
        return settings.warehouse.location
    snapshot = current_snapshot(settings)
    seconds = snapshot.age().total_seconds()
    if seconds > OLD_SECONDS:
        hours = seconds / 3600
        age = pluralize(round(hours), "hour") if hours < 48 else pluralize(round(hours / 24), "day")
        notify(f"the snapshot is {age} old; `--live` queries the warehouse itself")
    return snapshot.path


def run_interruptible(db: DuckDBPyConnection, run: Callable[[], Result]) -> Result:
    """Run statements of ``db`` in a thread: DuckDB 2 often misses Ctrl-C in the main thread.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the statement has ended.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not future.done():  # it may not have begun, or begin the next statement
                with suppress(KeyboardInterrupt):
                    db.interrupt()
                    wait((future,), _RETRY_SECONDS)
            raise
