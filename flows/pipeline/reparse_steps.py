"""Archived pages through today's parsers: what they say now, and what they said before.

A page is read again under the time it was fetched at, so that a replay of an old page never
replaces what was seen later, and a corrected reading of the newest page does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flows.archive import ArchiveError
from flows.archive.index import listing_pages, read_response
from flows.fetch import FetchResponse, decode_page
from flows.pipeline import rows, steps
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import CheckpointedRun
from flows.pipeline.reparse_failures import ReparseFailures
from flows.pipeline.stats import EXIT_CODES, MAX_MESSAGES, RunReport, page_problem
from flows.text import pluralize
from parsers import registry
from parsers.errors import NotAnArticle, ParseError
from parsers.model import Entry, Listing, Page, Source
from warehouse.read import archived_fetches
from warehouse.read.archived_fetches import ArchivedPage
from warehouse.rows import ArticleRow, NewQuarantineEntry

PAGES_EACH = 200

DIFFERENT = 4
COMPARED = (
    "title", "text", "body_html", "publisher", "published_at", "published_precision", "updated_at",
    "authors", "categories", "tags", "language", "lead_image", "original_url", "url",
    "canonical_url",
)  # fmt: skip
_FINENESS = ("unknown", "day", "minute", "second")
_MUST_STAY = 0.5
"""A text that loses more than half of its letters has lost something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserDiff(RunReport):
    """What a comparison found.

    Attributes:
        regressed: One sentence for each field of an article that lost something.
        changed: How many articles of each source differ, by field.
    """

    regressions: tuple[str, ...]
    changed: dict[str, dict[str, int]]

    @property
    def exit_code(self) -> int:
        """4 when something got worse, else that of the run."""
        return DIFFERENT if self.regressions else EXIT_CODES[self.state]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that needs attention; what got worse comes first."""
        found = [f"{stats.source}: {words}" for stats in self.stats for words in stats.errors]
        more = len(self.regressions) - MAX_MESSAGES
        kept = [f"worse: {words}" for words in self.regressions[:MAX_MESSAGES]]
        return (*kept, *([f"and {more} more that got worse"] if more > 0 else []), *found)

    def as_json(self) -> dict[str, Any]:
        """The run's JSON document."""
        return {
            **super(ParserDiff, self).as_json(),
            "regressed": list(self.regressions),
            "changed": self.changed,
        }


@dataclass(slots=True)
class FieldChanges:
    """What today's parsers say otherwise, counted up page by page.

    Attributes:
        changed: How many articles differ in each field.
        regressed: One sentence for each field of an article that lost something.
        same: Pages that say what they said.
        unknown: Pages of articles that are not stored.
    """

    changed: dict[str, int] = field(default_factory=dict)
    regressions: list[str] = field(default_factory=list)
    same: int = 0
    unknown: int = 0

    def words(self) -> list[str]:
        """What is worth knowing, in lines."""
        lines = [
            f"{pluralize(count, 'article differs', 'articles differ')} in {name}"
            for name, count in sorted(self.changed.items())
        ]
        return [f"{pluralize(self.same, 'page says', 'pages say')} what they said", *lines]


class Reparser:
    """Reading the pages of one source again."""

    def __init__(
        self, run: CheckpointedRun, slug: str, *, since: datetime | None, diff: bool
    ) -> None:
        self.run = run
        self.source: Source = run.settings.source(slug)
        self.since = since
        self.is_diff = diff
        self.stats = run.stats_of(slug)
        self.differences = FieldChanges()
        self._unread = ReparseFailures(slug)
        self._listings = listing_pages(self.source)
        regular = self.source.parser.listings(self.source)
        self._carrying = {one.channel: one for one in regular if one.has_content}
        self._channels = {one.channel for one in regular} | {registry.SHARE_LINK}
        self._following: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._passed_over: dict[str, int] = {}
        self._after: tuple[datetime, str, int] | None = None

    def total(self) -> int:
        """How many pages there are to read."""
        with self.run.reading() as store:
            return archived_fetches.count_archived(store, [self.source.slug], since=self.since)

    def take(self) -> list[ArchivedPage]:
        """The next pages, oldest first; none when all are read."""
        with self.run.reading() as store:
            pages = archived_fetches.archived_pages(
                store, [self.source.slug], since=self.since, after=self._after, limit=PAGES_EACH
            )
        if pages:
            self._after = pages[-1].place
        else:
            self._tell_passed_over()
        return pages

    def _tell_passed_over(self) -> None:
        """Say which archived pages are listings of channels that are not configured any more."""
        for channel, count in self._passed_over.items():
            self.stats.warnings.append(
                f"{count} archived pages of the channel {channel!r} were not read: it is none of "
                "the source's now"
            )
        self._passed_over.clear()

    def read(self, pages: Sequence[ArchivedPage]) -> Batch:
        """Read some pages; what cannot be read is kept unless only compared, and told by ``end``."""
        batch = Batch()
        for page in pages:
            try:
                batch.pages += self._arrived(page)
            except ArchiveError as error:
                self.stats.fail(f"{page.url}: {error}")
            except ParseError as error:
                self._unread.listing(page.url, page.fetched_at, str(error))
        self.stats.add(discovered=len(batch.pages))
        for one in batch.pages:
            self._read_one(one, batch)
        batch.pages.clear()
        self._unread.was_read(batch.rows)
        if self.is_diff:
            self._compare(batch)
        return batch

    def _read_one(self, one: FetchedPage, batch: Batch) -> None:
        """As ``steps.read`` does, but nothing is counted before later pages were read."""
        try:
            row = steps.parse_fetched_page(self.source, one)
        except NotAnArticle:
            return
        if isinstance(row, NewQuarantineEntry):
            batch.failures.append(row)
            self._unread.page(row)
        else:
            batch.rows.append(row)

    def end(self) -> None:
        """Count and tell what could not be read, but for what was read later."""
        with self.run.reading() as store:
            judged = self._unread.judged(store)
        for article, words in judged.pages:
            self.stats.quarantine(words, page_problem(article, words))
        for words in judged.listings:
            self.stats.fail(words)
        # Stored, what is older than its article was told as it was stored.
        over = judged.listings_over + (judged.pages_over if self.is_diff else 0)
        if over:
            self.stats.warnings.append(
                f"{pluralize(over, 'unreadable page')} of the archive passed over, because later ones were "
                "read: `copydesk quarantine list --resolved` shows those kept"
            )

    def store(self, batch: Batch) -> None:
        """Store what was read, in one transaction."""
        if not self.is_diff:
            steps.load(self.run, self.source, batch)

    def _arrived(self, page: ArchivedPage) -> list[FetchedPage]:
        """The articles of an archived page: one, those a listing carries, or none."""
        fetched = self._fetched(page)
        if listing := self._listing_of(page):
            return self._carried(listing, fetched)
        entry = rows.entry_from_json(page.entry)
        if entry is None:
            if page.url not in self._following and page.channel not in self._channels:
                passed = self._passed_over.get(page.channel, 0)
                self._passed_over[page.channel] = passed + 1
            return []  # a following page, read with the first one, or a listing without articles
        whole = self._with_following(page, decode_page(fetched, entry))
        return [FetchedPage(entry, whole, fetched)]

    def _listing_of(self, page: ArchivedPage) -> Listing | None:
        """The listing that a page is of, also under an address that it had before."""
        if known := self._listings.get(page.url):
            return known
        carrying = None if page.entry else self._carrying.get(page.channel)
        return replace(carrying, url=page.url) if carrying else None

    def _carried(self, listing: Listing, fetched: FetchResponse) -> list[FetchedPage]:
        lines = registry.entries(self.source, listing, decode_page(fetched, None))
        return [
            FetchedPage(line, decode_page(fetched, line))
            for line in lines
            if isinstance(line, Entry) and line.content is not None
        ]

    def _with_following(self, page: ArchivedPage, first: Page) -> Page:
        urls: tuple[str, ...] = ()
        with suppress(ParseError):  # what the parser cannot make of the page, reading it will say
            urls = registry.next_pages(self.source, first)
        if not urls:
            return first
        self._following.update(urls)
        with self.run.reading() as store:
            found = archived_fetches.following_pages(store, urls, run_id=page.run_id)
        more = [decode_page(self._fetched(found[url]), None) for url in urls if url in found]
        return replace(first, next_pages=tuple(more))

    def _fetched(self, page: ArchivedPage) -> FetchResponse:
        folder = self.run.settings.archive.path
        fetched = read_response(
            folder, page.archive_file, page.archive_offset, page.url, page.final_url
        )
        return replace(fetched, fetched_at=page.fetched_at)

    def _compare(self, batch: Batch) -> None:
        asked = [(row.article_id, row.fetched_at) for row in batch.rows]
        with self.run.reading() as store:
            before = archived_fetches.articles_as_of(store, asked)
            lost = archived_fetches.parsed_before(store, batch.failures)
        for row in batch.rows:
            self._compare_one(row, before.get((row.article_id, row.fetched_at)))
        for number in sorted(lost):
            bad = batch.failures[number]
            words = bad.message.partition("\n")[0]
            self._regress(bad.article_id or "", "", f"was read before and now is not: {words}")

    def _compare_one(self, row: ArticleRow, before: dict[str, Any] | None) -> None:
        found = self.differences
        if before is None:
            found.unknown += 1
            return
        changed = [name for name in COMPARED if getattr(row, name) != before[name]]
        found.same += not changed
        for name in changed:
            found.changed[name] = found.changed.get(name, 0) + 1
            if lost := regression_of(name, before[name], getattr(row, name)):
                self._regress(row.article_id, name, f"{name}: {lost}")
        counted = "modified" if row.content_hash != before["content_hash"] else "unmodified"
        self.stats.add(**{counted: 1})

    def _regress(self, article_id: str, name: str, words: str) -> None:
        """Keep what an article lost in a field, or all of it: once, however often it was fetched."""
        if (article_id, name) not in self._told:
            self._told.add((article_id, name))
            self.differences.regressions.append(f"{article_id}: {words}")


def regression_of(name: str, before: Any, now: Any) -> str:
    """What a field lost, in words; empty when it lost nothing."""
    if before and not now:
        return f"was {_short(before)}, is missing now"
    if name == "published_precision" and _FINENESS.index(now) < _FINENESS.index(before):
        return f"was known to the {before}, is known to the {now} now"
    if name in ("text", "body_html") and len(now) < len(before) * _MUST_STAY:
        return f"had {len(before)} letters, has {len(now)} now"
    if isinstance(before, tuple) and len(now) < len(before):
        return f"was {_short(before)}, is {_short(now)} now"
    return ""


def _short(value: Any) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")
