"""Room given back: sightings that say nothing new merged, deleted rows dropped."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse import lock
from warehouse.care.integrity import fingerprint
from warehouse.db import STORAGE_VERSION, connect, resolve_path, transaction
from warehouse.duckdb_errors import translate_errors
from warehouse.errors import WarehouseBusy, WarehouseError

# Sightings of one content in one channel with no other content between them become one
# row: the first and the last of them say all that any view tells.
_MERGED = """
    CREATE OR REPLACE TEMP TABLE copydesk_merged AS
    WITH breaks AS (
        SELECT *, content_key IS DISTINCT FROM lag(content_key) OVER (
                      PARTITION BY article_key ORDER BY first_seen_at, last_seen_at) AS is_break
        FROM _store.seen
    ), islands AS (
        SELECT *, count(*) FILTER (is_break) OVER (
                      PARTITION BY article_key ORDER BY first_seen_at, last_seen_at) AS island
        FROM breaks
    )
    SELECT article_key, content_key, channel, min(first_seen_at) AS first_seen_at,
           max(last_seen_at) AS last_seen_at, min_by(run_id, first_seen_at) AS run_id
    FROM islands
    GROUP BY article_key, content_key, channel, island
    ORDER BY last_seen_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactResult:
    """What compacting did: sizes in bytes, sightings and fetches in rows."""

    bytes_before: int
    bytes_after: int
    sightings_before: int
    sightings_after: int
    fetches_removed: int


def merge_sightings(db: DuckDBPyConnection) -> tuple[int, int]:
    """Merges neighbouring sightings; how many rows there were and are.

    The caller owns the transaction.
    """
    before = _count(db, "SELECT count(*) FROM _store.seen")
    db.execute(_MERGED)
    after = _count(db, "SELECT count(*) FROM copydesk_merged")
    if after < before:
        db.execute("DELETE FROM _store.seen")
        db.execute("INSERT INTO _store.seen BY NAME SELECT * FROM copydesk_merged")
    db.execute("DROP TABLE copydesk_merged")
    return before, after


def remove_fetches(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Removes fetches older than ``before``, but the last whole one of each address."""
    where = (
        "fetched_at < ? AND (url_key, fetched_at) NOT IN "
        "(SELECT (url_key, max(fetched_at)) FROM _store.pages WHERE status = 200 GROUP BY url_key)"
    )
    count = int(
        db.execute(f"SELECT count(*) FROM _store.pages WHERE {where}", [before]).fetchall()[0][0]  # noqa: S608
    )
    if count:
        db.execute(f"DELETE FROM _store.pages WHERE {where}", [before])  # noqa: S608
    return count


def compact(
    path: Path | str,
    *,
    fetches_before: datetime | None = None,
    wait_seconds: float = 30.0,
    on_wait: Callable[[str], None] | None = None,
) -> CompactResult:
    """Merges sightings, then writes the file anew without the holes deletions left.

    The new file takes the old one's place only when it holds the same rows; a process
    that is killed on the way leaves the old file as it was. Needs room for both.

    Raises:
        WarehouseBusy: Another process holds the file.
        WarehouseFull: No room for the second file; the first stays.
    """
    path = resolve_path(path)
    with connect(path, wait_seconds=wait_seconds, on_wait=on_wait) as db:
        if lock.is_shared(path):
            raise WarehouseBusy(f"{path}: open elsewhere in this process; compact it alone")
        size = path.stat().st_size
        with transaction(db):
            sightings = merge_sightings(db)
            removed = remove_fetches(db, before=fetches_before) if fetches_before else 0
        db.execute("CHECKPOINT")
        fresh = path.with_name(path.name + ".compacting")
        with translate_errors(path):
            try:
                _rewrite(db, fresh)
                # The new file is put in place under the lock, after the old one is closed.
                db.close()
                _put_in_place(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
    return CompactResult(
        bytes_before=size,
        bytes_after=path.stat().st_size,
        sightings_before=sightings[0],
        sightings_after=sightings[1],
        fetches_removed=removed,
    )


def _rewrite(db: DuckDBPyConnection, fresh: Path) -> None:
    """Copies every table, view and row to a new file, and compares."""
    fresh.unlink(missing_ok=True)
    here = str(db.execute("SELECT current_database()").fetchall()[0][0])
    quoted = str(fresh).replace("'", "''")
    db.execute(f"ATTACH '{quoted}' AS copydesk_fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
    name = here.replace('"', '""')
    try:
        db.execute(f'COPY FROM DATABASE "{name}" TO copydesk_fresh')
        db.execute("CHECKPOINT copydesk_fresh")
        if fingerprint(db, here) != fingerprint(db, "copydesk_fresh"):
            raise WarehouseError(f"{fresh}: not what was copied; the old file stays")
    finally:
        db.execute("DETACH copydesk_fresh")


def _put_in_place(fresh: Path, path: Path) -> None:
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        raise WarehouseError(f"{wal}: written while compacting; the old file stays")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)


def _count(db: DuckDBPyConnection, sql: str) -> int:
    return int(db.execute(sql).fetchall()[0][0])
