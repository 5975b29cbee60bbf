"""Index of an archive for one source: which pages it holds, and which entries led to them.

An archive holds listings and article pages alike. Its listings name the entries of the pages.
A page without an entry is used if its source can derive the entry from the URL.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from requests.structures import CaseInsensitiveDict
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from flows.archive.errors import ArchiveError, BucketUnreachable
from flows.archive.reader import read_record
from flows.archive.stores import ArchiveLocation, FolderStore, store_of
from flows.fetch import FetchRequest, FetchResponse, decode_page
from flows.fetch.ssrf import without_credentials
from parsers import registry
from parsers.errors import ParseError, UnknownUrl
from parsers.model import Entry, Listing, Page, Source

_MAX_LISTING_PAGES = 300
_BEFORE_ALL = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """File and offset of an archived page, its URL and the time of its fetch."""

    file: str
    offset: int
    url: str
    at: datetime

    @property
    def key(self) -> str:
        """The URL in the form that all archives and listings share."""
        return without_credentials(self.url)


@dataclass(slots=True)
class ArchiveIndex:
    """The pages of a source in an archive.

    Attributes:
        listings: The source's listing pages by key, older ones included.
        entries_by_key: Entries by the key of their page, oldest first.
        by_key: Pages by key, oldest first.
        pages: What can be parsed: article pages, and listings that carry articles.
        damaged: One message per record that cannot be read.
    """

    store: FolderStore
    source: Source
    listings: dict[str, Listing]
    entries_by_key: dict[str, list[tuple[datetime, Entry]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_key: dict[str, list[RecordLocation]] = field(default_factory=lambda: defaultdict(list))
    pages: list[RecordLocation] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def entries(self, location: RecordLocation) -> list[Entry]:
        """The entries of a page: of each article and channel the last one before its fetch.

        Without any, the entry that the source derives from the URL.
        """
        if found := self.entries_by_key.get(location.key):
            last: dict[tuple[str, str], Entry] = {}
            for at, entry in found:
                key = entry.source_article_id, entry.channel
                if at <= location.at or key not in last:
                    last[key] = entry
            return list(last.values())
        if self.source.parser.accepts_any_url:
            return []
        derived = entry_of_url(self.source, location.key)
        return [derived] if derived else []

    def nearest(self, url: str, at: datetime) -> RecordLocation | None:
        """The page of a URL that was fetched nearest to a time."""
        return min(
            self.by_key.get(without_credentials(url), ()),
            key=lambda one: abs(one.at - at),
            default=None,
        )


def build_index(where: ArchiveLocation, source: Source) -> ArchiveIndex:
    """Index an archive for a source, in one pass.

    Raises:
        BucketUnreachable: The bucket gave no answer.
    """
    listings = {without_credentials(url): one for url, one in listing_pages(source).items()}
    store = store_of(where)
    index = ArchiveIndex(store, source, listings)
    for entry in registry.article_url_entries(source):
        if isinstance(entry, Entry):
            index.entries_by_key[without_credentials(entry.url)].append((_BEFORE_ALL, entry))
    locations: list[RecordLocation] = []
    for name in store.names():
        try:
            locations += _locations(store, name, index.damaged)
        except BucketUnreachable:
            raise
        except (
            ArchiveError,
            ArchiveLoadFailed,
            OSError,
            ValueError,
            EOFError,
            zlib.error,
        ) as error:
            index.damaged.append(f"{name} cannot be read to its end: {error}")
    locations.sort(key=lambda one: one.at)
    for location in locations:
        index.by_key[location.key].append(location)
    waiting = list(index.listings)
    while waiting:
        for location in index.by_key.get(waiting.pop(0), ()):
            waiting += _add_listing(index, location)
    for found in index.entries_by_key.values():
        found.sort(key=lambda one: one[0])
    index.pages.sort(key=lambda one: one.at)
    index.pages += (
        one for one in locations if one.key not in index.listings and index.entries(one)
    )
    return index


def entry_of_url(source: Source, key: str) -> Entry | None:
    """The entry that a source derives from the key of a page; ``None`` if it is not of the source."""
    try:
        entry = source.parser.entry_of(source, key)
    except (UnknownUrl, ValueError):
        return None
    return entry if without_credentials(entry.url) == key else None


def listing_pages(source: Source) -> dict[str, Listing]:
    """The listing pages of a source by URL: the current ones and many older ones."""
    current = source.parser.listings(source)
    found = {one.url: one for one in current}
    for channel in dict.fromkeys(one.channel for one in current):
        for number in range(1, _MAX_LISTING_PAGES):
            listing = source.parser.older_listing(source, channel, number)
            if listing is None:
                break
            found[listing.url] = listing
    return found


def _locations(store: FolderStore, name: str, damaged: list[str]) -> Iterator[RecordLocation]:
    """Yield the pages of a file; a record without URL or date goes to ``damaged``."""
    with store.open(name) as stream:
        # warcio's own HTTP parsing fails at a record without a URL.
        records = ArchiveIterator(stream, no_record_parse=True)
        for record in records:
            if record.rec_type in ("response", "revisit") and _is_page(record):
                offset = records.get_record_offset()
                try:
                    yield _location(name, offset, record.rec_headers)
                except ValueError as error:
                    damaged.append(f"{name}: record at {offset} cannot be used: {error}")


def _is_page(record: Any) -> bool:
    protocol, _, rest = record.raw_stream.readline().partition(b" ")
    return bool(protocol.startswith(b"HTTP/")) and rest.split()[:1] == [b"200"]


def _location(file: str, offset: int, headers: Any) -> RecordLocation:
    url, date = headers.get_header("WARC-Target-URI"), headers.get_header("WARC-Date")
    if not url:
        raise ValueError("expected a WARC-Target-URI, found none")
    if not date:
        raise ValueError(f"expected a WARC-Date, found none; it is of {url}")
    try:
        at = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError(f"expected a WARC-Date, found {date!r}; it is of {url}") from None
    # Without a zone it is UTC (WARC 1.1).
    return RecordLocation(file, offset, url, at if at.tzinfo else at.replace(tzinfo=UTC))


def _add_listing(index: ArchiveIndex, location: RecordLocation) -> list[str]:
    """Add the entries of a listing; return the keys of the listings that it names."""
    try:
        page = read_page(index.store, location)
        content = registry.read_listing(index.source, index.listings[location.key], page)
    except (ArchiveError, ParseError) as error:
        index.damaged.append(f"listing {location.url} in {location.file}: {error}")
        return []
    entries = [one for one in content.entries if isinstance(one, Entry)]
    if any(entry.content is not None for entry in entries):
        index.pages.append(location)
    for entry in entries:
        index.entries_by_key[without_credentials(entry.url)].append((location.at, entry))
    named = {without_credentials(one.url): one for one in content.listings}
    new = [key for key in named if key not in index.listings]
    index.listings |= {key: named[key] for key in new}
    return new


def listing_entries(index: ArchiveIndex, location: RecordLocation) -> list[Entry]:
    """The valid entries of an archived listing.

    Raises:
        ArchiveError: The record is damaged.
        ParseError: The listing cannot be parsed.
    """
    found = registry.entries(
        index.source, index.listings[location.key], read_page(index.store, location)
    )
    return [one for one in found if isinstance(one, Entry)]


def read_response(
    where: ArchiveLocation, file: str, offset: int, url: str, final_url: str | None = None
) -> FetchResponse:
    """Read an archived page as the fetch returned it.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    archived = read_record(where, file, offset)
    headers = CaseInsensitiveDict(archived.headers)
    return FetchResponse(
        request=FetchRequest(url=url),
        url=url,
        final_url=final_url or archived.url,
        status=archived.status,
        headers=headers,
        body=archived.body,
        content_type=headers.get("Content-Type", ""),
        etag=None,
        last_modified=None,
        vary=headers.get("Vary", ""),
        not_modified=False,
        attempts=(),
        fetched_at=archived.fetched_at,
        seconds=0.0,
        archive_file=file,
        archive_offset=offset,
    )


def read_page(where: ArchiveLocation, location: RecordLocation) -> Page:
    """Read an archived page, decoded.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    return decode_page(read_response(where, location.file, location.offset, location.url), None)
