"""Compaction: merge sightings, remove old fetches, and rewrite the file without deleted rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse import instance, lock, stage
from warehouse.care.integrity import fingerprint
from warehouse.db import connect, resolve_path, transaction
from warehouse.duckdb_errors import translate_errors
from warehouse.errors import WarehouseBusy, WarehouseError
from warehouse.instance import STORAGE_VERSION
from warehouse.lake.compact_files import CompactedFiles, compact_files
from warehouse.location import Lake, Location
from warehouse.quote import identifier, literal
from warehouse.search import index, runs
from warehouse.syndication import index as fingerprints

# Sightings of one content in one channel with no other content between them become one row:
# no view needs more than the first and the last of them.
_MERGED = """
    CREATE OR REPLACE TEMP TABLE copydesk_merged AS
    WITH breaks AS (
        SELECT *, content_key IS DISTINCT FROM lag(content_key) OVER (
                      PARTITION BY article_key ORDER BY first_seen_at, last_seen_at) AS is_break
        FROM _store.sightings
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

_INDEXED_EACH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactResult:
    """What a compaction did: sizes in bytes, sightings and fetches in rows.

    Attributes:
        lake: What it did to the files of a lake; ``None`` for a warehouse in a file.
    """

    bytes_before: int
    bytes_after: int
    sightings_before: int
    sightings_after: int
    fetches_removed: int
    lake: CompactedFiles | None = None


def merge_sightings(db: DuckDBPyConnection) -> tuple[int, int]:
    """Merge neighbouring sightings; return the number of rows before and after.

    The caller owns the transaction.
    """
    before = stage.count(db, "SELECT count(*) FROM _store.sightings")
    db.execute(_MERGED)
    after = stage.count(db, "SELECT count(*) FROM copydesk_merged")
    if after < before:
        db.execute("DELETE FROM _store.sightings")
        db.execute("INSERT INTO _store.sightings BY NAME SELECT * FROM copydesk_merged")
    db.execute("DROP TABLE copydesk_merged")
    return before, after


def remove_fetches(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Delete fetches older than ``before``, except the last complete one of each URL."""
    where = (
        "fetched_at < ? AND (url_key, fetched_at) NOT IN (SELECT (url_key, max(fetched_at)) "
        "FROM _store.fetches WHERE status = 200 GROUP BY url_key)"
    )
    return stage.delete(db, "_store.fetches", where, [before])


def complete_index(db: DuckDBPyConnection, *, notify: Callable[[str], None] | None = None) -> None:
    """Index every content that the search index misses, in transactions of their own."""
    added = 1
    while added and (missing := index.count(db).missing):
        if notify:
            notify(f"search index: {missing:,} contents are left to index")
        with transaction(db):
            added = index.index_missing(db, limit=_INDEXED_EACH)


def complete_fingerprints(
    db: DuckDBPyConnection, *, notify: Callable[[str], None] | None = None
) -> None:
    """Compare every content that is not compared yet, in transactions of their own."""
    added = 1
    while added and (missing := fingerprints.count_missing(db)):
        if notify:
            notify(f"duplicates: {missing:,} contents are left to compare")
        with transaction(db):
            added = fingerprints.add_missing(db, limit=_INDEXED_EACH)


def merge_index(db: DuckDBPyConnection) -> None:
    """Sort the postings of the search index: groups of full segments, then each other segment."""
    with transaction(db):
        runs.flush(db)
    for group in runs.unmerged_groups(db):
        with transaction(db):
            runs.merge(db, group)
    for segment in runs.unmerged_segments(db):
        with transaction(db):
            runs.merge(db, [segment])


def complete_part(db: DuckDBPyConnection, *, most_runs: int) -> bool:
    """Do a part of what an earlier copydesk and many small batches left, in one transaction.

    A part indexes some contents, compares some contents, or sorts one segment of the search index
    that has more than ``most_runs`` runs. Return whether there was anything to do.
    """
    segments = runs.unmerged_segments(db, most_runs=most_runs)
    if not (segments or index.count(db).missing or fingerprints.count_missing(db)):
        return False
    with transaction(db):
        added = index.index_missing(db, limit=_INDEXED_EACH)
        added = added or fingerprints.add_missing(db, limit=_INDEXED_EACH)
        if not added and segments:
            runs.merge(db, segments[:1])
    return bool(added or segments)


def compact(
    path: Location | str,
    *,
    fetches_before: datetime | None = None,
    retention: timedelta | None = None,
    wait_seconds: float = 30.0,
    notify: Callable[[str], None] | None = None,
) -> CompactResult:
    """Merge sightings and the search index, then rewrite the file without deleted rows.

    The new file replaces the old one only when it has the same rows; a killed process leaves
    the old file. Needs space for both. For the files of a lake see ``warehouse.lake.compact_files``.

    Args:
        path: The file or the lake.
        fetches_before: Remove older fetches (aware UTC), except the last complete one of each URL.
        retention: How long readers of a lake can use an older version; ``None`` ends all at once.
        wait_seconds: How long to wait for another process.
        notify: Called with a message before a wait.

    Raises:
        WarehouseBusy: Another process holds the file, or the lock of the lake.
        WarehouseFull: No space for the second file; the first stays.
    """
    if isinstance(path, Lake):
        with connect(path, wait_seconds=wait_seconds, notify=notify) as db:
            sightings, removed = _merge(db, fetches_before, wait_seconds, notify)
        done = compact_files(path, retention=retention, wait_seconds=wait_seconds, notify=notify)
        return CompactResult(
            bytes_before=done.bytes_before,
            bytes_after=done.bytes_after,
            sightings_before=sightings[0],
            sightings_after=sightings[1],
            fetches_removed=removed,
            lake=done,
        )
    path = resolve_path(path)
    with connect(path, wait_seconds=wait_seconds, notify=notify) as db:
        if lock.is_shared(path):
            raise WarehouseBusy(
                f"{path}: this process has it open twice: close the other connection"
            )
        size = path.stat().st_size
        sightings, removed = _merge(db, fetches_before, wait_seconds, notify)
        db.execute("CHECKPOINT")
        fresh = path.with_name(path.name + ".compacting")
        with translate_errors(path):
            try:
                _rewrite(db, fresh)
                # Replaced under the lock, after the old file is closed.
                instance.detach(db, path)
                _replace(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
    return CompactResult(
        bytes_before=size,
        bytes_after=path.stat().st_size,
        sightings_before=sightings[0],
        sightings_after=sightings[1],
        fetches_removed=removed,
    )


def _merge(
    db: DuckDBPyConnection,
    fetches_before: datetime | None,
    wait_seconds: float,
    notify: Callable[[str], None] | None,
) -> tuple[tuple[int, int], int]:
    """Merge rows; return the sightings before and after, and how many fetches were removed."""
    with transaction(db, wait_seconds=wait_seconds):
        sightings = merge_sightings(db)
        removed = remove_fetches(db, before=fetches_before) if fetches_before else 0
    complete_index(db, notify=notify)
    complete_fingerprints(db, notify=notify)
    merge_index(db)
    return sightings, removed


def _rewrite(db: DuckDBPyConnection, fresh: Path) -> None:
    """Copy every table, view and row to a new file, and compare."""
    fresh.unlink(missing_ok=True)
    current = str(db.execute("SELECT current_database()").fetchall()[0][0])
    db.execute(f"ATTACH {literal(fresh)} AS copydesk_fresh (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        db.execute(f"COPY FROM DATABASE {identifier(current)} TO copydesk_fresh")
        db.execute("CHECKPOINT copydesk_fresh")
        if fingerprint(db, current) != fingerprint(db, "copydesk_fresh"):
            raise WarehouseError(f"{fresh}: differs from the file it copies; the old file stays")
    finally:
        db.execute("DETACH copydesk_fresh")


def _replace(fresh: Path, path: Path) -> None:
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        raise WarehouseError(f"{wal}: written during the compaction; the old file stays")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)
