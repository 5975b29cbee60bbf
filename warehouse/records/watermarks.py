"""Watermarks: how far each channel is processed, committed with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.rows import Watermark
from warehouse.times import micros

ChannelName = tuple[str, str]
"""A source and one of its channels."""

_MOVED = """
    UPDATE _store.watermarks AS w SET reached_at = k.at, value = k.value, run_id = ?
    FROM copydesk_marks k WHERE w.source = k.source AND w.channel = k.channel
"""
_NEW = """
    INSERT INTO _store.watermarks (source, channel, reached_at, value, run_id)
    SELECT k.source, k.channel, k.at, k.value, ? FROM copydesk_marks k
    ANTI JOIN _store.watermarks w ON w.source = k.source AND w.channel = k.channel
"""


def get(db: DuckDBPyConnection, source: str, channel: str) -> Watermark | None:
    """Return the watermark of a channel; ``None`` before its first run."""
    return read(db, [source]).get((source, channel))


def read(db: DuckDBPyConnection, sources: Sequence[str]) -> dict[ChannelName, Watermark]:
    """Return the watermarks of all channels of some sources."""
    found = stage.select(
        db,
        "SELECT source, channel, reached_at AS at, value, run_id FROM _store.watermarks "
        "WHERE list_contains(?::VARCHAR[], source)",
        [list(sources)],
    )
    return {(one["source"], one["channel"]): Watermark(**one) for one in found}


def advance(
    db: DuckDBPyConnection,
    marks: Mapping[ChannelName, tuple[datetime | None, str]],
    *,
    run_id: str,
) -> int:
    """Move watermarks forward; return how many moved. They never go back in time.

    A watermark without a time is replaced.
    """
    if not marks:
        return 0
    before = read(db, sorted({source for source, _ in marks}))
    moved = {}
    for name, (at, value) in marks.items():
        known = before.get(name)
        if not (known and known.at and (at is None or at < known.at)):
            moved[name] = (at, value)
    rows = stage.table(
        source=([source for source, _ in moved], stage.TEXT),
        channel=([channel for _, channel in moved], stage.TEXT),
        at=([at and micros(at) for at, _ in moved.values()], stage.MOMENT),
        value=([value for _, value in moved.values()], stage.TEXT),
    )
    with stage.staged(db, "copydesk_marks", rows):
        if before:
            db.execute(_MOVED, [run_id])
        if any(name not in before for name in moved):
            db.execute(_NEW, [run_id])
    return len(moved)
