"""How far each channel is done; committed with the rows that make it true."""

from __future__ import annotations

from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse.rows import Watermark
from warehouse.times import utc


def get(db: DuckDBPyConnection, source: str, channel: str) -> Watermark | None:
    """The watermark of a channel; ``None`` before its first run."""
    found = db.execute(
        "SELECT reached_at, value, run_id FROM _store.watermarks WHERE source = ? AND channel = ?",
        [source, channel],
    ).fetchall()
    if not found:
        return None
    ((at, value, run_id),) = found
    return Watermark(source=source, channel=channel, at=utc(at), value=value, run_id=run_id)


def advance(
    db: DuckDBPyConnection,
    source: str,
    channel: str,
    *,
    at: datetime | None,
    value: str,
    run_id: str,
) -> bool:
    """Moves a watermark forward and says whether it did; it never goes back in time.

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
