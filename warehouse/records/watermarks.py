"""Watermarks: how far each channel is processed, committed with the rows."""

from __future__ import annotations

from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.rows import Watermark


def get(db: DuckDBPyConnection, source: str, channel: str) -> Watermark | None:
    """Return the watermark of a channel; ``None`` before its first run."""
    found = stage.select(
        db,
        "SELECT source, channel, reached_at AS at, value, run_id FROM _store.watermarks "
        "WHERE source = ? AND channel = ?",
        [source, channel],
    )
    return Watermark(**found[0]) if found else None


def advance(
    db: DuckDBPyConnection,
    source: str,
    channel: str,
    *,
    at: datetime | None,
    value: str,
    run_id: str,
) -> bool:
    """Move a watermark forward; return whether it moved. It never goes back in time.

    A watermark without a time is replaced.
    """
    before = get(db, source, channel)
    if before and before.at and (at is None or at < before.at):
        return False
    if before:
        db.execute(
            "UPDATE _store.watermarks SET reached_at = ?, value = ?, run_id = ? "
            "WHERE source = ? AND channel = ?",
            [at, value, run_id, source, channel],
        )
    else:
        db.execute(
            "INSERT INTO _store.watermarks (source, channel, reached_at, value, run_id) "
            "VALUES (?, ?, ?, ?, ?)",
            [source, channel, at, value, run_id],
        )
    return True
