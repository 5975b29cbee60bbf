"""What the steps of a run pass on: fetch targets, fetched pages, and batches of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from flows.fetch import (
    Expect,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    PermanentFetchError,
    PolicyRefusal,
)
from flows.pipeline import rows
from parsers.model import Entry, Page, Source
from warehouse.records.gone import GoneAnswer
from warehouse.records.not_modified import NotModified
from warehouse.rows import ArticleRow, FetchRow, NewGap, NewQuarantineEntry, Validators
from warehouse.upsert.observations import Observation

REVISIT_CHANNEL = "revisit"
"""The channel of an article that no listing had when it was fetched again."""


@dataclass(frozen=True, slots=True)
class FetchTarget:
    """An entry to fetch, and the page of its listing, if it has one.

    Attributes:
        is_revisit: No listing has the entry now.
    """

    entry: Entry
    listing: Page | None
    is_revisit: bool = False


@dataclass(slots=True)
class FetchedPage:
    """A page to parse.

    Attributes:
        fetched: ``None`` when the listing contained the article.
        is_trusted: False when the page changed and its validators did not.
        is_revisit: No listing had the entry at that time.
        origin: The record of a WARC file that has it; kept as provenance.
    """

    entry: Entry
    page: Page
    fetched: FetchResponse | None = None
    is_trusted: bool = True
    is_revisit: bool = False
    origin: str = ""

    @property
    def channel(self) -> str:
        """The channel of the sighting."""
        return REVISIT_CHANNEL if self.is_revisit else self.entry.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAnswer:
    """An entry whose page answered.

    Attributes:
        at: When, aware UTC.
        observation: The article of the page, if the page was parsed.
        keeps_article: The answer had no page: 304, 404 or 410.
    """

    entry: Entry
    at: datetime
    observation: Observation | None = None
    keeps_article: bool = False


Outcome = Observation | NewQuarantineEntry | str
"""What a page gave: an article, a failure, or the reason why it is no article."""


class Batch:
    """What one transaction stores; each step adds to it.

    Attributes:
        not_modified: Articles whose server answered 304, by article id.
        listings_not_modified: Listings that carry their articles and whose server answered
            304, with the time when it last sent them.
        gone: Answers of 404 and 410, by article id.
        live: Articles that were gone and answered, with the time; by article id.
        outcomes: What each of the pages gave, if a worker has parsed them.
        observations: Article rows, validated.
        fetches: One row for each address.
        failures: Pages, lines and listings that could not be parsed.
        watermarks: The time and the first entry of each listing that was read, by channel.
        listings_read: Addresses of listings; their open failures are resolved.
        failed_urls: Addresses whose page did not arrive.
        permanent_failures: Those of them that fail again at every attempt: gone, or not allowed.
        seen: Articles of unchanged entries, by key.
        answers: Entries whose pages answered.
        failed_entries: Entries whose pages did not arrive.
        open_channels: Channels with an entry that the next run has to ask for again.
    """

    def __init__(self, targets: Iterable[FetchTarget] = ()) -> None:
        self.targets = list(targets)
        self.revisited = {one.entry.source_article_id for one in self.targets if one.is_revisit}
        self.seen: list[tuple[bytes, NotModified]] = []
        self.answers: list[EntryAnswer] = []
        self.failed_entries: list[Entry] = []
        self.open_channels: set[str] = set()
        self.pages: list[FetchedPage] = []
        self.outcomes: list[Outcome] | None = None
        self.not_modified: dict[str, NotModified] = {}
        self.listings_not_modified: list[tuple[NotModified, datetime]] = []
        self.gone: dict[str, GoneAnswer] = {}
        self.live: dict[str, datetime] = {}
        self.observations: list[Observation] = []
        self.fetches: dict[str, FetchRow] = {}
        self.failures: list[NewQuarantineEntry] = []
        self.gaps: list[NewGap] = []
        self.watermarks: dict[str, tuple[datetime, str]] = {}
        self.listings_read: list[str] = []
        self.failed_urls: set[str] = set()
        self.permanent_failures: set[str] = set()

    def channel_of(self, entry: Entry) -> str:
        """The channel of a sighting of an entry's article."""
        return REVISIT_CHANNEL if self.is_revisit(entry) else entry.channel

    def is_revisit(self, entry: Entry) -> bool:
        """Whether no listing has the entry now."""
        return entry.source_article_id in self.revisited

    def drop_listing_validators(self) -> None:
        """Let the next run fetch the listings of the open channels whole.

        "Not modified" promises that every entry of the listing was handled.
        """
        for url in self.listings_read:
            row = self.fetches.get(url)
            if row is not None and row.channel in self.open_channels:
                self.fetches[url] = replace(row, etag=None, last_modified=None)

    @property
    def articles(self) -> list[ArticleRow]:
        """The rows of the observations."""
        return [one.row for one in self.observations]

    def record_fetch(
        self,
        source: Source,
        channel: str,
        fetched: FetchResponse | FetchFailure,
        *,
        entry: Entry | None = None,
        keep_validators: bool = False,
        error: str | None = None,
    ) -> None:
        """Add the row of a fetch."""
        if isinstance(fetched, FetchFailure):
            self.failed_urls.add(fetched.request.url)
            if isinstance(fetched.error, PermanentFetchError | PolicyRefusal):
                self.permanent_failures.add(fetched.request.url)
        row = rows.fetch_row(source, channel, fetched, entry=entry, keep_validators=keep_validators)
        # A page may follow the first page of several articles: its first row stays.
        self.fetches.setdefault(row.url, replace(row, error=error or row.error))

    def merge(self, other: Batch) -> None:
        """Store another batch of the same source in the same transaction."""
        self.targets += other.targets
        self.revisited |= other.revisited
        self.seen += other.seen
        self.answers += other.answers
        self.failed_entries += other.failed_entries
        self.open_channels |= other.open_channels
        self.not_modified |= other.not_modified
        self.listings_not_modified += other.listings_not_modified
        self.gone |= other.gone
        self.live |= other.live
        self.observations += other.observations
        self.fetches = other.fetches | self.fetches
        self.failures += other.failures
        self.gaps += other.gaps
        self.watermarks |= other.watermarks
        self.listings_read += other.listings_read
        self.failed_urls |= other.failed_urls
        self.permanent_failures |= other.permanent_failures


class DiscoveryResult:
    """The entries of a source.

    Attributes:
        targets: The entries to fetch, in the order of their listings.
        listed_count: How many entries the listings have.
        late_count: Due articles that are left to the next run.
        unread_count: How many listings did not arrive, or could not be parsed.
        gaps: Stored with the first batch. A later run finds its entries, and no gap.
        listings: Fetches, failures and watermarks of the listings. Stored with the last batch,
            because a watermark promises that every entry before it was handled.
    """

    def __init__(self) -> None:
        self.targets: list[FetchTarget] = []
        self.listed_count = 0
        self.late_count = 0
        self.unread_count = 0
        self.gaps: list[NewGap] = []
        self.listings = Batch()

    def batches(self, size: int) -> list[Batch]:
        """The targets in batches of a size; at least one batch."""
        starts = range(0, max(len(self.targets), 1), size)
        batches = [Batch(self.targets[start : start + size]) for start in starts]
        batches[0].gaps += self.gaps
        batches[-1].merge(self.listings)
        return batches

    def failures(self) -> Batch:
        """What an interrupted run stores of the listings: no promise about their entries."""
        batch = Batch()
        batch.failures = self.listings.failures
        return batch


def expected_body(source: Source) -> Expect:
    """What the body of an article page of a source must look like."""
    return "closed" if source.parser.requires_full_html else "any"


def build_request(
    url: str,
    known: Validators | None,
    entry: Entry | None = None,
    *,
    expect: Expect = "any",
    trusted_since: datetime | None = None,
) -> FetchRequest:
    """A request, conditional where "not modified" means that the article is unchanged.

    Args:
        url: The address.
        known: The validators of the last whole response.
        entry: The line of the listing, which may give the title or the time. The request is
            conditional only if the line is unchanged, too.
        expect: What the body must look like.
        trusted_since: Validators of an older response are not sent.
    """
    is_stale = known and trusted_since and known.fetched_at < trusted_since
    if known is None or is_stale or not rows.is_same_entry(known.listing_entry, entry):
        return FetchRequest(url=url, expect=expect)
    archived = None
    if known.archive_file is not None and known.archive_offset is not None:
        archived = (known.archive_file, known.archive_offset)
    return FetchRequest(
        url=url,
        etag=known.etag,
        last_modified=known.last_modified,
        validators_for=known.final_url,
        expect=expect,
        archived=archived,
    )
