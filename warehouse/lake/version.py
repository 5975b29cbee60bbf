"""The versions of a lake, which DuckLake calls snapshots: each commit makes one."""

from __future__ import annotations

from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.db import opened
from warehouse.duckdb_errors import missing_error
from warehouse.errors import WarehouseError, WarehouseMissing
from warehouse.lake import postgres
from warehouse.location import Lake, Location

_IN_CATALOG = """
    SELECT snapshot_id, snapshot_time FROM ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1
"""
_IN_LAKE = """
    SELECT snapshot_id, snapshot_time FROM ducklake_snapshots(current_database())
    ORDER BY snapshot_id DESC LIMIT 1
"""


def exists(location: Location) -> bool:
    """Return whether there is a file, or a lake.

    Raises:
        WarehouseUnreachable: The server of the lake's catalog does not answer.
    """
    if not isinstance(location, Lake):
        return location.exists()
    try:
        newest_version(location)
    except WarehouseMissing:
        return False
    return True


def newest_version(lake: Lake) -> tuple[int, datetime]:
    """Return the number of the newest version, and when it was committed (UTC).

    Raises:
        WarehouseMissing: There is no lake.
        WarehouseUnreachable: The server of the catalog does not answer.
        WarehouseBusy: Another process holds the file of the catalog.
        WarehouseError: The user may not read the catalog.
    """
    if lake.postgres is None:
        with opened(lake) as db:
            return newest_of(db)
    with postgres.connect(lake.postgres) as connection:
        import psycopg

        try:
            found = connection.execute(_IN_CATALOG).fetchone()
        except psycopg.errors.UndefinedTable:
            found = None
        except psycopg.Error as error:
            raise WarehouseError(f"{lake}: {postgres.reason(error)}") from None
    if found is None:
        raise missing_error(lake)
    return found[0], found[1].astimezone(UTC)


def newest_of(db: DuckDBPyConnection) -> tuple[int, datetime]:
    """Return the same of the lake that a connection has open."""
    version, at = db.execute(_IN_LAKE).fetchall()[0]
    return version, at.astimezone(UTC)
