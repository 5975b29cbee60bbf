"""Evaluate the health of a source and store it, in the last transaction of its run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.pipeline.health.collect import HealthCollector
from flows.pipeline.health.evaluate import Evaluation, evaluate
from flows.pipeline.health.messages import RunHealth
from flows.pipeline.health.values import PAST_DAYS, History, Recent, SourceRun
from parsers.model import Source
from warehouse.records import health
from warehouse.records.health import ChannelDay


def read_history(db: DuckDBPyConnection, source: str, at: datetime, zone: ZoneInfo) -> History:
    """The stored history of a source."""
    days: dict[str, list[ChannelDay]] = {}
    from_day = at.date() - timedelta(days=PAST_DAYS)
    for day in health.channel_days(db, source, from_day=from_day):
        days.setdefault(day.channel, []).append(day)
    return History(
        states={one.channel: one for one in health.channel_states(db, source)},
        days={channel: tuple(rows) for channel, rows in days.items()},
        findings=tuple(health.list_findings(db, source=source)),
        zone=zone,
    )


def record(
    db: DuckDBPyConnection,
    source: Source,
    collector: HealthCollector,
    *,
    run_id: str,
    zone: str,
    new_count: int,
    daily_range: tuple[int, int] | None = None,
    alert_only_new: bool = True,
    at: datetime | None = None,
) -> RunHealth:
    """Evaluate a run and store the result; nothing when it has no channel.

    Args:
        db: The warehouse, in the last transaction of the run.
        source: The source.
        collector: What the run found.
        run_id: The run.
        zone: The time zone of the source's days.
        new_count: Articles that the run stored for the first time.
        daily_range: Articles of a normal day, if the configuration has them.
        alert_only_new: Known deviations are not reported again.
        at: The time of the run (aware UTC), by default now.
    """
    at = at or now()
    known = health.source_health(db, source.slug)
    before = read_history(db, source.slug, at, ZoneInfo(zone))
    before = replace(before, coverage=known.coverage if known else "{}")
    recent = {
        name: {page.key for page in Recent.load(state.recent).pages}
        for name, state in before.states.items()
    }
    channels = collector.channels(recent)
    if not channels:
        return RunHealth()
    run = SourceRun(
        source=source.slug,
        run_id=run_id,
        at=at,
        zone=ZoneInfo(zone),
        channels=channels,
        new_count=new_count,
        daily_range=daily_range,
        parser_range=source.parser.daily_range,
    )
    result = evaluate(before, run)
    _store(db, before, result, run)
    health.put_source(db, result.health, known)
    return RunHealth(
        state=result.health.state,
        opened=result.opened,
        known=result.known,
        closed=result.closed,
        alert_only_new=alert_only_new,
    )


def _store(db: DuckDBPyConnection, before: History, result: Evaluation, run: SourceRun) -> None:
    for name, state in result.history.states.items():
        health.put_state(db, state, before.states.get(name))
    for name, days in result.history.days.items():
        if days and days[-1].day == run.day:
            known = before.days.get(name, ())
            is_known = bool(known) and known[-1].day == run.day
            health.put_day(db, days[-1], known[-1] if is_known else None)
    for one in result.closed:
        health.close_finding(db, one.finding_id, closed_by=run.run_id, at=run.at)
    for finding in result.opened:
        health.open_finding(db, finding, run_id=run.run_id, at=run.at)


def now() -> datetime:
    """The time of a run, aware UTC."""
    return datetime.now(UTC)
