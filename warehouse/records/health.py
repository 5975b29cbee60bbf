"""Health of the sources: statistics per channel and day, and findings about them.

A run changes the rows of its channels and its day in place. A run that finds nothing new adds no
row, except the first run of a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.times import micros

ACCEPTED = "accepted"
"""``closed_by`` of a finding whose new values an operator accepted as normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A deviation of a source from its normal.

    Attributes:
        channel: Empty when all channels are meant.
        kind: ``no_entries``, ``not_moving``, ``field_missing``, ``short_bodies``, ``same_text``,
            ``same_canonical_url``, ``wrong_pages``, ``unreadable_pages``, ``unreadable_listing``,
            ``low_volume`` or ``high_volume``.
        field: The field of the article, or the reason in the quarantine; else empty.
        expected, found: For people.
        since: Aware UTC, the last time it was normal; ``None`` when unknown.
    """

    source: str
    channel: str = ""
    kind: str
    field: str = ""
    expected: str
    found: str
    since: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two findings of a source the same: channel, kind and field."""
        return (self.channel, self.kind, self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """A finding as stored.

    Attributes:
        run_id: The run that opened it.
        closed_by: The run that found it normal again, or ``accepted``.
    """

    finding_id: str
    row: Finding
    opened_at: datetime
    run_id: str
    closed_at: datetime | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDay:
    """The statistics of one channel on one day, as in ``_store.channel_days``.

    Attributes:
        day: In the time zone of the source.
        min_entry_count, max_entry_count: ``None`` when the listing was not read.
        silence_seconds, silence_squares: Sums over the silences that ended on this day.
        fields, lengths: JSON text.
    """

    source: str
    channel: str
    day: date
    run_count: int = 0
    read_count: int = 0
    min_entry_count: int | None = None
    max_entry_count: int | None = None
    new_count: int = 0
    move_count: int = 0
    longest_silence_seconds: int = 0
    silence_seconds: int = 0
    silence_squares: float = 0.0
    parsed_count: int = 0
    failed_count: int = 0
    fields: str = "{}"
    lengths: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """Where the statistics of one channel stand, as in ``_store.channel_states``.

    Attributes:
        since: Days before it do not count as the past of the channel.
        recent: JSON text.
    """

    source: str
    channel: str
    since: datetime
    last_read_at: datetime | None = None
    last_new_at: datetime | None = None
    entry_count: int | None = None
    recent: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """The health of one source at the end of its last sync, as in ``_store.source_health``.

    Attributes:
        state: ``ok``, ``learning``, ``warning`` or ``silent``.
        learning: What its normal values still need.
        silence_limit_seconds, normal_in_7_days: ``None`` while they are learned.
        coverage: JSON text.
    """

    source: str
    state: str
    learning: tuple[str, ...]
    evaluated_at: datetime
    run_id: str
    last_new_at: datetime | None = None
    silence_limit_seconds: int | None = None
    new_in_7_days: int = 0
    normal_in_7_days: float | None = None
    coverage: str = "{}"


# --- findings ------------------------------------------------------------------------------

_FINDINGS = """
    SELECT CAST(finding_key AS VARCHAR) AS finding_id, source, channel, kind, field, expected, found,
           since, opened_at, run_id, closed_at, closed_by
    FROM _store.health_findings
    WHERE (? IS NULL OR source = ?) AND (closed_at IS NOT NULL) = ?
    ORDER BY opened_at, source, channel, kind, field
"""
_FINDING_COLUMNS = tuple(one.name for one in fields(Finding))


def open_finding(
    db: DuckDBPyConnection, finding: Finding, *, run_id: str, at: datetime
) -> StoredFinding:
    """Store a new finding."""
    key = as_uuid(key_of(finding.source, *finding.key, str(micros(at))))
    db.execute(
        "INSERT INTO _store.health_findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        [key, *(getattr(finding, name) for name in _FINDING_COLUMNS), at, run_id],
    )
    return StoredFinding(finding_id=str(key), row=finding, opened_at=at, run_id=run_id)


def close_finding(
    db: DuckDBPyConnection, finding_id: str, *, closed_by: str, at: datetime | None = None
) -> None:
    """Close an open finding."""
    db.execute(
        "UPDATE _store.health_findings SET closed_at = ?, closed_by = ? "
        "WHERE finding_key = ?::UUID AND closed_at IS NULL",
        [at or datetime.now(UTC), closed_by, finding_id],
    )


def list_findings(
    db: DuckDBPyConnection, *, source: str | None = None, is_closed: bool = False
) -> list[StoredFinding]:
    """Return the open findings (or the closed ones), oldest first."""
    found = stage.select(db, _FINDINGS, [source, source, is_closed])
    return [
        StoredFinding(row=Finding(**{name: one.pop(name) for name in _FINDING_COLUMNS}), **one)
        for one in found
    ]


# --- statistics ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHealth:
    """What is stored of the health of one source.

    Attributes:
        states: Of each channel that it has had.
        days: Of its channels, in their order.
        findings: The open ones, oldest first.
        source: At the end of its last sync; ``None`` before the first.
    """

    states: tuple[ChannelState, ...] = ()
    days: tuple[ChannelDay, ...] = ()
    findings: tuple[StoredFinding, ...] = ()
    source: SourceHealth | None = None


def read_health(
    db: DuckDBPyConnection, sources: Sequence[str], *, from_day: date
) -> dict[str, StoredHealth]:
    """Return what is stored of each source, with its days from a day on."""
    names = list(sources)
    states = [
        ChannelState(**one)
        for one in stage.select(db, _select(ChannelState, "channel_states"), [names])
    ]
    sql = f"{_select(ChannelDay, 'channel_days')} AND day >= ? ORDER BY day, channel"
    days = [ChannelDay(**one) for one in stage.select(db, sql, [names, from_day])]
    health = {
        one["source"]: SourceHealth(**one)
        for one in stage.select(db, _select(SourceHealth, "source_health"), [names])
    }
    findings = list_findings(db)
    by_source: dict[str, dict[str, list[Any]]] = {
        one: {"states": [], "days": [], "findings": []} for one in names
    }
    for state in states:
        by_source[state.source]["states"].append(state)
    for day in days:
        by_source[day.source]["days"].append(day)
    for finding in findings:
        if finding.row.source in by_source:
            by_source[finding.row.source]["findings"].append(finding)
    return {
        source: StoredHealth(
            source=health.get(source), **{name: tuple(rows) for name, rows in found.items()}
        )
        for source, found in by_source.items()
    }


def channel_states(db: DuckDBPyConnection, source: str) -> list[ChannelState]:
    """Return the state of each channel that a source has had."""
    found = stage.select(db, _select(ChannelState, "channel_states"), [[source]])
    return [ChannelState(**one) for one in found]


def channel_days(db: DuckDBPyConnection, source: str, *, from_day: date) -> list[ChannelDay]:
    """Return the days of a source's channels from a day on, in their order."""
    return list(read_health(db, [source], from_day=from_day)[source].days)


def source_health(db: DuckDBPyConnection, source: str) -> SourceHealth | None:
    """Return the health of a source at the end of its last sync."""
    found = stage.select(db, _select(SourceHealth, "source_health"), [[source]])
    return SourceHealth(**found[0]) if found else None


def put_states(
    db: DuckDBPyConnection, rows: Sequence[tuple[ChannelState, ChannelState | None]]
) -> None:
    """Store the states of channels, each with the stored one."""
    _put(db, "channel_states", ("source", "channel"), rows)


def put_days(db: DuckDBPyConnection, rows: Sequence[tuple[ChannelDay, ChannelDay | None]]) -> None:
    """Store the days of channels, each with the stored one."""
    _put(db, "channel_days", ("source", "channel", "day"), rows)


def put_sources(
    db: DuckDBPyConnection, rows: Sequence[tuple[SourceHealth, SourceHealth | None]]
) -> None:
    """Store the health of sources, each with the stored one."""
    _put(db, "source_health", ("source",), rows)


def accept(db: DuckDBPyConnection, source: str, *, at: datetime, day: date) -> None:
    """Close the findings of a source, and let its past begin at a time.

    Args:
        db: The warehouse, in the caller's transaction.
        source: The source.
        at: Aware UTC.
        day: The same in the time zone of the source. The row of this day mixes both values and
            is deleted.
    """
    for finding in list_findings(db, source=source):
        close_finding(db, finding.finding_id, closed_by=ACCEPTED, at=at)
    stage.delete(db, "_store.channel_days", "source = ? AND day >= ?", [source, day])
    for state in channel_states(db, source):
        put_states(db, [(replace(state, since=at, recent="{}"), state)])
    if known := source_health(db, source):
        learning = replace(known, state="learning", learning=("all values: more runs",))
        put_sources(db, [(learning, known)])


def delete_old_days(db: DuckDBPyConnection, *, before: date) -> int:
    """Delete the days before a day; return how many rows."""
    return stage.delete(db, "_store.channel_days", "day < ?", [before])


def _select(row: type[Any], table: str) -> str:
    names = ", ".join(one.name for one in fields(row))
    return f"SELECT {names} FROM _store.{table} WHERE list_contains(?::VARCHAR[], source)"  # noqa: S608  # constants


def _put(
    db: DuckDBPyConnection, table: str, keys: Sequence[str], rows: Sequence[tuple[Any, Any | None]]
) -> None:
    """Insert new rows, and update those columns that changed: DuckDB changes a number in place."""
    kinds = stage.columns(type(rows[0][0])) if rows else {}
    new = [row for row, before in rows if before is None]
    if new:
        stage.insert(db, f"_store.{table}", stage.table(**stage.values(new, kinds)))
    changed: dict[tuple[str, ...], list[Any]] = {}
    for row, before in rows:
        names = () if before is None else _changed(row, before)
        if names:
            changed.setdefault(names, []).append(row)
    for names, some in changed.items():
        columns = {name: kinds[name] for name in (*keys, *names)}
        setters = ", ".join(f"{name} = k.{name}" for name in names)
        where = " AND ".join(f"t.{name} = k.{name}" for name in keys)
        with stage.staged(db, "copydesk_health", stage.table(**stage.values(some, columns))):
            db.execute(
                f"UPDATE _store.{table} AS t SET {setters} FROM copydesk_health k WHERE {where}"  # noqa: S608
            )


def _changed(row: Any, before: Any) -> tuple[str, ...]:
    return tuple(
        one.name for one in fields(row) if getattr(row, one.name) != getattr(before, one.name)
    )
