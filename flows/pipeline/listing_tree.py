"""Listings that name further listings: the files of a sitemap index, and next pages.

A sync reads them in waves, newest first, each address once. Of a sitemap it takes the recent
entries; of a paged listing it reads pages until it finds an entry that it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flows.pipeline import rows
from flows.pipeline.run import RunContext
from flows.pipeline.stats import SourceStats
from flows.text import pluralize
from parsers.model import BadEntry, Entry, Listing, ListingContent, Page, Source
from parsers.text.dates import parse_time
from warehouse.records import fetches, not_modified
from warehouse.rows import Watermark

MAX_LISTINGS = 1000
"""How many listings a sync reads of one source."""

MAX_NEXT_PAGES = 50
"""How many pages of a listing a sync reads to find a known entry."""

MAX_UNDATED = 1000
"""How many entries without any date a sync takes for the first time."""

WAVE = 20
"""How many listings are fetched before the next decision."""

MARGIN = timedelta(days=1)
"""How far behind the last sync an entry of a sitemap still counts as recent."""

_LAST = 3
"""One of so many entries at the end of a page must be known; pinned entries are at its top."""

_ANSWERED = (200, 304, 404, 410)

Line = Entry | BadEntry


class ListingTree:
    """The listings of one source in one sync.

    Attributes:
        unread_channels: Channels with a listing that was left out because it is old, or that
            was not modified. Their entries continue earlier ones, so that they have no gap.
        incomplete: Channels with entries that are left to the next run, which therefore reads
            their listings whole.
    """

    def __init__(self, run: RunContext, source: Source, roots: Sequence[Listing]) -> None:
        self.run = run
        self.source = source
        self.stats: SourceStats = run.stats[source.slug]
        self.unread_channels: set[str] = set()
        self.incomplete: set[str] = set()
        self.marks: Mapping[str, Watermark] = {}
        self._waiting: list[Listing] = list(roots)
        self._seen = {one.url for one in roots}
        self._is_first = True
        self._undated = 0
        self._ids: set[str] = set()

    def next_wave(self) -> list[Listing]:
        """The listings to fetch now; empty when all are read. All roots are in the first."""
        size = len(self._waiting) if self._is_first else WAVE
        self._is_first = False
        wave, self._waiting = self._waiting[:size], self._waiting[size:]
        return [] if self.run.is_stopping else wave

    def take(self, listing: Listing, page: Page, content: ListingContent) -> tuple[Line, ...]:
        """Add the listings that a listing names; return the lines that this sync handles."""
        self.stats.warnings += content.notes
        self._seen.add(page.final_url or listing.url)
        mark = self.marks.get(listing.channel)
        if not listing.is_archive:
            for one in content.listings:
                if self._follows(listing, content, mark):
                    self._add(one)
            return self._once(content.entries)
        since = self._since(page, mark)
        for one in content.listings:
            if _is_old(one, since):
                self.unread_channels.add(one.channel)
            else:
                self._add(one)
        return self._once(self._recent(listing, content.entries, since))

    def _add(self, listing: Listing) -> None:
        if listing.url in self._seen:
            return
        if len(self._seen) >= MAX_LISTINGS:
            note = (
                f"more than {MAX_LISTINGS} listings; the others are not read: give the source "
                "the address of a smaller sitemap"
            )
            if note not in self.stats.warnings:
                self.stats.warnings.append(note)
            return
        self._seen.add(listing.url)
        self._waiting.append(listing)

    def _once(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """The lines without entries that an earlier listing of this sync had."""
        if self._is_single:
            return tuple(lines)
        kept = []
        for line in lines:
            if isinstance(line, Entry):
                if line.source_article_id in self._ids:
                    continue
                self._ids.add(line.source_article_id)
            kept.append(line)
        return tuple(kept)

    @property
    def _is_single(self) -> bool:
        return self.source.parser.read_listing is None

    # --- pages ---

    def _follows(self, listing: Listing, content: ListingContent, mark: Watermark | None) -> bool:
        """Whether the next page may have entries that are not known."""
        number = listing.depth + 1
        if number < _first_pages(self.source):
            return True
        if mark is None or number >= MAX_NEXT_PAGES:
            return False
        entries = [one for one in content.entries if isinstance(one, Entry)]
        ids = [f"{self.source.slug}:{one.source_article_id}" for one in entries][-_LAST:]
        if mark.value in ids or any(one in self.run.suppressed for one in ids):
            return False
        with self.run.reading() as db:
            return not not_modified.ids_in_channel(db, ids, channel=listing.channel)

    # --- sitemaps ---

    def _since(self, page: Page, mark: Watermark | None) -> datetime:
        """The time from which on entries are recent: never later than the last sync."""
        days = self.source.options.get("max_age_days", 0)
        if not isinstance(days, int) or not days:
            return datetime.min.replace(tzinfo=UTC)
        since = page.fetched_at - timedelta(days=days)
        return min(since, mark.at - MARGIN) if mark is not None and mark.at else since

    def _recent(self, listing: Listing, lines: Sequence[Line], since: datetime) -> list[Line]:
        """The recent entries, each as it was last fetched unless it has changed since."""
        ages = {id(one): self._age(one, since) for one in lines if isinstance(one, Entry)}
        asked = [one for one in lines if isinstance(one, Entry) and ages[id(one)] != "old"]
        with self.run.reading() as db:
            urls = [one.url for one in asked]
            answers = fetches.last_answers(db, urls, statuses=_ANSWERED, source=self.source.slug)
        kept: list[Line] = []
        left = 0
        for line in lines:
            if isinstance(line, BadEntry):
                kept.append(line)
            elif (age := ages[id(line)]) != "old":
                before = self._answer(line, answers)
                is_first = before is None
                if before is not None:
                    kept.append(self._as_answered(line, *before))
                elif age == "changed":
                    continue  # an old article that no sync has fetched belongs to a backfill
                elif is_first and age == "undated" and self._undated >= MAX_UNDATED:
                    left += 1
                else:
                    self._undated += age == "undated"
                    kept.append(line)
        if left:
            self.incomplete.add(listing.channel)
            self.stats.add(discovered=left, skipped=left)
            self.stats.warnings.append(
                f"{listing.url}: {pluralize(left, 'entry', 'entries')} without a date are left to "
                f"the next runs, {MAX_UNDATED} in each; include and exclude choose paths"
            )
        return kept

    def _age(self, entry: Entry, since: datetime) -> str:
        """``recent``, ``old``, ``undated``, or ``changed`` for an old one that was changed."""
        changed = self._is_since(entry.facts.get("updated", ""), since)
        appeared = self._is_since(
            entry.facts.get("published", "") or entry.facts.get("day", ""), since
        )
        if appeared is None and changed is None:
            return "undated"
        if appeared or (appeared is None and changed):
            return "recent"
        return "changed" if changed else "old"

    def _is_since(self, raw: str, since: datetime) -> bool | None:
        """Whether a time is not before another one; ``None`` when it is no time."""
        if not raw:
            return None
        early = (since - 2 * MARGIN).date().isoformat() if since.year > 1 else ""
        if raw[:2].isdigit() and raw[4:5] == raw[7:8] == "-" and raw[:10] < early:
            return False  # without a parse: an archive has 50,000 of these
        end = self._end_of(raw)
        return None if end is None else end >= since

    def _end_of(self, raw: str) -> datetime | None:
        """The latest time that a text may mean."""
        moment = parse_time(raw, self.source.zone(), "listing")
        if moment.at is None:
            return None
        return moment.at + timedelta(days=1) if moment.precision == "day" else moment.at

    def _answer(
        self, entry: Entry, answers: Mapping[str, tuple[str, datetime]]
    ) -> tuple[Entry, datetime] | None:
        text, at = answers.get(entry.url, ("", None))
        before = rows.entry_from_json(text)
        if before is None or at is None or before.source_article_id != entry.source_article_id:
            return None
        return (before, at) if before.channel == entry.channel else None

    def _as_answered(self, entry: Entry, before: Entry, at: datetime) -> Entry:
        """The entry as it was, unless it has changed since the last answer.

        Two sitemaps describe one article in different words, which is no change.
        """
        end = self._end_of(entry.facts.get("updated", ""))
        return entry if end is not None and end > at else before


def slim(page: Page) -> Page:
    """The page of a listing without its text, which may have megabytes."""
    return replace(page, text="")


def _first_pages(source: Source) -> int:
    pages = source.options.get("pages", 1)
    return pages if isinstance(pages, int) else 1


def _is_old(listing: Listing, since: datetime) -> bool:
    """Whether nothing in a listing is recent, as its index or its name declares."""
    if listing.changed_at is not None:
        return listing.changed_at < since
    return listing.period is not None and listing.period[1] < since.date()
