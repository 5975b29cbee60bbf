"""The checks of a lake: its server, its extensions, who holds its locks, its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import duckdb
from duckdb import DuckDBPyConnection

from flows.admin.check import CheckResult
from flows.pipeline import locks
from flows.settings import Settings
from flows.text import pluralize
from warehouse import connect_read_only
from warehouse.duckdb_errors import translate_error
from warehouse.errors import WarehouseError
from warehouse.instance import NAME
from warehouse.lake import advisory_lock, postgres, writer_lock
from warehouse.lake.advisory_lock import HeldBy
from warehouse.lake.compact_files import list_orphans
from warehouse.location import Lake

_SERVER = "SELECT current_setting('server_version'), current_setting('lc_messages')"
_ENGLISH = ("c", "posix", "en")
_EXTENSIONS = """
    SELECT extension_name || ' ' || extension_version FROM duckdb_extensions()
    WHERE loaded AND extension_name IN ('ducklake', 'httpfs', 'postgres_scanner') ORDER BY 1
"""
_FORMAT = f"SELECT value FROM ducklake_options('{NAME}') WHERE option_name = 'version'"  # noqa: S608
_FILES = f"""
    SELECT coalesce(sum(file_count + delete_file_count), 0),
           coalesce(sum(file_size_bytes + delete_file_size_bytes), 0),
           (SELECT count(*) FROM ducklake_snapshots('{NAME}'))
    FROM ducklake_table_info('{NAME}')
"""  # noqa: S608


def check_lake(settings: Settings) -> Iterator[CheckResult]:
    """Check the lake of the configuration; nothing for a warehouse in a file."""
    lake = settings.warehouse.location
    if not isinstance(lake, Lake):
        return
    if lake.postgres:
        try:
            yield _check_server(lake.postgres)
            yield _check_locks(lake.postgres)
        except WarehouseError as error:
            yield CheckResult("catalog", "error", str(error))
            return
    age = timedelta(hours=settings.retention.versions_hours)
    try:
        # What is wrong with the lake itself is the result of the check of the warehouse.
        with suppress(WarehouseError), connect_read_only(lake) as db:
            yield _check_extensions(db)
            yield _check_files(db, lake, age)
    except duckdb.Error as error:
        yield CheckResult("lake files", "error", str(translate_error(error, lake)))


def _check_server(conninfo: str) -> CheckResult:
    with postgres.connect(conninfo) as db:
        ((version, language),) = db.execute(_SERVER).fetchall()
    if language and not language.lower().startswith(_ENGLISH):
        return CheckResult(
            "catalog",
            "warning",
            f"PostgreSQL {version} has lc_messages = {language!r}, and DuckLake recognizes its errors "
            "in English only: let an administrator of the server run ALTER ROLE (the user of "
            "[warehouse] url) SET lc_messages = 'C'",
        )
    return CheckResult("catalog", "ok", f"PostgreSQL {version}")


def _check_locks(conninfo: str) -> CheckResult:
    held = advisory_lock.list_held(conninfo)
    message = "; ".join(map(_holder_message, held)) or "no process holds a lock"
    return CheckResult("locks", "ok", message)


def _holder_message(held: HeldBy) -> str:
    if held.name == writer_lock.NAME:
        pid, who = writer_lock.holder(held.owner)
        return f"writer: process {pid} ({who})"
    return f"{held.name}: {locks.owner_message(held.owner)}"


def _check_extensions(db: DuckDBPyConnection) -> CheckResult:
    names = [name for (name,) in db.execute(_EXTENSIONS).fetchall()]
    ((version,),) = db.execute(_FORMAT).fetchall()
    return CheckResult("extensions", "ok", f"{', '.join(names)}; format {version} of DuckLake")


def _check_files(db: DuckDBPyConnection, lake: Lake, age: timedelta) -> CheckResult:
    count, size, versions = db.execute(_FILES).fetchall()[0]
    orphans = list_orphans(db, lake, age=age)
    message = (
        f"{lake.data}: {pluralize(int(count), 'file')}, {float(size) / 1e6:,.1f} MB; "
        f"{pluralize(versions, 'version')}"
    )
    if not orphans:
        return CheckResult("lake files", "ok", message)
    return CheckResult(
        "lake files",
        "warning",
        f"{message}; {pluralize(len(orphans), 'file')} that no version names, such as "
        f"{min(orphans)}: `copydesk maintenance` deletes what killed processes left",
    )
