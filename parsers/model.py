"""The values that pass through a run: Source, Listing, Entry, Page, Article.

All are frozen. Nothing here reads, fetches or stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, NewType, TypeVar

from parsers.errors import ParseError

CanonicalUrl = NewType("CanonicalUrl", str)
"""An address in its one canonical form; only functions of ``parsers.text.urls`` make one."""

Precision = Literal["second", "minute", "day", "unknown"]
TimezoneSource = Literal["value", "source", "none"]
Option = str | bool | tuple[str, ...]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Extracted(Generic[T]):
    """A value and how it was found, or ``None`` and why there is none.

    Attributes:
        value: The value; ``None`` is a named absence, never an unknown.
        how: Where it was found (``listing:showtime``, ``css:h1.title``,
            ``source declaration``) or, for ``None``, why it is missing
            (``absent: the listing names no medium``).
    """

    value: T | None
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time as far as its source tells it.

    Attributes:
        at: Aware UTC. For precision ``day`` it is the first instant of that day in
            the source's zone. ``None`` when unknown.
        raw: The text as found, untouched; empty when there was none.
        precision: The finest unit the source gave.
        zone_from: ``value`` when the text named its zone, ``source`` when the
            source's declared zone was used, ``none`` when the time is unknown.
        how: Where it was found, or why there is none.
    """

    at: datetime | None
    raw: str
    precision: Precision
    timezone_source: TimezoneSource
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One address to discover entries at.

    Attributes:
        channel: The channel it belongs to.
        url: The address to fetch.
        is_whole: True when it shows everything the channel has, so that nothing
            can have scrolled out of it unseen.
        carries_articles: True when its entries come with their content, so that an
            unchanged listing means unchanged articles.
    """

    channel: str
    url: str
    is_whole: bool = False
    carries_articles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a listing or feed, as found; interpreted only by ``parse``.

    Attributes:
        source_article_id: The id the source gives it; never empty.
        channel: The channel it was listed in.
        url: What to fetch for the article. Ignored when ``content`` is given.
        link: The address a reader would open; may equal ``url``.
        facts: Raw values of the listing by name (``title``, ``published``,
            ``publisher``, ``author``, ``digest``, ...), untouched strings.
        content: The article's HTML when the listing itself carries it.
    """

    source_article_id: str
    channel: str
    url: str
    link: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEntry:
    """One line of a listing that could not become an Entry; it goes to quarantine.

    Attributes:
        channel: The channel it was listed in.
        raw: The line as found (JSON or markup).
        error: What was wrong with it.
    """

    channel: str
    raw: str
    error: ParseError


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one fetch returned, decoded.

    Attributes:
        url: The address that was asked for.
        final_url: The address that answered, after redirects.
        text: The body, decoded; parsers never see bytes.
        fetched_at: Aware UTC.
        encoding: The encoding the body was decoded with.
        replacements: How many U+FFFD the decoding had to put in; those that the
            page itself contains do not count.
        entry: The line of a listing that led here; ``None`` for a page given by hand.
        more: The following pages of the same article, in order.
    """

    url: str
    text: str
    fetched_at: datetime
    final_url: str = ""
    encoding: str = "utf-8"
    replacements: int = 0
    entry: Entry | None = None
    more: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """What a page says: one front-matter article.

    The fields are those of the article JSON (``copydesk parse --json``), in its
    order. Absent values are ``None`` or empty, each with its reason in
    ``provenance``.

    Attributes:
        article_id: ``<source>:<source_article_id>``.
        title: Plain text, one line, never empty.
        published_at: Aware UTC or ``None``.
        body_html: Clean HTML of the article alone.
        text: The visible words of ``body_html``; paragraphs apart by a blank line.
        content_hash: ``c1:`` and 64 hex digits; see ``parsers.content_hash``.
        provenance: For each field, how it was found or why it is missing.
        original_url: Where the publisher says the article first appeared.
    """

    article_id: str
    source: str
    source_article_id: str
    url: str
    canonical_url: CanonicalUrl
    title: str
    authors: tuple[str, ...]
    publisher: str | None
    published_at: datetime | None
    published_raw: str
    published_precision: Precision
    published_timezone_source: TimezoneSource
    updated_at: datetime | None
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    language: str | None
    lead_image: str | None
    body_html: str
    text: str
    content_hash: str
    parser: str
    parser_version: str
    provenance: Mapping[str, str]
    original_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One way of reading a publication; ``parsers.registry`` lists them all.

    Attributes:
        name: What ``parser = "..."`` in the configuration says.
        version: Raised with every change of what ``parse`` returns.
        options: The configuration keys it understands, with their defaults. An
            address (a key that ends in ``url``) without a default must be given.
        listings: Where a source's entries are discovered.
        entries: A fetched listing to its lines, good and bad. Raises BadListing.
        parse: An article page to its Article. Raises ParseError.
        entry_of: The Entry of one article named by its address. Raises UnknownUrl.
        more: The addresses of an article's following pages, given its first.
        expect: The healthy number of articles a day.
        older: What goes on where a channel's last listing ends: its first, second, ...
            older listing page, which may repeat what the pages before it listed.
            ``None`` when the publication offers no more.
        is_closed: Each of its article pages ends with ``</html>`` or is one JSON document,
            so that one that does not was cut on the way and is fetched again.
        names: What existing posts call the publication (the site name of a Hexo
            post), so that imported posts find their source.
    """

    name: str
    version: str
    options: Mapping[str, Option]
    listings: Callable[[Source], tuple[Listing, ...]]
    entries: Callable[[Source, Listing, Page], tuple[Entry | BadEntry, ...]]
    parse: Callable[[Source, Page], Article]
    entry_of: Callable[[Source, str], Entry]
    more: Callable[[Source, Page], tuple[str, ...]] = lambda _source, _page: ()
    expect: range = range(1_000_000)
    names: tuple[str, ...] = ()
    is_closed: bool = False
    older_listing: Callable[[Source, str, int], Listing | None] = lambda _source, _channel, _turn: (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured publication: a name of its own, a parser and its options.

    Attributes:
        slug: The key under ``[sources]``; the first half of every article_id.
        parser: How it is read.
        options: The parser's options, defaults filled in.
    """

    slug: str
    parser: Parser
    options: Mapping[str, Option]

    def text(self, option: str) -> str:
        """The value of an option that is a string."""
        value = self.options[option]
        if not isinstance(value, str):
            raise TypeError(f"sources.{self.slug}.{option} is not a string: {value!r}")
        return value

    def texts(self, option: str) -> tuple[str, ...]:
        """The value of an option that is a list of strings."""
        value = self.options[option]
        if not isinstance(value, tuple):
            raise TypeError(f"sources.{self.slug}.{option} is not a list: {value!r}")
        return value
