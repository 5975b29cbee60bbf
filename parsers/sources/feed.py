"""Any site with an RSS, Atom or JSON feed.

* ``full_text = false``: the article is the item's content (``content:encoded`` or Atom
  ``content``, else the description). An item without a title is an article without one.
* ``full_text = true``: the item's link is fetched and parsed by ``parsers.sources.generic``;
  the item's time, authors, tags, language and picture are used where the page has none.
  ``select`` names CSS selectors for the fields of these pages.
* An article's id is its canonical link, so that a feed, a backfill by URL and the generic
  parser agree. An item whose link is the home page or that of a different item has its guid,
  else its link with a digest of title and text. ``identity = "guid"`` prefers the guid.
* A feed time without a time zone is in the zone of ``time_zone``, else UTC. An Atom entry may
  have only the time of its last change, which is not a publication time.
"""

from __future__ import annotations

from parsers.compose import compose
from parsers.errors import OptionError, UnknownUrl
from parsers.extract.completeness import mark_partial, with_feed_completeness
from parsers.extract.selected import selectors_of
from parsers.feeds import FeedItem, parse_feed
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Page, Parser, Source
from parsers.sources import generic
from parsers.sources._feed import (
    CHANNEL,
    attached_media,
    configured_categories,
    feed_entries,
    is_common,
    item_ids,
    item_image,
    item_page,
    optional_facts,
    own_text,
    title_of,
    with_guid,
    with_item_image,
)
from parsers.sources._linked import completed, item_language, item_names, item_time
from parsers.text.urls import canonicalize, is_http


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the feed.

    Raises:
        OptionError: An option has a wrong value.
    """
    source.choice("identity", ("link", "guid"))
    if selectors_of(source.options) and not source.options["full_text"]:
        raise OptionError(
            "select: expected full_text = true beside it, because a feed without it carries "
            "the articles and no page is fetched"
        )
    has_content = not source.options["full_text"]
    return (Listing(channel=CHANNEL, url=source.text("url"), has_content=has_content),)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each item.

    Raises:
        BadListing: The page is no feed.
    """
    feed = parse_feed(page.text, page.final_url or listing.url)
    by_guid = source.text("identity") == "guid"

    def entry_of_item(item: FeedItem) -> Entry:
        link = item.link
        if link and not is_http(link):
            raise UnknownUrl(expected="an http or https link", found=link[:200])
        first_id, *other_ids = item_ids(feed, listing, item, by_guid=by_guid)
        text = own_text(item)
        is_own_page = bool(link) and not (text and is_common(link, feed, listing))
        content = None if source.options["full_text"] and is_own_page else text
        return Entry(
            source_article_id=first_id,
            other_ids=tuple(other_ids),
            channel=listing.channel,
            url=link or listing.url,
            link=link or listing.url,
            facts={
                "title": item.title,
                "published": item.published_raw,
                "updated": item.updated_raw,
                "author": "\n".join(item.authors),
                "category": "\n".join(item.categories),
                "publisher": item.publisher or feed.title,
                "guid": item.guid,
            }
            | optional_facts(
                language=item.language,
                image=item.image,
                base=item.base,
                text="description" if content and not item.content else "",
            ),
            content=content,
            media=item.media,
        )

    return feed_entries(feed, listing, entry_of_item)


def parse(source: Source, page: Page) -> Article:
    """Parse the article of an item, or the page that the item links.

    Raises:
        IncompleteArticle: The text is empty.
        LayoutChanged: The linked page has no article that can be found.
    """
    entry = page.entry
    if entry is None or entry.content is None:
        article = completed(source, page, generic.parse(source, page), "feed")
        return with_guid(article, entry) if entry else article
    facts = entry.facts
    article = compose(
        source,
        item_page(page, entry),
        source_article_id=entry.source_article_id,
        url=entry.link,
        canonical_url=canonicalize(entry.link),
        title=title_of(entry),
        title_is_optional=True,
        body=entry.content,
        media=attached_media(entry),
        preview=item_image(entry),
        takes_embed=True,
        published=item_time(source, facts["published"], "feed", "publication"),
        updated=item_time(source, facts["updated"], "feed", "change"),
        publisher=_publisher(facts["publisher"]),
        authors=item_names(entry, "author", "feed"),
        categories=configured_categories(source),
        tags=item_names(entry, "category", "feed"),
        language=item_language(source, facts.get("language", ""), "feed"),
    )
    article = with_feed_completeness(article, is_summary="text" in facts)
    if source.options["full_text"] and entry.link != source.text("url"):
        article = mark_partial(article, "feed: its link is not the page of this item alone")
    return with_guid(with_item_image(article, entry), entry)


def entry_of(_source: Source, url: str) -> Entry:
    """Return the entry of an article's URL.

    Raises:
        UnknownUrl: It is no http or https URL.
    """
    url = url.strip()
    return Entry(source_article_id=canonicalize(url), channel=CHANNEL, url=url, link=url)


def next_pages(source: Source, page: Page) -> tuple[str, ...]:
    """Return the URL of the next page of a linked article."""
    is_linked = page.entry is None or page.entry.content is None
    return generic.next_pages(source, page) if is_linked else ()


def _publisher(title: str) -> Extracted[str] | None:
    return Extracted(title, "feed:channel title") if title else None


PARSER = Parser(
    name="feed",
    version="5",
    options={
        "url": "",
        "full_text": False,
        "select": (),
        "identity": "link",
        "categories": (),
        "time_zone": "",
        "language": "",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    next_pages=next_pages,
    joins_incomplete=True,
    accepts_any_url=True,
)
