"""The files of a lake: small files merged, old versions expired, files that nothing needs deleted.

Every commit of DuckLake is a version, and a reader reads one to its end. A file is deleted only
after no version within the retention needs it, and only as long after that as the retention is.

Each step holds the lock of writers: a file that no version names then belongs to no commit that
is still to come. Between two steps writers have a turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import lock
from warehouse.db import connect
from warehouse.duckdb_errors import busy_error, translate_errors
from warehouse.errors import WarehouseError
from warehouse.instance import NAME
from warehouse.lake import writer_lock
from warehouse.lake.catalog_space import overwrite_deleted_rows
from warehouse.location import Lake
from warehouse.quote import literal

# A file with a smaller share of deleted rows is not written again.
_REWRITE_SHARE = 0.1
# Another lake in the same folder would make each file of the one an orphan of the other.
_FEW_ORPHANS = 200

_SIZE = f"""
    SELECT coalesce(sum(file_count + delete_file_count), 0)::BIGINT,
           coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)::BIGINT
    FROM ducklake_table_info('{NAME}')
"""  # noqa: S608
_OLD_VERSIONS = f"""
    SELECT list(snapshot_id ORDER BY snapshot_id)
    FROM ducklake_snapshots('{NAME}') WHERE snapshot_time <= coalesce(?, snapshot_time)
     AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshots('{NAME}'))
"""  # noqa: S608

# The names of files have a UUID, so no two are equal. The content of a file is not read.
_CATALOG = f"__ducklake_metadata_{NAME}"
_ORPHANS = f"""
    SELECT filename FROM read_blob(?) WHERE last_modified <= ? AND parse_filename(filename) NOT IN (
        SELECT parse_filename(path) FROM {_CATALOG}.ducklake_data_file
        UNION ALL SELECT parse_filename(path) FROM {_CATALOG}.ducklake_delete_file
        UNION ALL SELECT parse_filename(path) FROM {_CATALOG}.ducklake_files_scheduled_for_deletion)
    ORDER BY 1
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactedFiles:
    """What a compaction did.

    Attributes:
        files_before: Number of files of the newest version.
        files_after: The same after it.
        bytes_before: Size of the files of the newest version (bytes).
        bytes_after: The same after it.
        versions_expired: Versions that cannot be read any more.
        files_deleted: Files that no version needed.
        orphans_deleted: Files that no version ever named, left by killed processes.
    """

    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    versions_expired: int
    files_deleted: int
    orphans_deleted: int

    def message(self) -> str:
        """The numbers on one line."""
        return (
            f"{self.files_before} files of the lake became {self.files_after}; "
            f"{self.versions_expired} versions expired, {self.files_deleted} files that no version "
            f"needs and {self.orphans_deleted} orphans deleted"
        )


def compact_files(
    lake: Lake,
    *,
    retention: timedelta | None,
    wait_seconds: float = 30.0,
    notify: Callable[[str], None] | None = None,
) -> CompactedFiles:
    """Merge small files, expire versions older than the retention, delete what they alone had.

    Without a retention every deleted row is removed from the files and the catalog, and every
    older version expires. A statement that reads one fails; repeated, it reads the newest.

    Raises:
        WarehouseBusy: A writer held the lock for all of ``wait_seconds``, or a reader the catalog.
        WarehouseError: Another of its subclasses, or the folder has more orphans than files.
    """
    with ExitStack() as held:
        if lake.file:
            held.enter_context(lock.hold(lake.file, wait_seconds=wait_seconds, notify=notify))
        with connect(lake, wait_seconds=wait_seconds, notify=notify) as db, translate_errors(lake):
            result = _Compaction(db, lake, retention, wait_seconds).run()
        if lake.file and lock.is_shared(lake.file):
            raise busy_error(lake, os.getpid(), "this process: close its other connection")
        if lake.file or retention is None:
            held.enter_context(writer_lock.hold(lake, wait_seconds=wait_seconds, notify=notify))
            overwrite_deleted_rows(lake, wait_seconds=wait_seconds)
    return result


def list_orphans(db: DuckDBPyConnection, lake: Lake, *, age: timedelta) -> list[str]:
    """Return the Parquet files in the folder of a lake that it does not name and that are older.

    The connection may be read-only, which DuckLake's own function refuses.
    """
    pattern = f"{lake.data}/**/*.parquet"
    if not db.execute("SELECT 1 FROM glob(?) LIMIT 1", [pattern]).fetchone():
        return []
    found = db.execute(_ORPHANS, [pattern, datetime.now(UTC) - age]).fetchall()
    return [str(file) for (file,) in found]


class _Compaction:
    """The steps, each under the lock of writers."""

    def __init__(
        self, db: DuckDBPyConnection, lake: Lake, retention: timedelta | None, wait_seconds: float
    ) -> None:
        self._db = db
        self._lake = lake
        self._before = None if retention is None else datetime.now(UTC) - retention
        self._wait_seconds = wait_seconds

    def run(self) -> CompactedFiles:
        count, size = _size(self._db)
        # Rows of small commits are in the catalog until they are flushed.
        self._step("flush_inlined_data")
        share = 0.0 if self._before is None else _REWRITE_SHARE
        self._step("rewrite_data_files", f"delete_threshold => {share}")
        self._step("merge_adjacent_files")
        versions = self._db.execute(_OLD_VERSIONS, [self._before]).fetchall()[0][0] or []
        if versions:
            self._step("expire_snapshots", f"versions => {versions}")
        deleted = self._step("cleanup_old_files", _age(self._before))
        orphans = self._delete_orphans()
        count_after, size_after = _size(self._db)
        return CompactedFiles(
            files_before=count,
            files_after=count_after,
            bytes_before=size,
            bytes_after=size_after,
            versions_expired=len(versions),
            files_deleted=len(deleted),
            orphans_deleted=orphans,
        )

    def _step(self, name: str, *options: str) -> list[tuple[Any, ...]]:
        with writer_lock.hold(self._lake, wait_seconds=self._wait_seconds):
            return _call(self._db, name, *options)

    def _delete_orphans(self) -> int:
        with writer_lock.hold(self._lake, wait_seconds=self._wait_seconds) as check:
            orphans = _orphans(self._db, self._before, is_dry=True)
            if len(orphans) > max(_FEW_ORPHANS, _size(self._db)[0]):
                raise WarehouseError(
                    f"{self._lake}: does not name {len(orphans)} files in its folder, such as "
                    f"{min(orphans)}. Another lake may use the folder, so none of them was deleted: "
                    "give each lake a folder of its own ([warehouse] data)"
                )
            if orphans:
                check()
                _orphans(self._db, self._before, is_dry=False)
            return len(orphans)


def _size(db: DuckDBPyConnection) -> tuple[int, int]:
    count, size = db.execute(_SIZE).fetchall()[0]
    return int(count), int(size)


def _orphans(db: DuckDBPyConnection, before: datetime | None, *, is_dry: bool) -> list[str]:
    options = [f"dry_run => {str(is_dry).lower()}", _age(before)]
    return [str(path) for (path, *_) in _call(db, "delete_orphaned_files", *options)]


def _age(before: datetime | None) -> str:
    if before is None:
        return "cleanup_all => true"
    return f"older_than => TIMESTAMPTZ {literal(before.isoformat())}"


def _call(db: DuckDBPyConnection, name: str, *options: str) -> list[tuple[Any, ...]]:
    arguments = ", ".join([literal(NAME), *options])
    return db.execute(f"CALL ducklake_{name}({arguments})").fetchall()
