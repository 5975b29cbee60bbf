"""The audit of a source: compare its stored articles with its witness, and keep the gaps.

An article that the witness lists and the source lacks is in a gap of the channel ``witness``,
one gap a day. A gap closes when none of its articles is missing any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from duckdb import DuckDBPyConnection

from flows.admin.witness import ListedArticle, Witness, names_at
from flows.pipeline.date_range import DateRange, time_zone_of
from flows.pipeline.run import RunContext
from flows.secrets.redact import redact_url
from flows.settings import Settings
from flows.text import pluralize
from parsers.model import Source
from parsers.text.characters import single_line
from warehouse.read.known_articles import KnownArticle, known_articles, last_sync_at
from warehouse.records import gaps
from warehouse.rows import Gap, NewGap

CHANNEL = "witness"
"""The channel of gaps that an audit found; no listing closes them."""

OTHERS = {
    "erased": "erased on request",
    "gone": "removed by the publisher (404 or 410)",
    "quarantined": "in quarantine",
    "not_an_article": "pages of another kind",
    "newer": "newer than the last sync",
}
"""Listed articles that are neither stored nor missing, and how the text names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingArticle:
    """An article that the witness lists and the source lacks.

    Attributes:
        error: Why the last fetch brought no article; empty when none was tried.
    """

    article: ListedArticle
    error: str

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON document."""
        return {
            "url": redact_url(self.article.url),
            "title": self.article.title or None,
            "published_at": self.article.published_at,
            "last_error": self.error or None,
        }

    def __str__(self) -> str:
        """One line."""
        at = self.article.published_at
        parts = [
            f"{at:%Y-%m-%d %H:%M}" if at else "no time",
            redact_url(self.article.url),
            *([single_line(self.article.title)] if self.article.title else []),
            *([f"({single_line(self.error)})"] if self.error else []),
        ]
        return "  ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit.

    Attributes:
        listed: Articles of the source that the witness lists in the window.
        stored: Those of them that are stored under any of their names.
        others: Addresses of those that are neither stored nor missing, by state.
        undated: Listed articles without a time; they count in every window.
        opened, closed: Gaps that this audit opened and closed.
        unlisted: Addresses that earlier audits missed, that the witness lists no more and that
            are missing still.
    """

    run_id: str
    source: str
    witness: Witness
    window: DateRange | None
    listed: int
    stored: int
    missing: tuple[MissingArticle, ...]
    others: dict[str, tuple[str, ...]]
    undated: int
    opened: int
    closed: int
    unlisted: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of everything that is missing."""
        return tuple(dict.fromkeys([*(one.article.url for one in self.missing), *self.unlisted]))

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "run_id": self.run_id,
            "source": self.source,
            "witness": self.witness.name,
            "from": self.window.first if self.window else None,
            "to": self.window.last if self.window else None,
            "listed": self.listed,
            "stored": self.stored,
            "missing": [one.as_json() for one in self.missing],
            "unlisted": [redact_url(url) for url in self.unlisted],
            **{name: list(self.others.get(name, ())) for name in OTHERS},
            "undated": self.undated,
            "foreign": self.witness.foreign_count,
            "unreadable": self.witness.unreadable_count,
            "notes": list(self.witness.notes),
            "gaps_opened": self.opened,
            "gaps_closed": self.closed,
        }

    def __str__(self) -> str:
        """The counts, then one line for each missing article."""
        days = f" from {self.window.first} to {self.window.last}" if self.window else ""
        counts = f"{self.stored:,} of {self.listed:,} listed{days} are stored"
        missing = len(self.missing)
        if missing:
            counts += f"; {'this one is' if missing == 1 else f'these {missing:,} are'} missing:"
        lines = [f"{self.source}: {counts}", *(f"    {one}" for one in self.missing)]
        lines += [
            f"    {redact_url(url)}  (missing since an earlier audit, listed no more)"
            for url in self.unlisted
        ]
        lines += [
            f"{len(urls):,} {OTHERS[name]}: {', '.join(map(redact_url, urls[:3]))}"
            f"{', ...' if len(urls) > 3 else ''}"
            for name, urls in self.others.items()
            if urls
        ]
        lines += self._notes()
        return "\n".join(lines)

    def _notes(self) -> list[str]:
        witness, notes = self.witness, list(self.witness.notes)
        if self.window and self.undated:
            notes.append(f"{pluralize(self.undated, 'listed article')} without a time counted, too")
        if witness.foreign_count:
            entries = pluralize(witness.foreign_count, "entry", "entries")
            notes.append(f"{entries} of the witness lead to no article of {self.source}")
        if witness.unreadable_count:
            entries = pluralize(witness.unreadable_count, "entry", "entries")
            notes.append(f"{entries} of the witness cannot be read")
        if self.opened or self.closed:
            notes.append(
                f"{pluralize(self.opened, 'gap')} opened, {pluralize(self.closed, 'gap')} closed"
            )
        if self.addresses:
            notes.append(f"to fetch them: copydesk gaps --audit {self.source} --backfill")
        return notes


def audit(
    settings: Settings, source: Source, witness: Witness, window: DateRange | None = None
) -> AuditReport:
    """Compare a source with its witness; open, change and close its gaps.

    Args:
        settings: The configuration.
        source: The audited source.
        witness: What its witness lists.
        window: Days in the time zone of the source; all that the witness lists by default.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    run = RunContext("audit", settings, [source.slug])
    listed = [one for one in witness.articles if one.may_be_in(window)]
    with run:
        with run.writing() as db:
            comparison = _Comparison(db, source, listed)
            zone = time_zone_of(settings, source)
            changes = _GapChanges(db, source, run.id, zone)
            changes.put(comparison.missing, witness.name)
            changes.close(window)
        stats = run.stats[source.slug]
        stats.add(gaps=changes.opened)
        if comparison.missing:
            stats.warn(
                f"the witness {witness.name} lists {pluralize(len(comparison.missing), 'article')} "
                "that are not stored"
            )
        run.finish()
        run.publish()
    return AuditReport(
        run_id=run.id,
        source=source.slug,
        witness=witness,
        window=window,
        listed=len(listed),
        stored=comparison.stored,
        missing=tuple(comparison.missing),
        others=comparison.others,
        undated=sum(one.published_at is None for one in listed),
        opened=changes.opened,
        closed=changes.closed,
        unlisted=tuple(changes.unlisted),
    )


class _Comparison:
    """The state of each listed article."""

    def __init__(
        self, db: DuckDBPyConnection, source: Source, listed: Sequence[ListedArticle]
    ) -> None:
        synced_at = last_sync_at(db, source.slug)
        found = known_articles(db, source.slug, [one.names for one in listed])
        self.stored = 0
        self.missing: list[MissingArticle] = []
        others: dict[str, list[str]] = {name: [] for name in OTHERS}
        for article, known in zip(listed, found, strict=True):
            at = article.published_at or article.changed_at
            if known.state == "stored":
                self.stored += 1
            elif known.state != "missing":
                others[known.state].append(article.url)
            elif synced_at and at and at > synced_at:
                others["newer"].append(article.url)
            else:
                self.missing.append(MissingArticle(article=article, error=known.error))
        self.others = {name: tuple(urls) for name, urls in others.items()}


class _GapChanges:
    """The gaps of a source that an audit opens, changes and closes.

    Attributes:
        put_keys: The intervals with missing articles of this audit.
        unlisted: Missing addresses of earlier audits that the witness lists no more.
    """

    def __init__(self, db: DuckDBPyConnection, source: Source, run_id: str, zone: ZoneInfo) -> None:
        self.db = db
        self.source = source
        self.run_id = run_id
        self.zone = zone
        self.opened = self.closed = 0
        self.put_keys: set[object] = set()
        self.unlisted: list[str] = []

    def put(self, missing: Iterable[MissingArticle], witness: str) -> None:
        """Store one gap for each day with missing articles, and one for those without a time."""
        by_day: dict[date | None, list[str]] = defaultdict(list)
        for one in missing:
            at = one.article.published_at
            by_day[at.astimezone(self.zone).date() if at else None].append(one.article.url)
        for day, urls in by_day.items():
            days = DateRange(first=day, last=day, zone=self.zone) if day else None
            key = (days.start if days else None, days.end if days else None)
            earlier = [url for url in self._still_missing(key) if url not in urls]
            self.unlisted += earlier
            urls += earlier
            gap = NewGap(
                source=self.source.slug,
                channel=CHANNEL,
                from_at=key[0],
                to_at=key[1],
                detected_by=f"audit: {witness} lists {pluralize(len(urls), 'article')} not stored",
                missing_urls=tuple(urls),
            )
            self.opened += gaps.put_audited(self.db, gap, run_id=self.run_id)
            self.put_keys.add(key)

    def close(self, window: DateRange | None) -> None:
        """Close the other gaps of the window whose articles are not missing any more."""
        for gap in _open_gaps(self.db, self.source, window):
            if (gap.row.from_at, gap.row.to_at) in self.put_keys:
                continue
            if missing := self._missing_of(gap):
                self.unlisted += missing
            else:
                gaps.close_audited(self.db, gap.gap_id, run_id=self.run_id)
                self.closed += 1

    def _still_missing(self, key: tuple[object, object]) -> list[str]:
        """Addresses of an earlier audit of the same day that the witness may list no more."""
        return [
            url
            for gap in _open_gaps(self.db, self.source, None)
            if (gap.row.from_at, gap.row.to_at) == key
            for url in self._missing_of(gap)
        ]

    def _missing_of(self, gap: Gap) -> list[str]:
        urls = gap.row.missing_urls
        names = [names_at(self.source, url) for url in urls]
        found: list[KnownArticle] = known_articles(self.db, self.source.slug, names)
        pairs = zip(urls, found, strict=True)
        return [url for url, known in pairs if known.state == "missing"]


def _open_gaps(db: DuckDBPyConnection, source: Source, window: DateRange | None) -> list[Gap]:
    """The open gaps of earlier audits that lie in a window."""
    return [
        gap
        for gap in gaps.list_gaps(db, source=source.slug)
        if gap.row.channel == CHANNEL
        and (window is None or gap.row.from_at is None or window.contains(gap.row.from_at))
    ]
