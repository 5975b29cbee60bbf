"""Values of a feed: Feed, FeedItem, BadItem."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.errors import BadListing, LayoutChanged
from parsers.model import Media

MAX_ITEMS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One item or entry of a feed, as found. A missing value is empty.

    Attributes:
        title: HTML text on one line, without elements: entities are escaped.
        link: An absolute URL.
        guid: RSS ``guid``, Atom or JSON ``id``, or RDF ``about``.
        published_raw: The publication time as found.
        updated_raw: The time of the last change as found.
        authors: Names; the feed's authors when the item has none.
        categories: The item's own categories.
        publisher: The title of the feed from which the item was copied.
        language: A language tag; the nearest one that the feed declares.
        image: The absolute URL of a picture outside the text.
        media: What the item attaches: enclosures, Media RSS, attachments of JSON Feed.
        base: The base of the links in the text; empty when it is the item's link.
        description: HTML of the description or summary.
        content: HTML of the full text.
        raw: The item's markup.
    """

    title: str
    link: str
    guid: str
    published_raw: str
    updated_raw: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    publisher: str
    language: str
    image: str
    media: tuple[Media, ...] = ()
    base: str
    description: str
    content: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadItem:
    """A part of a feed that cannot be parsed."""

    raw: str
    error: LayoutChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed with its items in their order.

    Attributes:
        link: The URL of its site; may be empty.
        broken: Items that cannot be parsed, and the end of a truncated feed.
    """

    title: str
    link: str
    items: tuple[FeedItem, ...]
    broken: tuple[BadItem, ...] = ()


def refuse_too_many(count: int) -> None:
    """Raise BadListing when a feed has more than ``MAX_ITEMS`` items."""
    if count > MAX_ITEMS:
        raise BadListing(expected=f"at most {MAX_ITEMS} items", found=f"{count} items")
