"""The page of the report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.web.environment import render
from flows.web.format import day
from flows.web.report import figures
from flows.web.report.queries import read_rows
from flows.web.report.rows import FIELDS, MAX_DAYS, ReportRows, Scope

_STATE_KINDS = {"ok": "good", "learning": "", "warning": "warn", "silent": "bad", "failing": "bad"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report.

    Attributes:
        html: The page: one file that needs nothing else.
        article_count: How many articles it is about.
    """

    html: str
    article_count: int


def make_report(db: DuckDBPyConnection, *, at: datetime, zone: ZoneInfo) -> Report:
    """Make the report of a snapshot.

    Args:
        db: The snapshot.
        at: When it was published, aware.
        zone: The time zone of all days and times but those of publication, which are those of
            the source.
    """
    # A publication of tomorrow may be another time zone.
    last_day = at.astimezone(zone).date() + timedelta(days=1)
    rows = read_rows(db, Scope(at=at, zone=zone.key, last_day=last_day))
    html = render(
        "report/report.html",
        title=f"Corpus report, {day(at.astimezone(zone))}",
        at=at,
        zone=zone,
        rows=rows,
        charts=_charts(rows),
        fields=FIELDS,
        max_days=MAX_DAYS,
        state_kinds=_STATE_KINDS,
    )
    return Report(html=html, article_count=rows.overview.article_count)


def _charts(rows: ReportRows) -> dict[str, object]:
    return {
        "volume": figures.volume(rows.volume),
        "periods": figures.volume_by_period(rows.volume_by_month),
        "delays": figures.delays(rows.delay_ranges),
        "changes": figures.changes(rows.run_days),
        "activity": figures.activity(rows),
        "fetch_durations": figures.fetch_durations(rows.fetch_days),
        "failed_fetches": figures.failed_fetches(rows.fetch_days),
    }
