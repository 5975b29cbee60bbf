"""Pages out of an archive: from WARC records back to what a fetch returned.

An archive holds listings and article pages alike. The listings in it say which line led to
which page; a page that no listing led to is taken by its address, where its source knows it.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from requests.structures import CaseInsensitiveDict
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from flows.archive import ArchivedResponse, ArchiveError, read_record
from flows.fetch import FetchRequest, FetchResponse
from flows.pipeline.batch import decode_page
from parsers import registry
from parsers.errors import ParseError, UnknownUrl
from parsers.model import Entry, Listing, Page, Source

LISTING_PAGES = 300
_BEFORE_ALL = datetime.fromtimestamp(0, UTC)
_TAKES_ANYTHING = frozenset({"feed", "generic"})


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """Where a page lies in an archive, and which address it is of."""

    file: str
    offset: int
    url: str
    at: datetime


@dataclass(slots=True)
class ArchiveIndex:
    """What an archive holds for a source.

    Attributes:
        listings: The source's listing pages by address, older ones included.
        lines: By the address of an article's page, the entries that led there, oldest first.
        by_url: The pages of each address, oldest first.
        pages: What can be read: article pages, and listings that carry articles.
        damaged: What could not be read, in words.
    """

    folder: Path
    source: Source
    listings: dict[str, Listing]
    lines: dict[str, list[tuple[datetime, Entry]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    by_url: dict[str, list[RecordLocation]] = field(default_factory=lambda: defaultdict(list))
    pages: list[RecordLocation] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def entries(self, place: RecordLocation) -> list[Entry]:
        """The lines that led to a page: of each article and channel the last one before it.

        Without a line, what the page's own address says.
        """
        if found := self.lines.get(place.url):
            last: dict[tuple[str, str], Entry] = {}
            for at, entry in found:
                name = entry.source_article_id, entry.channel
                if at <= place.at or name not in last:
                    last[name] = entry
            return list(last.values())
        if self.source.parser.name in _TAKES_ANYTHING:
            return []
        try:
            entry = self.source.parser.entry_of(self.source, place.url)
        except (UnknownUrl, ValueError):
            return []
        return [entry] if entry.url == place.url else []

    def nearest(self, url: str, at: datetime) -> RecordLocation | None:
        """The page of an address that was fetched nearest to a time."""
        return min(self.by_url.get(url, ()), key=lambda one: abs(one.at - at), default=None)


def build_index(folder: Path, source: Source) -> ArchiveIndex:
    """What a folder of WARC files holds for a source; one pass over all of it."""
    found = ArchiveIndex(folder, source, listing_pages(source))
    for entry in registry.article_url_entries(source):
        if isinstance(entry, Entry):
            found.lines[entry.url].append((_BEFORE_ALL, entry))
    places: list[RecordLocation] = []
    for file in sorted(folder.glob("*.warc.gz")):
        try:
            places += _places(file, found.damaged)
        except (ArchiveLoadFailed, OSError, ValueError, EOFError, zlib.error) as error:
            found.damaged.append(f"{file.name} cannot be read to its end: {error}")
    places.sort(key=lambda one: one.at)
    for place in places:
        found.by_url[place.url].append(place)
        if place.url in found.listings:
            _take_listing(found, place)
    for place in places:
        if place.url not in found.listings and found.entries(place):
            found.pages.append(place)
    return found


def listing_pages(source: Source) -> dict[str, Listing]:
    """The addresses of a source's listing pages: those in use, and many older ones."""
    regular = source.parser.listings(source)
    found = {one.url: one for one in regular}
    for channel in dict.fromkeys(one.channel for one in regular):
        for turn in range(1, LISTING_PAGES):
            listing = source.parser.older_listing(source, channel, turn)
            if listing is None:
                break
            found[listing.url] = listing
    return found


def _places(file: Path, damaged: list[str]) -> Iterator[RecordLocation]:
    """The pages of a file; what a record of it lacks is told, and the others are read."""
    with file.open("rb") as stream:
        # warcio itself would parse the answer, and fails at a record without an address.
        records = ArchiveIterator(stream, no_record_parse=True)
        for record in records:
            if record.rec_type in ("response", "revisit") and _is_page(record):
                offset = records.get_record_offset()
                try:
                    yield _place(file.name, offset, record.rec_headers)
                except ValueError as error:
                    damaged.append(f"{file.name}: record at {offset} cannot be used: {error}")


def _is_page(record: Any) -> bool:
    protocol, _, rest = record.raw_stream.readline().partition(b" ")
    return bool(protocol.startswith(b"HTTP/")) and rest.split()[:1] == [b"200"]


def _place(file: str, offset: int, head: Any) -> RecordLocation:
    """Where a record lies, of what, and from when: without a zone its date is UTC (WARC 1.1)."""
    url, date = head.get_header("WARC-Target-URI"), head.get_header("WARC-Date")
    if not url:
        raise ValueError("expected a WARC-Target-URI, found none")
    if not date:
        raise ValueError(f"expected a WARC-Date, found none; it is of {url}")
    try:
        at = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError(f"expected a WARC-Date, found {date!r}; it is of {url}") from None
    return RecordLocation(file, offset, url, at if at.tzinfo else at.replace(tzinfo=UTC))


def _take_listing(found: ArchiveIndex, place: RecordLocation) -> None:
    try:
        entries = listing_entries(found, place)
    except (ArchiveError, ParseError) as error:
        found.damaged.append(f"listing {place.url} in {place.file}: {error}")
        return
    if any(entry.content is not None for entry in entries):
        found.pages.append(place)
    for entry in entries:
        found.lines[entry.url].append((place.at, entry))


def listing_entries(found: ArchiveIndex, place: RecordLocation) -> list[Entry]:
    """The good lines of an archived listing.

    Raises:
        ArchiveError: The record is damaged.
        ParseError: It cannot be read.
    """
    page = decode_page(read_response(found.folder, place.file, place.offset, place.url), None)
    lines = registry.entries(found.source, found.listings[place.url], page)
    return [line for line in lines if isinstance(line, Entry)]


def read_response(
    folder: Path, file: str, offset: int, url: str, final_url: str | None = None
) -> FetchResponse:
    """An archived page as the fetch returned it.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    archived: ArchivedResponse = read_record(folder, file, offset)
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


def with_next_pages(page: Page, folder: Path, following: Sequence[RecordLocation]) -> Page:
    """A page together with those that follow it."""
    more = [
        decode_page(read_response(folder, one.file, one.offset, one.url), None) for one in following
    ]
    return replace(page, next_pages=tuple(more))
