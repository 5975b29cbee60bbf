"""Gaps: intervals of a channel in which entries may have been missed, until a run fills them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.rows import Gap, NewGap
from warehouse.times import micros

_UNREPORTED = """
    list_contains(?::VARCHAR[], source) AND closed_at IS NULL AND EXISTS (
        SELECT 1 FROM _store.runs r
        WHERE r.run_id = g.run_id AND r.source = g.source AND r.state IN ('crashed', 'failed')
            AND NOT EXISTS (
                SELECT 1 FROM _store.runs later
                WHERE later.source = g.source AND later.flow = 'sync'
                    AND later.started_at > r.started_at
                    AND later.state IN ('completed', 'completed_with_warnings')))
"""


def open_gap(
    db: DuckDBPyConnection, gap: NewGap, *, run_id: str, at: datetime | None = None
) -> bool:
    """Store a gap unless it is stored; return whether it is new."""
    key = as_uuid(key_of(gap.source, gap.channel, _text(gap.from_at), _text(gap.to_at)))
    if db.execute("SELECT 1 FROM _store.gaps WHERE gap_key = ?", [key]).fetchall():
        return False
    db.execute(
        "INSERT INTO _store.gaps (gap_key, source, channel, from_at, to_at, detected_by, "
        "detected_at, run_id, missing_urls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?::VARCHAR[])",
        [key, gap.source, gap.channel, gap.from_at, gap.to_at, gap.detected_by,
         at or datetime.now(UTC), run_id, list(gap.missing_urls)],
    )  # fmt: skip
    return True


def put_audited(
    db: DuckDBPyConnection, gap: NewGap, *, run_id: str, at: datetime | None = None
) -> bool:
    """Store the missing articles of an interval; return whether its gap is new or open again.

    An open gap gets the new addresses and keeps its time of detection.
    """
    if open_gap(db, gap, run_id=run_id, at=at):
        return True
    key = as_uuid(key_of(gap.source, gap.channel, _text(gap.from_at), _text(gap.to_at)))
    addresses = [gap.detected_by, list(gap.missing_urls), key]
    is_closed = stage.count(
        db, "SELECT count(*) FROM _store.gaps WHERE gap_key = ? AND closed_at IS NOT NULL", [key]
    )
    db.execute(
        "UPDATE _store.gaps SET detected_by = ?, missing_urls = ?::VARCHAR[] WHERE gap_key = ?",
        addresses,
    )
    if is_closed:
        db.execute(
            "UPDATE _store.gaps SET detected_at = ?, run_id = ?, closed_at = NULL, "
            "closed_by = NULL WHERE gap_key = ?",
            [at or datetime.now(UTC), run_id, key],
        )
    return bool(is_closed)


def close_audited(
    db: DuckDBPyConnection, gap_id: str, *, run_id: str, at: datetime | None = None
) -> None:
    """Close a gap whose missing articles are stored by now, or will never be."""
    db.execute(
        "UPDATE _store.gaps SET closed_at = ?, closed_by = ?, missing_urls = [] WHERE gap_key = ?",
        [at or datetime.now(UTC), run_id, gap_id],
    )


def remove_addresses(db: DuckDBPyConnection, addresses: Collection[tuple[str, str]]) -> None:
    """Remove the addresses of erased articles, pairs of source and URL, from the gaps."""
    for gap in _select(db, "len(missing_urls) > 0", []):
        row = gap.row
        kept = [url for url in row.missing_urls if (row.source, url) not in addresses]
        if len(kept) < len(row.missing_urls):
            db.execute(
                "UPDATE _store.gaps SET missing_urls = ?::VARCHAR[] WHERE gap_key = ?",
                [kept, gap.gap_id],
            )


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
    """Close the gaps wholly inside an interval that was read; return how many.

    An end of ``None`` is open: the interval reaches as far as there are entries.
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
    """Return the open gaps (or the closed ones), oldest first."""
    where = "(? IS NULL OR source = ?) AND (closed_at IS NOT NULL) = ?"
    return _select(db, where, [source, source, is_closed])


def unreported_gaps(db: DuckDBPyConnection, sources: Sequence[str]) -> list[Gap]:
    """Return the open gaps of sources whose run was killed or failed before it reported them.

    A sync of the source that completed later has reported them.
    """
    return _select(db, _UNREPORTED, [list(sources)])


def _select(db: DuckDBPyConnection, where: str, values: list[Any]) -> list[Gap]:
    found = stage.select(
        db,
        "SELECT CAST(gap_key AS VARCHAR) AS gap_id, detected_at, run_id, closed_at, closed_by, "  # noqa: S608
        "source, channel, from_at, to_at, detected_by, "
        f"coalesce(missing_urls, []) AS missing_urls FROM _store.gaps g WHERE {where} "
        "ORDER BY detected_at, gap_key",
        values,
    )
    columns = ("source", "channel", "from_at", "to_at", "detected_by", "missing_urls")
    return [Gap(row=NewGap(**{name: one.pop(name) for name in columns}), **one) for one in found]


def _text(moment: datetime | None) -> str:
    return "" if moment is None else str(micros(moment))
