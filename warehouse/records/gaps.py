"""Stretches of a channel that may have been missed, until something fills them."""

from __future__ import annotations

from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.rows import Gap, NewGap
from warehouse.times import micros, utc
from warehouse.upsert.keys import as_uuid, key_of


def open_gap(
    db: DuckDBPyConnection, gap: NewGap, *, run_id: str, at: datetime | None = None
) -> bool:
    """Notes a gap and says whether it is new; the same one is not noted twice."""
    key = as_uuid(key_of(gap.source, gap.channel, _end(gap.from_at), _end(gap.to_at)))
    if db.execute("SELECT 1 FROM _store.gaps WHERE gap_key = ?", [key]).fetchall():
        return False
    db.execute(
        "INSERT INTO _store.gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        [key, gap.source, gap.channel, gap.from_at, gap.to_at, gap.how, at or datetime.now(UTC),
         run_id],
    )  # fmt: skip
    return True


def close_gaps(
    db: DuckDBPyConnection,
    source: str,
    channel: str,
    *,
    from_at: datetime | None,
    to_at: datetime | None,
    run_id: str,
    at: datetime | None = None,
) -> int:
    """Closes the gaps that lie wholly within a stretch now read; how many.

    An end of ``None`` is open: the stretch reaches as far as there is anything.
    """
    inside = [
        gap
        for gap in list_gaps(db, source=source)
        if gap.row.channel == channel
        and (from_at is None or (gap.row.from_at is not None and gap.row.from_at >= from_at))
        and (to_at is None or (gap.row.to_at is not None and gap.row.to_at <= to_at))
    ]
    for gap in inside:
        db.execute(
            "UPDATE _store.gaps SET closed_at = ?, closed_by = ? WHERE gap_key = ?",
            [at or datetime.now(UTC), run_id, gap.gap_id],
        )
    return len(inside)


def list_gaps(
    db: DuckDBPyConnection, *, source: str | None = None, is_closed: bool = False
) -> list[Gap]:
    """The open gaps (or the closed ones), oldest first."""
    found = db.execute(
        "SELECT gap_key, source, channel, from_at, to_at, how, noticed_at, run_id, closed_at, "
        "closed_by FROM _store.gaps WHERE (? IS NULL OR source = ?) "
        "AND (closed_at IS NOT NULL) = ? ORDER BY noticed_at, gap_key",
        [source, source, is_closed],
    ).fetchall()
    return [
        Gap(
            gap_id=str(key),
            row=NewGap(
                source=source_, channel=channel, from_at=utc(from_at), to_at=utc(to_at), how=how
            ),
            noticed_at=noticed_at.astimezone(UTC),
            run_id=run_id,
            closed_at=utc(closed_at),
            closed_by=closed_by,
        )
        for (key, source_, channel, from_at, to_at, how, noticed_at, run_id, closed_at, closed_by)
        in found
    ]  # fmt: skip


def _end(moment: datetime | None) -> str:
    return "" if moment is None else str(micros(moment))
