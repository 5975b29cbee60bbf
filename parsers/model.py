"""Values of the pipeline: Source, Listing, Entry, Page, Article. All are frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, Literal, NewType, TypeVar
from zoneinfo import ZoneInfo

from parsers.errors import OptionError, ParseError, did_you_mean

CanonicalUrl = NewType("CanonicalUrl", str)
"""A URL in canonical form; only ``parsers.text.urls.canonicalize`` makes one."""

Precision = Literal["second", "minute", "day", "unknown"]
TimezoneSource = Literal["value", "source", "none"]
Completeness = Literal["full", "partial", "teaser"]
MediaKind = Literal["picture", "video", "audio"]
OptionValue = str | bool | int | tuple[str, ...]

T = TypeVar("T")

SHARE_LINK = "share"
"""The channel of articles from the option ``article_urls``."""


@dataclass(frozen=True, slots=True)
class Extracted(Generic[T]):
    """A value and how it was found, or ``None`` and why it is absent.

    Attributes:
        value: The value; ``None`` when it is absent.
        provenance: Where the value was found (``listing:showtime``, ``css:h1.title``,
            ``source declaration``), or why it is absent (``absent: no credit line``).
            These texts are stored, so that a changed text changes every row.
    """

    value: T | None
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time with the precision its source gives.

    Attributes:
        at: Aware, UTC. The first instant of the day in the source's time zone when the
            precision is ``day``; ``None`` when unknown.
        on: The day in ``timezone``, without one the day as printed; ``None`` when unknown.
        raw: The text as found; empty when there was none.
        precision: The smallest unit given.
        timezone: The zone that the source declares, else that of the text, else UTC; ``None``
            when ``at`` is in UTC and the page prints another day for it.
        timezone_source: ``value`` when the text names its time zone, ``source`` when the
            source's declared zone was used, ``none`` when neither gives one and
            UTC was taken.
        provenance: As in ``Extracted``.
    """

    at: datetime | None
    on: date | None
    raw: str
    precision: Precision
    timezone: str | None
    timezone_source: TimezoneSource
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture, video or sound of an article.

    Attributes:
        url: Its absolute URL, or that of the page with its player. In an imported post that
            names no address of its own, a URL relative to the site of the post.
        type: MIME type as declared.
        length: Size of the file in bytes, as declared.
        duration: Seconds, as declared.
    """

    kind: MediaKind
    url: str
    type: str | None = None
    length: int | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page that lists entries.

    Attributes:
        is_complete: The listing shows every entry of the channel, so that none can leave
            it unseen.
        has_content: Entries carry their article, so that an unchanged listing means
            unchanged articles.
        is_archive: The listing keeps its entries for years, as a sitemap does. A sync then
            takes only recent entries that are new or have changed.
        is_next_page: The listing continues another one with older entries. A sync reads it
            only when the pages before list no known entry.
        changed_at: When the listing last changed, as the listing that names it declares;
            aware, UTC.
        period: The first and last day of its entries, as its name declares.
        depth: How many listings lead to it.
    """

    channel: str
    url: str
    is_complete: bool = False
    has_content: bool = False
    is_archive: bool = False
    is_next_page: bool = False
    changed_at: datetime | None = None
    period: tuple[date, date] | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of a listing or feed, as found.

    Attributes:
        source_article_id: The id that the source gives the article; never empty.
        channel: The channel of the listing.
        url: What to fetch for the article; not fetched when ``content`` is given.
        link: The URL for readers; may equal ``url``.
        facts: Unchanged values of the listing by name (``title``, ``published``,
            ``publisher``, ``author``, ``digest``).
        content: The article's HTML when the listing carries it.
        media: What the entry attaches to the article.
        other_ids: Ids that take the place of ``source_article_id``, in this order, when it
            belongs to another article; then those that a run may have preferred.
    """

    source_article_id: str
    channel: str
    url: str
    link: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    content: str | None = None
    media: tuple[Media, ...] = ()
    other_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEntry:
    """An item of a listing that is no Entry; the run quarantines it.

    Attributes:
        raw: The item as found, JSON or markup.
    """

    channel: str
    raw: str
    error: ParseError


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingContent:
    """What a fetched listing holds.

    Attributes:
        entries: Its items, in their order.
        listings: The listings that it names: the files of a sitemap index, the next page.
        notes: What was left out, as sentences.
    """

    entries: tuple[Entry | BadEntry, ...] = ()
    listings: tuple[Listing, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one fetch returned, decoded.

    Attributes:
        url: The requested URL.
        final_url: The URL after redirects; empty when it is the same.
        text: The decoded body.
        fetched_at: Aware, UTC.
        encoding: WHATWG name of the encoding of the body.
        replacement_count: U+FFFD characters that decoding added.
        entry: The entry that led to the page; ``None`` when there was none.
        next_pages: The following pages of the same article, in order.
    """

    url: str
    text: str
    fetched_at: datetime
    final_url: str = ""
    encoding: str = "utf-8"
    replacement_count: int = 0
    entry: Entry | None = None
    next_pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An article as its page gives it.

    The fields are those of the article JSON, in its order. An absent value is ``None`` or
    empty.

    Attributes:
        article_id: ``<source>:<source_article_id>``.
        title: Plain text on one line; ``None`` when the publisher gives none.
        published_at: Aware, UTC; ``None`` when unknown.
        published_on: The day of publication in ``published_timezone``; without one the day
            that the page prints.
        published_timezone: The time zone of ``published_on``; ``None`` when unknown.
        media: Its pictures, videos and sounds, each once: those that the entry of a feed
            attaches, then those of the body.
        body_html: Sanitized HTML of the article only.
        text: The visible text of ``body_html``; a blank line separates paragraphs. ``None``
            for an article of media alone.
        completeness: Whether ``text`` is all of the article, a part or a summary.
        content_hash: ``c1:`` and 64 hex digits; see ``parsers.content_hash``.
        provenance: For each field, how it was found or why it is absent.
        original_url: Where the article first appeared, if the publisher names it.
    """

    article_id: str
    source: str
    source_article_id: str
    url: str
    canonical_url: CanonicalUrl
    title: str | None
    authors: tuple[str, ...]
    publisher: str | None
    published_at: datetime | None
    published_on: date | None = None
    published_raw: str
    published_precision: Precision
    published_timezone: str | None = None
    published_timezone_source: TimezoneSource
    updated_at: datetime | None
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    language: str | None
    lead_image: str | None
    media: tuple[Media, ...] = ()
    body_html: str
    text: str | None
    completeness: Completeness = "full"
    content_hash: str
    parser: str
    parser_version: str
    provenance: Mapping[str, str]
    original_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parser:
    """How one kind of source is read; ``parsers.registry`` lists all parsers.

    Attributes:
        name: The value of ``parser = "..."`` in the configuration.
        version: Raise it with every change of what ``parse`` returns.
        options: The configuration keys of the parser with their defaults. An option whose
            name ends in ``url`` and whose default is empty is required.
        listings: The listings of a source.
        entries: The items of a fetched listing. Raises BadListing.
        read_listing: The items of a fetched listing and the listings that it names; by
            default the ``entries`` alone. Raises BadListing.
        parse: The article of a page. Raises ParseError.
        entry_of: The entry of one article's URL. Raises UnknownUrl.
        next_pages: The URLs of an article's following pages, given a page of it. It is called
            again with the pages that were found, until it returns no new URL.
        joins_incomplete: ``parse`` accepts an article of which a following page is missing,
            and marks it as partial. Otherwise such an article is not stored.
        older_listing: The first, second, ... listing (counted from 1) beyond the last one
            of a channel; ``None`` when the publication has no more. It may repeat entries.
        daily_range: The normal number of articles a day.
        requires_full_html: Each article page ends with ``</html>`` or is one JSON
            document. The fetcher takes any other page for a truncated one.
        accepts_any_url: ``entry_of`` accepts every URL, so that none belongs to the source.
        publisher_names: The names of the publication in posts of the Hexo aggregator.
    """

    name: str
    version: str
    options: Mapping[str, OptionValue]
    listings: Callable[[Source], tuple[Listing, ...]]
    entries: Callable[[Source, Listing, Page], tuple[Entry | BadEntry, ...]]
    parse: Callable[[Source, Page], Article]
    entry_of: Callable[[Source, str], Entry]
    next_pages: Callable[[Source, Page], tuple[str, ...]] = lambda _source, _page: ()
    older_listing: Callable[[Source, str, int], Listing | None] = lambda _source, _channel, _n: None
    daily_range: range = range(1_000_000)
    publisher_names: tuple[str, ...] = ()
    requires_full_html: bool = False
    read_listing: Callable[[Source, Listing, Page], ListingContent] | None = None
    accepts_any_url: bool = False
    joins_incomplete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured publication.

    Attributes:
        slug: The key under ``[sources]``; the first part of every article_id.
        options: The parser's options, defaults filled in.
    """

    slug: str
    parser: Parser
    options: Mapping[str, OptionValue]

    def text(self, option: str) -> str:
        """Return an option that is a string."""
        value = self.options[option]
        if not isinstance(value, str):
            raise TypeError(f"sources.{self.slug}.{option} is not a string: {value!r}")
        return value

    def texts(self, option: str) -> tuple[str, ...]:
        """Return an option that is a list of strings."""
        value = self.options[option]
        if not isinstance(value, tuple):
            raise TypeError(f"sources.{self.slug}.{option} is not a list: {value!r}")
        return value

    def number(self, option: str) -> int:
        """Return an option that is a whole number."""
        value = self.options[option]
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"sources.{self.slug}.{option} is not a number: {value!r}")
        return value

    def choice(self, option: str, allowed: Iterable[str]) -> str:
        """Return an option that has one of the allowed values.

        Raises:
            OptionError: It has another value.
        """
        return allowed_value(option, self.text(option), allowed)

    def zone(self) -> ZoneInfo | None:
        """Return the time zone of the option ``time_zone``; ``None`` when it is empty."""
        name = self.text("time_zone")
        return ZoneInfo(name) if name else None


def allowed_value(option: str, value: str, allowed: Iterable[str]) -> str:
    """Return the value if it is allowed.

    Raises:
        OptionError: It is not; the message suggests the most similar one.
    """
    names = list(allowed)
    if value not in names:
        raise OptionError(
            f"{option}: expected one of {', '.join(names)}, "
            f"found {value!r}{did_you_mean(value, names)}"
        )
    return value
