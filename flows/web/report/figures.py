"""The charts of the report, made of its rows; ``None`` where there is nothing to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from markupsafe import Markup

from flows.web.charts import (
    MAX_SERIES,
    Axis,
    Chart,
    Series,
    bars,
    day_axis,
    heat_rows,
    lines,
    period_axis,
    range_axis,
)
from flows.web.format import duration, number
from flows.web.language import ENGLISH, Language
from flows.web.report.rows import (
    ACTIVITY_DAYS,
    DELAY_EDGES,
    DayCount,
    FetchDay,
    ReportRows,
    RunDay,
)

OTHERS = "other sources"
MIN_DAYS = 30
MAX_MONTHS = 120
MAX_DAYS_SHOWN = 400
MAX_ACTIVITY = 20
"""How many sources have a row of days."""


def volume(rows: Sequence[DayCount], language: Language = ENGLISH) -> Markup | None:
    """Articles by day of publication and source."""
    days = _days([row.day for row in rows])
    axis = day_axis(days, language)
    return _by_source("volume", "Articles by day of publication", days, axis, rows, language)


def volume_by_period(rows: Sequence[DayCount], language: Language = ENGLISH) -> Markup | None:
    """All articles by month or year; none when the chart by day has nearly all of them."""
    months = _months([row.day for row in rows])
    if len(months) < 4:
        return None
    if len(months) <= MAX_MONTHS:
        axis = period_axis(language.text("Month"), [language.month(day) for day in months])
        title = "All articles by month of publication"
        return _by_source("months", title, months, axis, rows, language)
    years = [date(year, 1, 1) for year in range(months[0].year, months[-1].year + 1)]
    rows = [replace(row, day=row.day.replace(month=1)) for row in rows]
    axis = period_axis(language.text("Year"), [str(day.year) for day in years])
    return _by_source("months", "All articles by year of publication", years, axis, rows, language)


def volume_by_day_or_month(rows: Sequence[DayCount], language: Language = ENGLISH) -> Markup | None:
    """By day, or by month where there are too many days."""
    days = [row.day for row in rows]
    if days and (max(days) - min(days)).days > MAX_DAYS_SHOWN:
        by_month = [replace(row, day=row.day.replace(day=1)) for row in rows]
        return volume_by_period(by_month, language)
    return volume(rows, language)


def delays(ranges: Mapping[int, int]) -> Markup | None:
    """How long after its publication an article was fetched."""
    axis = range_axis("Delay", list(DELAY_EDGES.values()))
    values = [ranges.get(place, 0) for place in range(len(axis.labels))]
    return _bars("delays", "Articles by delay", axis, [Series(name="articles", values=values)])


def changes(rows: Sequence[RunDay]) -> Markup | None:
    """New, modified and duplicate articles by day of the run."""
    kinds = {"new": "new", "modified": "updated", "duplicate": "duplicate"}
    axis, series = _by_day(rows, kinds)
    return _bars("changes", "Articles by day of the run", axis, series)


def activity(rows: ReportRows) -> Markup | None:
    """New articles of each source by day; a day without a listing is marked."""
    counts = {(row.source, row.day): row.count for row in rows.activity}
    days = _days([row.day for row in rows.activity])[-ACTIVITY_DAYS:]
    known = {row.source for row in rows.activity}
    names = [row.source for row in rows.sources if row.source in known][:MAX_ACTIVITY]
    if not names:
        return None
    part = f": {len(names)} of {len(known)} sources" if len(names) < len(known) else ""
    series = tuple(
        Series(name=name, values=[counts.get((name, day)) for day in days]) for name in names
    )
    return heat_rows(
        Chart(
            key="activity",
            title=f"New articles by source and day{part}",
            description=f"New articles of {len(names)} sources on {len(days)} days",
            axis=day_axis(days),
            series=series,
        )
    )


def failed_fetches(rows: Sequence[FetchDay]) -> Markup | None:
    """Failed fetches by day and kind."""
    kinds = {
        "gone (404, 410)": "gone",
        "server error (5xx)": "server_error",
        "no answer": "no_answer",
        "other": "other",
    }
    axis, series = _by_day(rows, kinds)
    return _bars("failures", "Failed fetches by day", axis, series)


def fetch_durations(rows: Sequence[FetchDay]) -> Markup | None:
    """How long a fetch took, by day."""
    axis, series = _by_day(rows, {"median": "median", "95%": "slow"})
    chart = Chart(
        key="durations",
        title="Duration of a fetch by day",
        description="Seconds of the requests of a fetch, for half and for 95% of the fetches.",
        axis=axis,
        series=series,
        form=duration,
    )
    return lines(chart) if chart.buckets else None


def _by_day(
    rows: Sequence[RunDay] | Sequence[FetchDay], kinds: Mapping[str, str]
) -> tuple[Axis, tuple[Series, ...]]:
    """An axis of days, and a series for each attribute of the rows, by its name in the chart."""
    days = _days([row.day for row in rows])
    found = {row.day: row for row in rows}
    series = tuple(
        Series(name=name, values=[getattr(found.get(day), attribute, None) for day in days])
        for name, attribute in kinds.items()
    )
    return day_axis(days), series


def _by_source(
    key: str,
    title: str,
    days: Sequence[date],
    axis: Axis,
    rows: Sequence[DayCount],
    language: Language,
) -> Markup | None:
    """Stacked bars of the largest sources; all others are one series."""
    totals: Counter[str] = Counter()
    counts: Counter[tuple[str, date]] = Counter()
    for row in rows:
        totals[row.source] += row.count or 0
    others = language.text(OTHERS)
    names = [name for name, _ in totals.most_common()]
    if len(names) > MAX_SERIES:
        names = [*names[: MAX_SERIES - 1], others]
    for row in rows:
        counts[row.source if row.source in names else others, row.day] += row.count or 0
    series = [Series(name=name, values=[counts[name, day] for day in days]) for name in names]
    return _bars(key, title, axis, series, language)


def _bars(
    key: str, title: str, axis: Axis, series: Sequence[Series], language: Language = ENGLISH
) -> Markup | None:
    chart = Chart(
        key=key,
        title=language.text(title),
        description="",
        axis=axis,
        series=tuple(series),
        language=language,
    )
    if not chart.buckets:
        return None
    return bars(replace(chart, description=_peak(chart)))


def _peak(chart: Chart) -> str:
    """The main result, as a sentence."""
    label, values = max(chart.buckets, key=lambda bucket: sum(filter(None, bucket[1])))
    sentence = chart.language.text("The highest value is %s: %s.")
    return sentence % (number(sum(filter(None, values))), label)


def _days(found: Sequence[date]) -> list[date]:
    """Every day from the first to the last, and a month at least."""
    if not found:
        return []
    last = max(found)
    first = min(*found, last - timedelta(days=MIN_DAYS - 1))
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def _months(found: Sequence[date]) -> list[date]:
    """The first day of every month from the first to the last."""
    if not found:
        return []
    first, last = min(found), max(found)
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    months = [first.month - 1 + i for i in range(count)]
    return [date(first.year + month // 12, month % 12 + 1, 1) for month in months]
