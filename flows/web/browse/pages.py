"""What each page shows, read from a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection
from markupsafe import Markup

from flows.admin.health import SourceReport, report_of
from flows.admin.revisions import changed_fields, diff_of, is_other_parse, unknown_article
from flows.import_export.feeds.model import FeedEntry, urn_of
from flows.settings import Settings
from flows.web.browse import queries
from flows.web.browse.pool import Reader
from flows.web.browse.response import Page
from flows.web.report import figures
from flows.web.report.rows import DayCount
from flows.word_diff import Operation
from warehouse.errors import NotFound
from warehouse.read.article import read_article, read_sightings
from warehouse.read.latest import read_latest
from warehouse.read.revisions import Revision, read_revisions
from warehouse.search.query import index_counts
from warehouse.syndication.query import find_pairs

HITS_EACH = 10
ROWS_EACH = 50
MAX_PAGES = 100
FEED_LENGTH = 30
PAIRS_SHOWN = 100
REVISIONS_SHOWN = 100
PAGE_BYTES = 20_000
"""How much of a quarantined page is shown."""

_EARLIEST, _LATEST = date(1000, 1, 1), date(9000, 1, 1)
_SOURCE_DAYS = 180
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
HEALTH_KINDS = {
    "ok": "good", "learning": "", "no_run": "", "warning": "warn", "overdue": "warn",
    "silent": "bad", "failing": "bad",
}  # fmt: skip
RUN_KINDS = {
    "completed": "good", "completed_with_warnings": "warn", "running": "", "interrupted": "",
    "failed": "bad", "crashed": "bad",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list is limited to.

    Attributes:
        query: A search; empty for all articles.
        source: Only this source; empty for all.
        since: Only articles published on this day or later.
        until: Only articles published on this day or earlier.
        number: Of the part, from 1.
    """

    query: str = ""
    source: str = ""
    since: date | None = None
    until: date | None = None
    number: int = 1

    def holds(self, counted: DayCount) -> bool:
        """Whether a number of articles of a day is about articles of the list."""
        return (
            self.source in ("", counted.source)
            and (self.since is None or self.since <= counted.day)
            and (self.until is None or counted.day <= self.until)
        )

    def times(self, zone: ZoneInfo) -> dict[str, Any]:
        """The values of a search; days are those of the zone."""
        since = self.since if self.since and self.since > _EARLIEST else None
        until = self.until + timedelta(days=1) if self.until and self.until < _LATEST else None
        return {
            "source": self.source,
            "since": since and datetime.combine(since, time(), zone),
            "until": until and datetime.combine(until, time(), zone),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionView:
    """A revision and what changed since the one before; the first has no changes."""

    revision: Revision
    changed: Sequence[str]
    is_other_parse: bool
    title: tuple[Operation, ...] = ()
    text: tuple[Operation, ...] = ()


def articles_page(reader: Reader, chosen: Filter, zone: ZoneInfo) -> Page:
    """The articles that a search finds, or all of them, with a chart of their days.

    Raises:
        BadQuery: The search is no valid text.
        WarehouseTooOld: The file has no search index.
    """
    if chosen.query:
        return _search_page(reader.db, chosen, zone)
    counts = [one for one in reader.remember(queries.volume) if chosen.holds(one)]
    offset = (chosen.number - 1) * ROWS_EACH
    rows = read_latest(
        reader.db,
        source=chosen.source,
        since=chosen.since,
        until=chosen.until,
        limit=ROWS_EACH,
        offset=offset,
    )
    return Page(
        title=f"Articles of {chosen.source}" if chosen.source else "Articles",
        template="articles.html",
        rows=rows,
        document={**_filter_json(chosen), "articles": rows, "days": _days_json(counts)},
        entries=[_entry(row) for row in rows[:FEED_LENGTH]],
        values={
            "chosen": chosen,
            "rows": rows,
            "first": offset + 1,
            "total": None,
            "missing": 0,
            "chart": _chart(counts),
            "has_more": len(rows) == ROWS_EACH,
        },
    )


def search_feed(db: DuckDBPyConnection, chosen: Filter, zone: ZoneInfo) -> Page:
    """The newest articles that a search finds, for a feed."""
    rows = queries.newest_hits(db, chosen.query, **chosen.times(zone), limit=FEED_LENGTH)
    return Page(
        title=f"Articles with {chosen.query}",
        template="articles.html",
        entries=[_entry(row) for row in rows],
    )


def article_page(db: DuckDBPyConnection, article_id: str) -> Page:
    """One article: its text, revisions with their changes, sightings and duplicates.

    Raises:
        NotFound: No article has this id; the message names the nearest known one.
    """
    row = read_article(db, article_id)
    if row is None:
        raise unknown_article(db, article_id)
    revisions = _revisions(read_revisions(db, article_id))
    sightings = read_sightings(db, article_id)
    found = find_pairs(db, article_id=article_id, limit=PAIRS_SHOWN)
    table = [_revision_row(one) for one in revisions]
    return Page(
        title=row["title"] or "(no title)",
        template="article.html",
        rows=table,
        document={
            "article": row,
            "revisions": [
                {**one, **_diff_json(view)} for one, view in zip(table, revisions, strict=True)
            ],
            "sightings": sightings,
            "duplicates": [asdict(pair) for pair in found.pairs],
            "duplicate_count": found.pair_count,
        },
        values={
            "row": row,
            "revisions": revisions,
            "sightings": sightings,
            "found": found,
            "revisions_shown": REVISIONS_SHOWN,
        },
    )


def sources_page(reader: Reader, settings: Settings) -> Page:
    """Every source of the configuration and of the warehouse, with its health."""
    stored = {row["source"]: row for row in reader.remember(queries.sources)}
    reports = {one.source: one for one in report_of(reader.db, settings, list(settings.sources))}
    names = sorted({*stored, *reports})
    rows = [_source_row(name, stored.get(name, {}), reports.get(name)) for name in names]
    findings = [line for one in reports.values() for line in one.lines()]
    return Page(
        title="Sources",
        template="sources.html",
        rows=rows,
        values={"rows": rows, "lines": findings, "kinds": HEALTH_KINDS},
    )


def source_page(reader: Reader, settings: Settings, name: str) -> Page:
    """One source: health, channels, volume and latest articles.

    Raises:
        NotFound: It is neither configured nor in the warehouse.
    """
    db = reader.db
    stored = {row["source"]: row for row in reader.remember(queries.sources)}
    if name not in stored and name not in settings.sources:
        raise NotFound(f"there is no source {name!r}: the page Sources lists all of them")
    is_configured = name in settings.sources
    (report,) = report_of(db, settings, [name]) if is_configured else (None,)
    rows = read_latest(db, source=name, limit=FEED_LENGTH)
    counts = [one for one in reader.remember(queries.volume) if one.source == name]
    last = max((one.day for one in counts), default=date.min)
    recent = [one for one in counts if (last - one.day).days < _SOURCE_DAYS]
    row = _source_row(name, stored.get(name, {}), report)
    channels = queries.channels(db, name)
    return Page(
        title=name,
        template="source.html",
        rows=rows,
        document={"source": row, "channels": channels, "articles": rows},
        entries=[_entry(one) for one in rows],
        values={
            "row": row,
            "lines": report.lines() if report else [],
            "channels": channels,
            "chart": _chart(recent),
            "articles": rows,
            "kinds": HEALTH_KINDS,
        },
    )


def quarantine_page(db: DuckDBPyConnection, *, source: str, is_open: bool, number: int) -> Page:
    """Failures with what was expected and found."""
    offset = (number - 1) * ROWS_EACH
    rows = queries.quarantine(db, source=source, is_open=is_open, limit=ROWS_EACH, offset=offset)
    return _list_page("Quarantine", "quarantine.html", rows, source, number, is_open=is_open)


def failure_page(db: DuckDBPyConnection, quarantine_id: str) -> Page:
    """One failure, with the beginning of its page as text.

    Raises:
        NotFound: There is no such failure.
    """
    row = queries.failure(db, quarantine_id, page_bytes=PAGE_BYTES)
    if row is None:
        raise NotFound(f"there is no failure {quarantine_id!r}: the page Quarantine lists all")
    row = {**row, "page": bytes(row["page"]).decode("utf-8", "replace")}
    return Page(
        title=f"Failure {quarantine_id[:8]}",
        template="failure.html",
        rows=[row],
        values={"row": row},
    )


def gaps_page(db: DuckDBPyConnection, *, source: str, is_open: bool, number: int) -> Page:
    """Intervals in which entries may have been missed."""
    offset = (number - 1) * ROWS_EACH
    rows = queries.gaps(db, source=source, is_open=is_open, limit=ROWS_EACH, offset=offset)
    return _list_page("Gaps", "gaps.html", rows, source, number, is_open=is_open)


def runs_page(db: DuckDBPyConnection, *, source: str, number: int) -> Page:
    """Runs with their counters and messages."""
    rows = queries.runs(db, source=source, limit=ROWS_EACH, offset=(number - 1) * ROWS_EACH)
    return _list_page("Runs", "runs.html", rows, source, number, kinds=RUN_KINDS)


def _list_page(
    title: str, template: str, rows: list[queries.Row], source: str, number: int, **more: object
) -> Page:
    values = {"rows": rows, "source": source, "number": number, "has_more": len(rows) == ROWS_EACH}
    return Page(title=title, template=template, rows=rows, values={**values, **more})


def _search_page(db: DuckDBPyConnection, chosen: Filter, zone: ZoneInfo) -> Page:
    times = chosen.times(zone)
    counts = queries.attention(db, chosen.query, **times, zone=zone.key)
    total = sum(one.count or 0 for one in counts)
    offset = (chosen.number - 1) * HITS_EACH
    rows = []
    if total > offset:
        rows = queries.search_page(db, chosen.query, **times, limit=HITS_EACH, offset=offset)
    content_count, indexed_count = index_counts(db)
    return Page(
        title=f"Articles with {chosen.query}",
        template="articles.html",
        rows=rows,
        document={
            **_filter_json(chosen),
            "total": total,
            "articles": rows,
            "days": _days_json(counts),
            "content_count": content_count,
            "indexed_count": indexed_count,
        },
        entries=[_entry(row) for row in rows],
        values={
            "chosen": chosen,
            "rows": rows,
            "first": offset + 1,
            "total": total,
            "chart": _chart(counts),
            "has_more": total > offset + HITS_EACH,
            "missing": content_count - indexed_count,
        },
    )


def _chart(counts: Sequence[DayCount]) -> Markup | None:
    return figures.volume_by_day_or_month([one for one in counts if one.day])


def _filter_json(chosen: Filter) -> dict[str, object]:
    return {"query": chosen.query, "source": chosen.source, "since": chosen.since,
            "until": chosen.until, "page": chosen.number}  # fmt: skip


def _days_json(counts: Sequence[DayCount]) -> list[dict[str, object]]:
    return [asdict(one) for one in counts]


def _entry(row: Mapping[str, Any]) -> FeedEntry:
    article_id, published = row["article_id"], row["published_at"]
    return FeedEntry(
        id=urn_of(article_id),
        title=row["title"],
        url=row["url"],
        related_url=f"/article?{urlencode({'id': article_id})}",
        categories=(row["source"],),
        published_at=published,
        updated_at=published or row.get("first_seen_at") or _UNKNOWN,
    )


def _revisions(found: Sequence[Revision]) -> list[RevisionView]:
    views = []
    pairs = list(zip((None, *found), found, strict=False))
    for before, one in pairs[-REVISIONS_SHOWN:]:
        views.append(
            RevisionView(
                revision=one,
                changed=changed_fields(before, one),
                is_other_parse=is_other_parse(before, one),
                title=diff_of(before, one, "title") if before else (),
                text=diff_of(before, one, "text") if before else (),
            )
        )
    return views


def _revision_row(view: RevisionView) -> dict[str, Any]:
    row = asdict(view.revision)
    del row["body_html"], row["text"]
    return {**row, "changed_fields": list(view.changed), "is_other_parse": view.is_other_parse}


def _diff_json(view: RevisionView) -> dict[str, Any]:
    if not view.text and not view.title:
        return {"diff": None}
    return {
        "diff": {name: [asdict(one) for one in getattr(view, name)] for name in ("title", "text")}
    }


def _source_row(
    name: str, stored: Mapping[str, Any], report: SourceReport | None
) -> dict[str, Any]:
    health = report.health if report else None
    return {
        "source": name,
        "state": report.state if report else "not_configured",
        "article_count": stored.get("article_count", 0),
        "last_success_at": stored.get("last_success_at"),
        "last_new_article_at": stored.get("last_new_article_at"),
        "new_articles_7_days": health.new_in_7_days if health else None,
        "normal_articles_7_days": health.normal_in_7_days if health else None,
        "normal_silence_hours": stored.get("normal_silence_hours"),
        "open_finding_count": stored.get("open_finding_count", 0),
        "open_quarantine_count": stored.get("open_quarantine_count", 0),
        "open_gap_count": stored.get("open_gap_count", 0),
    }
