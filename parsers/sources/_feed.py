"""Helpers for sources whose entries are the items of a feed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from parsers.errors import IncompleteArticle
from parsers.feeds import Feed, FeedItem
from parsers.listings import entry_or_error, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Page, Source
from parsers.text.urls import canonicalize

CHANNEL = "feed"


def feed_entries(
    feed: Feed, listing: Listing, entry_of_item: Callable[[FeedItem], Entry]
) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each item, and a BadEntry for each part that cannot be read."""
    items = [
        entry_or_error(listing.channel, item.raw, partial(entry_of_item, item))
        for item in feed.items
    ]
    broken = [
        BadEntry(channel=listing.channel, raw=bad.raw, error=bad.error) for bad in feed.broken
    ]
    return unique_entries([*items, *broken])


def item_id(item: FeedItem, link: str, *, by_guid: bool) -> str:
    """Return the guid of an item or the canonical form of its link.

    Args:
        item: The item.
        link: Its link; may be empty.
        by_guid: Prefer the guid to the link.

    Raises:
        IncompleteArticle: The item has neither.
    """
    if item.guid and (by_guid or not link):
        return item.guid
    if link:
        return canonicalize(link)
    raise IncompleteArticle(
        "expected a link or a guid in the item, found neither",
        expected="link or guid",
        found=item.raw[:200],
    )


def optional_facts(**facts: str) -> dict[str, str]:
    """Return the facts that are not empty; few feeds have them."""
    return {name: value for name, value in facts.items() if value}


def item_page(page: Page, entry: Entry) -> Page:
    """Return the feed's page with the base of the links in an item's content as its URL."""
    return replace(page, url=entry.link, final_url=entry.facts.get("base", ""))


def with_item_image(article: Article, entry: Entry) -> Article:
    """Return the article with the picture that its item names, when its text has none."""
    image = entry.facts.get("image", "")
    if article.lead_image or not image:
        return article
    provenance = {**article.provenance, "lead_image": "feed:image of the item"}
    return replace(article, lead_image=image, provenance=provenance)


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
