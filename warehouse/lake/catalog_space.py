"""The space of deleted rows in the catalog of a lake, which may hold text of articles.

Rows of small commits are in the catalog, and the least and greatest values of each file. Those
of each table are there, too: DuckLake keeps them when the rows are deleted that had them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb

from warehouse.errors import WarehouseBusy, WarehouseError
from warehouse.instance import CONFIG, MEMORY
from warehouse.lake import postgres
from warehouse.location import Lake
from warehouse.quote import literal

_POLL_SECONDS = 0.2
_TABLES = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
    WHERE schemaname = 'public' AND tablename LIKE 'ducklake\\_%' ORDER BY 1
"""
# NULL is unknown. Statements choose their files by the values of each file, which stay.
_CLEAR_TABLE_VALUES = """
    UPDATE ducklake_table_column_stats SET min_value = NULL, max_value = NULL
    WHERE (table_id, column_id) IN (
        SELECT table_id, column_id FROM ducklake_column
        WHERE lower(column_type) IN ('varchar', 'json', 'blob'))
"""
# PostgreSQL keeps samples of each column, also of a table that is empty now. A new type, though
# it is the old one, deletes them.
_DELETE_SAMPLES = """
    SELECT format('ALTER TABLE public.%I %s', s.tablename, string_agg(
        format('ALTER %I TYPE %s', s.attname, format_type(a.atttypid, a.atttypmod)), ', '))
    FROM pg_stats s JOIN pg_attribute a
      ON a.attrelid = format('public.%I', s.tablename)::regclass AND a.attname = s.attname
    WHERE s.schemaname = 'public' AND s.tablename LIKE 'ducklake\\_inlined\\_data\\_%'
    GROUP BY s.tablename
"""
_SAMPLES = "pg_catalog.pg_statistic"
# PostgreSQL keeps a deleted row as long as a transaction runs that began before.
_OLDER = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND age(backend_xmin) > age(%s::text::xid) ORDER BY backend_start
"""


def overwrite_deleted_rows(lake: Lake, *, wait_seconds: float) -> None:
    """Write the tables of the catalog again, without the rows that were deleted.

    The caller holds the lock of writers, and has no connection to the lake.

    Raises:
        WarehouseBusy: A reader has an older transaction open, or a table in use.
        WarehouseError: The catalog cannot be reached or written.
    """
    if lake.file:
        _rewrite_file(lake.file)
    else:
        _vacuum(lake, wait_seconds)


def _vacuum(lake: Lake, wait_seconds: float) -> None:
    import psycopg

    with postgres.connect(lake.postgres or "") as db:
        try:
            db.execute(_CLEAR_TABLE_VALUES)
            (mine,) = db.execute("SELECT pg_current_xact_id()::xid::text").fetchall()[0]
            end = time.monotonic() + wait_seconds
            while older := db.execute(_OLDER, [mine]).fetchall():
                if time.monotonic() >= end:
                    raise WarehouseBusy(
                        f"{lake}: the session {older[0][0]} of PostgreSQL has a transaction open "
                        "that began before: deleted rows stay in the catalog until it ends"
                    )
                time.sleep(_POLL_SECONDS)
            db.execute("SELECT set_config('lock_timeout', %s, false)", [f"{wait_seconds:.0f}s"])
            refused: list[str] = []
            db.add_notice_handler(lambda one: refused.append(one.message_primary or ""))
            for (statement,) in db.execute(_DELETE_SAMPLES).fetchall():
                db.execute(statement)
            for (table,) in db.execute(_TABLES).fetchall():
                db.execute(f"VACUUM (FULL, ANALYZE) {table}")
            if refused:
                raise WarehouseError(
                    f"{lake}: {refused[0]}: deleted rows stay there until the owner of the table does it"
                )
            db.execute(f"VACUUM (FULL) {_SAMPLES}")
        except psycopg.errors.LockNotAvailable:
            raise WarehouseBusy(
                f"{lake}: a session of PostgreSQL has a table of the catalog in use: deleted rows "
                "stay in the catalog until it ends"
            ) from None
        except psycopg.Error as error:
            raise WarehouseError(f"{lake}: {postgres.reason(error)}") from None


def _rewrite_file(path: Path) -> None:
    fresh = path.with_name(path.name + ".compacting")
    fresh.unlink(missing_ok=True)
    try:
        with duckdb.connect(MEMORY, config=dict(CONFIG)) as db:
            db.execute(f"ATTACH {literal(path)} AS old")
            db.execute("USE old")
            db.execute(_CLEAR_TABLE_VALUES)
            db.execute("USE memory")
            db.execute(f"ATTACH {literal(fresh)} AS fresh")
            db.execute("COPY FROM DATABASE old TO fresh")
            db.execute("CHECKPOINT fresh")
            db.execute("DETACH fresh")
            db.execute("DETACH old")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
