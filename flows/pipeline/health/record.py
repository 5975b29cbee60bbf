"""Evaluate the health of sources and store it, in the last transaction of their run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.pipeline.health.collect import HealthCollector
from flows.pipeline.health.evaluate import Evaluation, evaluate
from flows.pipeline.health.messages import RunHealth
from flows.pipeline.health.values import PAST_DAYS, History, Recent, SourceRun
from parsers.model import Source
from warehouse.records import health
from warehouse.records.health import (
    ChannelDay,
    ChannelState,
    Finding,
    SourceHealth,
    StoredHealth,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """What a run found in a source.

    Attributes:
        collector: What the run found.
        zone: The time zone of the source's days.
        new_count: Articles that the run stored for the first time.
        daily_range: Articles of a normal day, if the configuration has them.
        alert_only_new: Known deviations are not reported again.
    """

    source: Source
    collector: HealthCollector
    zone: str
    new_count: int
    daily_range: tuple[int, int] | None = None
    alert_only_new: bool = True


def record_all(
    db: DuckDBPyConnection,
    results: Sequence[SourceResult],
    *,
    run_id: str,
    at: datetime | None = None,
) -> list[RunHealth]:
    """Evaluate a run of some sources and store the results; nothing where it has no channel.

    Args:
        db: The warehouse, in the last transaction of the sources.
        results: One for each source.
        run_id: The run.
        at: The time of the run (aware UTC), by default now.
    """
    at = at or now()
    from_day = at.date() - timedelta(days=PAST_DAYS)
    stored = health.read_health(db, [one.source.slug for one in results], from_day=from_day)
    changes = _Changes()
    found = [
        _evaluate(one, stored[one.source.slug], changes, run_id=run_id, at=at) for one in results
    ]
    health.put_states(db, changes.states)
    health.put_days(db, changes.days)
    for finding_id in changes.closed:
        health.close_finding(db, finding_id, closed_by=run_id, at=at)
    for finding in changes.opened:
        health.open_finding(db, finding, run_id=run_id, at=at)
    health.put_sources(db, changes.sources)
    return found


@dataclass(slots=True)
class _Changes:
    """Rows to store, each with the stored one."""

    states: list[tuple[ChannelState, ChannelState | None]] = field(default_factory=list)
    days: list[tuple[ChannelDay, ChannelDay | None]] = field(default_factory=list)
    sources: list[tuple[SourceHealth, SourceHealth | None]] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    opened: list[Finding] = field(default_factory=list)


def _evaluate(
    one: SourceResult, stored: StoredHealth, changes: _Changes, *, run_id: str, at: datetime
) -> RunHealth:
    zone = ZoneInfo(one.zone)
    before = _history(stored, zone)
    recent = {
        name: {page.key for page in Recent.load(state.recent).pages}
        for name, state in before.states.items()
    }
    channels = one.collector.channels(recent)
    if not channels:
        return RunHealth()
    run = SourceRun(
        source=one.source.slug,
        run_id=run_id,
        at=at,
        zone=zone,
        channels=channels,
        new_count=one.new_count,
        daily_range=one.daily_range,
        parser_range=one.source.parser.daily_range,
    )
    result = evaluate(before, run)
    _add_changes(changes, before, result, run)
    changes.sources.append((result.health, stored.source))
    return RunHealth(
        state=result.health.state,
        opened=result.opened,
        known=result.known,
        closed=result.closed,
        alert_only_new=one.alert_only_new,
    )


def _history(stored: StoredHealth, zone: ZoneInfo) -> History:
    days: dict[str, list[ChannelDay]] = {}
    for day in stored.days:
        days.setdefault(day.channel, []).append(day)
    return History(
        states={one.channel: one for one in stored.states},
        days={channel: tuple(rows) for channel, rows in days.items()},
        findings=stored.findings,
        zone=zone,
        coverage=stored.source.coverage if stored.source else "{}",
    )


def _add_changes(changes: _Changes, before: History, result: Evaluation, run: SourceRun) -> None:
    for name, state in result.history.states.items():
        changes.states.append((state, before.states.get(name)))
    for name, days in result.history.days.items():
        if days and days[-1].day == run.day:
            known = before.days.get(name, ())
            is_known = bool(known) and known[-1].day == run.day
            changes.days.append((days[-1], known[-1] if is_known else None))
    changes.closed += [one.finding_id for one in result.closed]
    changes.opened += result.opened


def now() -> datetime:
    """The time of a run, aware UTC."""
    return datetime.now(UTC)
