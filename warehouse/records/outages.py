"""Outages: times in which no listing of a source could be read, or a publication failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.times import micros, utc

TOLERANCE = timedelta(hours=1)
"""A source that was read within this time before its first failed run has no outage yet."""

_PREVIOUS = """
    SELECT state FROM _store.runs
    WHERE source = ? AND flow = 'sync' AND run_id <> ? AND state <> 'running'
    ORDER BY started_at DESC LIMIT 1
"""
_LAST_SUCCESS = """
    SELECT max(ended_at) FROM _store.runs
    WHERE source = ? AND flow = 'sync' AND run_id <> ?
        AND state IN ('completed', 'completed_with_warnings')
"""
_LIST = """
    SELECT CAST(outage_key AS VARCHAR) AS outage_id, source, reason, opened_at, run_id, closed_at,
           closed_by
    FROM _store.source_outages
    WHERE closed_at IS NULL OR closed_at >= ?
    ORDER BY opened_at, source
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which no listing of a source could be read, or a publication failed.

    Attributes:
        source: The source, or ``publication NAME: CAUSE``.
        opened_at: Aware UTC, the end of the run that opened it.
        closed_by: The first run that found it normal again, or ``accepted``.
    """

    outage_id: str
    source: str
    reason: str
    opened_at: datetime
    run_id: str
    closed_at: datetime | None
    closed_by: str | None


def record_failure(
    db: DuckDBPyConnection, source: str, reason: str, *, run_id: str, at: datetime
) -> bool:
    """Open an outage of a source that a run could not read; return whether it is new.

    The first failed run after a success of the last hour opens none: the next run may succeed.
    """
    if _open_id(db, source) is not None:
        return False
    previous = db.execute(_PREVIOUS, [source, run_id]).fetchall()
    ((success,),) = db.execute(_LAST_SUCCESS, [source, run_id]).fetchall()
    success = utc(success)
    has_just_succeeded = success is not None and success >= at - TOLERANCE
    if has_just_succeeded and previous[0][0] not in ("failed", "crashed"):
        return False
    db.execute(
        "INSERT INTO _store.source_outages VALUES (?, ?, ?, ?, ?, NULL, NULL)",
        [as_uuid(key_of(source, str(micros(at)))), source, reason, at, run_id],
    )
    return True


def record_success(db: DuckDBPyConnection, source: str, *, run_id: str, at: datetime) -> bool:
    """Close the outage of a source that a run could read; return whether there was one."""
    outage_id = _open_id(db, source)
    if outage_id is None:
        return False
    db.execute(
        "UPDATE _store.source_outages SET closed_at = ?, closed_by = ? WHERE outage_key = ?::UUID",
        [at, run_id, outage_id],
    )
    return True


def list_outages(db: DuckDBPyConnection, *, closed_since: datetime | None = None) -> list[Outage]:
    """Return the open outages, and those that closed since a time; oldest first."""
    since = closed_since or datetime.max.replace(tzinfo=UTC)
    return [Outage(**one) for one in stage.select(db, _LIST, [since])]


def _open_id(db: DuckDBPyConnection, source: str) -> str | None:
    found = db.execute(
        "SELECT CAST(outage_key AS VARCHAR) FROM _store.source_outages "
        "WHERE source = ? AND closed_at IS NULL",
        [source],
    ).fetchall()
    return found[0][0] if found else None
