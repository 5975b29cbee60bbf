"""Helpers for sources whose entries are the items of a feed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from parsers.errors import IncompleteArticle
from parsers.feeds import Feed, FeedItem
from parsers.identity import digest, distinct_entries, guid_rule
from parsers.listings import entry_or_error
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Media, Page, Source
from parsers.text.urls import canonicalize, is_http, url_parts

CHANNEL = "feed"


def feed_entries(
    feed: Feed, listing: Listing, entry_of_item: Callable[[FeedItem], Entry]
) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each article, and a BadEntry for each part that cannot be read.

    Equal items are one entry, and different items have different ids. The page of a link that
    different items share is the article of none of them: these keep the text of the feed.
    """
    lines = [
        entry_or_error(listing.channel, item.raw, partial(entry_of_item, item))
        for item in feed.items
    ]
    pairs = zip(lines, feed.items, strict=True)
    found = [(line, item, _digest(line, item)) for line, item in pairs if isinstance(line, Entry)]
    at: dict[str, set[str | None]] = defaultdict(set)
    for entry, _, words in found:
        at[canonicalize(entry.link)].add(words)
    shared = {link for link, contents in at.items() if len(contents - {None}) > 1}
    entries = distinct_entries(
        (_with_own_text(entry, item) if canonicalize(entry.link) in shared else entry, words)
        for entry, item, words in found
    )
    places = [place for place, line in enumerate(lines) if isinstance(line, Entry)]
    kept = {places[number]: entry for number, entry in entries.items()}
    broken = [
        BadEntry(channel=listing.channel, raw=bad.raw, error=bad.error) for bad in feed.broken
    ]
    read = [
        kept.get(place, line)
        for place, line in enumerate(lines)
        if place in kept or isinstance(line, BadEntry)
    ]
    return (*read, *broken)


def item_ids(feed: Feed, listing: Listing, item: FeedItem, *, by_guid: bool) -> tuple[str, ...]:
    """Return the ids that an item may have, the preferred one first.

    These are the canonical form of its link, unless that is the front page, the feed or its
    site; the guid; and the link with a digest of title and text, which no different item has.

    Args:
        feed: The feed of the item.
        listing: Its listing.
        item: The item.
        by_guid: Prefer the guid to the link.

    Raises:
        IncompleteArticle: The item has neither link, guid, title nor text.
    """
    link = item.link
    canonical = canonicalize(link) if link else ""
    own = () if not link or is_common(canonical, feed, listing) else (canonical,)
    guids = (item.guid,) if item.guid else ()
    text = own_text(item)
    if not link and not item.guid and not item.title and not text and not item.media:
        raise IncompleteArticle(
            "expected a link, a guid, a title, a text or media in the item, found none of them",
            expected="link, guid, title, text or media",
            found=item.raw[:200],
        )
    names = (*guids, *own) if by_guid else (*own, *guids)
    base = canonical or canonicalize(listing.url)
    return tuple(dict.fromkeys((*names, f"{base}#{_digest_of(item)}")))


def with_guid(article: Article, entry: Entry) -> Article:
    """Return an article whose provenance names the guid of its item."""
    rule = {"source_article_id": guid_rule(entry.facts.get("guid", ""))}
    return replace(article, provenance={**article.provenance, **rule})


def own_text(item: FeedItem) -> str:
    """Return the HTML that the feed carries of an item."""
    return item.content or item.description


def is_common(link: str, feed: Feed, listing: Listing) -> bool:
    """Return whether a link is that of the feed or its site, and so identifies no item."""
    canonical = canonicalize(link)
    parts = url_parts(canonical)
    if parts.path in {"", "/"} and not parts.query:
        return True
    others = (listing.url, feed.link)
    return any(is_http(url) and canonicalize(url) == canonical for url in others)


def _digest(entry: Entry, item: FeedItem) -> str | None:
    if entry.content is None and not own_text(item):
        return None  # the page is the article, whatever the feed calls it
    return _digest_of(item)


def _digest_of(item: FeedItem) -> str:
    return digest(item.title, own_text(item), [one.url for one in item.media])


def _with_own_text(entry: Entry, item: FeedItem) -> Entry:
    return replace(entry, content=own_text(item)) if entry.content is None else entry


def title_of(entry: Entry) -> Extracted[str]:
    """Return the title of an item; RSS allows an item without one."""
    if title := entry.facts["title"]:
        return Extracted(title, "feed:title")
    return Extracted(None, "absent: the item has no title")


def optional_facts(**facts: str) -> dict[str, str]:
    """Return the facts that are not empty; few feeds have them."""
    return {name: value for name, value in facts.items() if value}


def item_page(page: Page, entry: Entry) -> Page:
    """Return the feed's page with the base of the links in an item's content as its URL."""
    return replace(page, url=entry.link, final_url=entry.facts.get("base", ""))


def with_item_image(article: Article, entry: Entry, prefix: str = "feed") -> Article:
    """Return the article with the picture that its item names, when its text has none."""
    image = item_image(entry, prefix)
    if article.lead_image or not image.value:
        return article
    provenance = {**article.provenance, "lead_image": image.provenance}
    return replace(article, lead_image=image.value, provenance=provenance)


def item_image(entry: Entry, prefix: str = "feed") -> Extracted[str]:
    """Return the picture that an item names outside its text."""
    if image := entry.facts.get("image"):
        return Extracted(image, f"{prefix}:image of the item")
    return Extracted(None, "absent: the item names no picture")


def attached_media(entry: Entry, prefix: str = "feed") -> Extracted[tuple[Media, ...]]:
    """Return what an item attaches, or that it attaches nothing."""
    if entry.media:
        return Extracted(entry.media, f"{prefix}:attachments of the item")
    return Extracted(None, "absent: the item attaches nothing")


def names(lines: str, provenance: str, absent: str) -> Extracted[tuple[str, ...]]:
    """Return the lines of a fact; ``absent`` is the reason when there are none."""
    if not lines:
        return Extracted(None, f"absent: {absent}")
    return Extracted(tuple(lines.split("\n")), provenance)


def configured_categories(source: Source) -> Extracted[tuple[str, ...]]:
    """Return the option ``categories``, or why there are none."""
    if categories := source.texts("categories"):
        return Extracted(categories, "source declaration")
    return Extracted(None, "absent: the source declares no categories")
