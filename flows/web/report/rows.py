"""The rows of a report: what its queries return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

FIELDS = (
    "publisher", "authors", "time", "full text", "language", "categories", "tags", "lead image",
)  # fmt: skip
"""The fields of which ``Coverage`` has a share, in its order."""

DELAY_EDGES = {
    60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h", 6 * 3600: "6 h", 86_400: "1 d",
    7 * 86_400: "7 d",
}  # fmt: skip
"""Seconds between the ranges of delays, and their names."""

MAX_DAYS = 90
"""How many days a chart by day shows."""

ACTIVITY_DAYS = 60
"""How many days of each source the report shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the report is about.

    Attributes:
        at: When the snapshot was published, aware.
        zone: The name of the time zone of days and times.
        last_day: Later days of publication are not plausible.
    """

    at: datetime
    zone: str
    last_day: date


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole warehouse in numbers."""

    article_count: int
    content_count: int
    source_count: int
    publisher_count: int
    first_day: date | None
    last_day: date | None
    undated_count: int
    future_count: int
    new_in_7_days: int
    corrected_count: int
    gone_count: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """A number of articles of a source; ``None`` where its listings were not read.

    Attributes:
        day: The day, or the first day of the month.
    """

    day: date
    source: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Delay:
    """From the publication of the articles of a source to their first fetch, in seconds.

    Attributes:
        count: Articles with a delay.
        early_count: Articles fetched before the time that they name.
    """

    source: str
    count: int
    median: float | None
    ninth_decile: float | None
    early_count: int


@dataclass(frozen=True, slots=True)
class RunDay:
    """The counters of all runs that started on a day."""

    day: date
    new: int
    updated: int
    duplicate: int


@dataclass(frozen=True, slots=True)
class Publisher:
    """A publisher; ``language`` is that of most of its articles."""

    name: str
    language: str | None
    article_count: int
    duplicate_count: int
    sources: Sequence[str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The share of the articles of a source that have each of ``FIELDS``."""

    source: str
    shares: Sequence[float]


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source against its normal.

    Attributes:
        state: As in the view ``sources``, or ``failing`` after a sync that failed.
    """

    source: str
    article_count: int
    state: str | None
    last_success_at: datetime | None
    last_new_article_at: datetime | None
    new_articles_7_days: int | None
    normal_articles_7_days: float | None
    open_finding_count: int
    open_quarantine_count: int
    open_gap_count: int


@dataclass(frozen=True, slots=True)
class FailedSync:
    """The last sync of a source, if it failed; ``message`` is its first error."""

    source: str
    started_at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A deviation of a source from its normal; ``subject`` names it."""

    source: str
    subject: str
    expected: str
    found: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class FetchDay:
    """The fetches of a day; the failed ones by what failed.

    Attributes:
        median, slow: Seconds of half and of 95% of the fetches; ``None`` where not measured.
    """

    day: date
    gone: int
    server_error: int
    no_answer: int
    other: int
    median: float | None
    slow: float | None


@dataclass(frozen=True, slots=True)
class FetchSource:
    """The fetches of a source in the last ``MAX_DAYS`` days; seconds as in ``FetchDay``."""

    source: str
    count: int
    failed_count: int
    retried_count: int
    byte_count: int
    median: float | None
    slow: float | None


@dataclass(frozen=True, slots=True)
class FetchError:
    """Failed fetches with the same last result; ``name`` as in ``attempt_results``."""

    name: str
    count: int
    sources: Sequence[str]
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """The first article of a text that others have, too: ``copies`` names their publishers."""

    article_id: str
    title: str | None
    language: str | None
    publisher: str
    published_at: datetime | None
    copy_count: int
    copies: Sequence[str]


@dataclass(frozen=True, slots=True)
class Direction:
    """How many articles of a source another one had first; ``same_count`` with equal text."""

    source: str
    other_source: str
    count: int
    same_count: int


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap that is not closed."""

    source: str
    channel: str
    from_at: datetime | None
    to_at: datetime | None
    detected_by: str
    missing_count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many are open, and how many were closed."""

    open: int
    closed: int


@dataclass(frozen=True, slots=True)
class Reason:
    """The failures of a source for one reason."""

    source: str
    reason: str
    open_count: int
    resolved_count: int
    last_failed_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A page or entry in quarantine."""

    source: str
    url: str
    reason: str
    expected: str
    found: str
    last_failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRows:
    """Everything that a report shows.

    Attributes:
        delay_ranges: How many delays are in each range between ``DELAY_EDGES``, by its place.
    """

    overview: Overview
    volume: Sequence[DayCount]
    volume_by_month: Sequence[DayCount]
    delays: Sequence[Delay]
    delay_ranges: Mapping[int, int]
    run_days: Sequence[RunDay]
    publishers: Sequence[Publisher]
    coverage: Sequence[Coverage]
    sources: Sequence[SourceState]
    failed_syncs: Sequence[FailedSync]
    findings: Sequence[OpenFinding]
    activity: Sequence[DayCount]
    fetch_days: Sequence[FetchDay]
    fetch_sources: Sequence[FetchSource]
    errors: Sequence[FetchError]
    stories: Sequence[Story]
    directions: Sequence[Direction]
    open_gaps: Sequence[OpenGap]
    gap_counts: Counts
    quarantine_counts: Counts
    reasons: Sequence[Reason]
    failures: Sequence[Failure]
