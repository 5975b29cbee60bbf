"""Parse archived pages: the part of a reparse that needs no warehouse, so that a worker can do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from flows.archive import ArchiveError, BucketUnreachable, FolderStore, open_store
from flows.archive.index import listing_pages, read_response
from flows.fetch import FetchResponse, decode_page
from flows.pipeline import rows, steps
from flows.pipeline.batch import FetchedPage, Outcome
from flows.pipeline.cluster import SourceSpec, require_files
from flows.pipeline.next_pages import add_next_pages, next_urls
from flows.settings import ArchiveSettings
from parsers import registry
from parsers.errors import ParseError
from parsers.model import Entry, Listing, Page, Source
from warehouse.read.archived_fetches import ArchivedPage
from warehouse.rows import NewQuarantineEntry

FindPage = Callable[[str, ArchivedPage], ArchivedPage | None]
"""The archived next page of a URL that belongs to another page."""


@dataclass(slots=True, kw_only=True)
class ParsedArchivedPage:
    """What an archived page gave.

    Attributes:
        articles: Its article, or those that a listing carries.
        outcomes: What each of them gave.
        failure: A listing that could not be parsed.
        error: Why the page could not be read; else empty.
        next_urls: The addresses of its following pages.
        is_unknown: It leads to no article: a next page, or of a channel that is gone.
        is_left: It has following pages, which only the warehouse can find.
    """

    articles: list[FetchedPage] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    failure: NewQuarantineEntry | None = None
    error: str = ""
    next_urls: list[str] = field(default_factory=list)
    is_unknown: bool = False
    is_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseOrder:
    """Archived pages of one source for a worker.

    Attributes:
        archive: The folder or the bucket, as all machines see it.
        files: Names of some of its files, which the worker must see too.
    """

    source: SourceSpec
    archive: ArchiveSettings
    files: tuple[str, ...]
    pages: tuple[ArchivedPage, ...]


def parse_order(order: ParseOrder) -> list[ParsedArchivedPage]:
    """Parse the pages of an order on a worker.

    The texts of the pages stay there; the bodies of failed pages are in their failures.

    Raises:
        WorkerMismatch: The worker does not see the archive.
    """
    archive = open_store(order.archive)
    require_files(archive, order.files)
    parser = ArchivedPageParser(order.source.source(), archive)
    found = [parser.parse(page) for page in order.pages]
    for parsed in found:
        parsed.articles = [_without_text(one) for one in parsed.articles]
    return found


def _without_text(one: FetchedPage) -> FetchedPage:
    page = replace(one.page, text="", next_pages=())
    return replace(one, page=page, fetched=one.fetched and replace(one.fetched, body=b""))


class ArchivedPageParser:
    """Reads the archived pages of one source, and parses them."""

    def __init__(self, source: Source, archive: FolderStore) -> None:
        self._source = source
        self._archive = archive
        self._listings = listing_pages(source)
        regular = source.parser.listings(source)
        self._carrying = {one.channel: one for one in regular if one.has_content}

    def parse(self, page: ArchivedPage, find_page: FindPage | None = None) -> ParsedArchivedPage:
        """Parse one page.

        Args:
            page: Where it is.
            find_page: Finds its following pages; without it, such a page is left.

        Raises:
            BucketUnreachable: The bucket of the archive gave no answer.
        """
        found = ParsedArchivedPage()
        try:
            self._read(page, found, find_page)
        except BucketUnreachable:
            raise  # so it would be for every other page
        except ArchiveError as error:
            return ParsedArchivedPage(error=str(error), next_urls=found.next_urls)
        found.outcomes = steps.parse_pages(self._source, found.articles)
        return found

    def read(self, page: ArchivedPage) -> FetchResponse:
        """The response of a page, with the time of its fetch.

        Raises:
            ArchiveError: There is no such record, or it is damaged.
        """
        file, offset = page.archive_file, page.archive_offset
        response = read_response(self._archive, file, offset, page.url, page.final_url)
        return replace(response, fetched_at=page.fetched_at)

    def _read(
        self, page: ArchivedPage, found: ParsedArchivedPage, find_page: FindPage | None
    ) -> None:
        """Add the articles of an archived page: one, those that a listing carries, or none."""
        response = self.read(page)
        if listing := self._listing_of(page):
            self._read_listing(listing, response, found)
            return
        entry = rows.entry_from_json(page.entry)
        found.is_unknown = entry is None
        if entry is None:
            return
        first = decode_page(response, entry)
        if find_page is None:
            found.is_left = bool(next_urls(self._source, first, set()))
        else:
            first = self._with_next_pages(page, first, found, find_page)
        if not found.is_left:
            found.articles = [FetchedPage(entry, first, response)]

    def _read_listing(
        self, listing: Listing, response: FetchResponse, found: ParsedArchivedPage
    ) -> None:
        try:
            entries = registry.entries(self._source, listing, decode_page(response, None))
        except ParseError as error:
            found.failure = rows.listing_failure(self._source, listing.channel, response, error)
            return
        found.articles = [
            FetchedPage(entry, decode_page(response, entry))
            for entry in entries
            if isinstance(entry, Entry) and entry.content is not None
        ]

    def _listing_of(self, page: ArchivedPage) -> Listing | None:
        """The listing of a page, also under the URL that it had before."""
        if known := self._listings.get(page.url):
            return known
        carrying = None if page.entry else self._carrying.get(page.channel)
        return replace(carrying, url=page.url) if carrying else None

    def _with_next_pages(
        self, page: ArchivedPage, first: Page, found: ParsedArchivedPage, find_page: FindPage
    ) -> Page:
        def archived(url: str) -> Page | None:
            found.next_urls.append(url)
            following = find_page(url, page)
            return decode_page(self.read(following), None) if following else None

        return add_next_pages(self._source, first, archived)
