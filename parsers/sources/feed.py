"""Any site with an RSS or Atom feed, without code of its own.

* ``full_text = false``: the article is what the item carries (``content:encoded`` or Atom
  ``content``, else the description).
* ``full_text = true``: the item's link is fetched and read by ``parsers.sources.generic``;
  the item's time, authors and tags are used where the page names none.
* An article's id is its canonical link, so that a feed, a backfill by address and the
  generic parser agree. Items that share one link (a feed whose items all lead to the
  home page) cannot be told apart that way: each becomes a bad entry until
  ``identity = "guid"`` is set.
* Feed times name their zone. One that does not is unknown unless ``time_zone`` is set.
  An Atom entry may give the time of its last change only: that is no publication time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from zoneinfo import ZoneInfo

from parsers.compose import compose
from parsers.errors import IncompleteArticle, LayoutChanged, UnknownUrl
from parsers.feeds import FeedItem, parse_feed
from parsers.listings import entry_or_error, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.options import choice
from parsers.sources import generic
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import canonicalize, is_http

CHANNEL = "feed"


def listings(source: Source) -> tuple[Listing, ...]:
    """The feed."""
    choice("identity", source.text("identity"), ("link", "guid"))
    carries = not source.options["full_text"]
    return (Listing(channel=CHANNEL, url=source.text("url"), carries_articles=carries),)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """One entry an item, one bad entry a part of the feed that is broken.

    Raises:
        BadListing: The answer is no feed.
    """
    feed = parse_feed(page.text, page.final_url or listing.url)
    shared = _shared_links(feed.items) if source.text("identity") == "link" else frozenset()
    lines = [
        entry_or_error(
            listing.channel,
            item.raw,
            partial(_entry, source, listing, item, feed.title, shared),
        )
        for item in feed.items
    ]
    broken = [
        BadEntry(channel=listing.channel, raw=bad.raw, error=bad.error) for bad in feed.broken
    ]
    return unique_entries([*lines, *broken])


def parse(source: Source, page: Page) -> Article:
    """Read the article that an item carries, or the page it links to.

    Raises:
        IncompleteArticle: The title or the text is empty.
        LayoutChanged: The linked page has no article that can be found.
    """
    entry = page.entry
    if entry is None or entry.content is None:
        return _completed(source, page, generic.parse(source, page))
    facts = entry.facts
    # Relative links in the content are relative to the item, not to the feed.
    of_item = replace(page, url=entry.link, final_url="")
    return compose(
        source,
        of_item,
        source_article_id=entry.source_article_id,
        url=entry.link,
        canonical_url=canonicalize(entry.link),
        title=Extracted(facts["title"], "feed:title"),
        body=entry.content,
        published=_time(source, facts["published"], "publication"),
        updated=_time(source, facts["updated"], "change"),
        publisher=Extracted(facts["publisher"], "feed:channel title")
        if facts["publisher"]
        else None,
        authors=_words(facts["author"], "author"),
        categories=_categories(source),
        tags=_words(facts["category"], "category"),
        language=_language(source),
    )


def entry_of(_source: Source, url: str) -> Entry:
    """The entry of an article's address.

    Raises:
        UnknownUrl: It is no address.
    """
    canonical = canonicalize(url.strip())
    return Entry(source_article_id=canonical, channel=CHANNEL, url=url.strip(), link=url.strip())


def _completed(source: Source, page: Page, article: Article) -> Article:
    """The article of a linked page, under the item's id, with what only the item tells."""
    how = dict(article.provenance)
    if categories := source.texts("categories"):
        article = replace(article, categories=categories)
        how["categories"] = "source declaration"
    if page.entry is None:
        return replace(article, provenance=how)
    number, facts = page.entry.source_article_id, page.entry.facts
    article = replace(
        article, source_article_id=number, article_id=f"{source.slug}:{number}", provenance=how
    )
    published = _time(source, facts.get("published", ""), "publication")
    if article.published_at is None and published.at is not None:
        article = replace(
            article,
            published_at=published.at,
            published_raw=published.raw,
            published_precision=published.precision,
            published_timezone_source=published.timezone_source,
        )
        times = (
            "published_at",
            "published_raw",
            "published_precision",
            "published_timezone_source",
        )
        how |= dict.fromkeys(times, published.how)
    authors, tags = (_words(facts.get(name, ""), name) for name in ("author", "category"))
    if authors.value and not article.authors:
        article = replace(article, authors=authors.value)
        how["authors"] = authors.how
    if tags.value and not article.tags:
        article = replace(article, tags=tags.value)
        how["tags"] = tags.how
    return article


def _shared_links(items: tuple[FeedItem, ...]) -> frozenset[str]:
    """The links, in their canonical form, that lead to several different items."""
    different: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if is_http(item.link):
            different[canonicalize(item.link)].add(item.guid or item.link)
    return frozenset(link for link, items_of_it in different.items() if len(items_of_it) > 1)


def _entry(
    source: Source, listing: Listing, item: FeedItem, publisher: str, shared: frozenset[str]
) -> Entry:
    link = item.link or (item.guid if is_http(item.guid) else "")
    if is_http(link) and canonicalize(link) in shared:
        raise LayoutChanged(
            f"expected a link of its own in each item, found {item.link[:200]!r} in several; "
            'identity = "guid" tells them apart',
            expected="one item for each link",
            found=item.link[:200],
        )
    entry = Entry(
        source_article_id=_id(source, item, link),
        channel=listing.channel,
        url=link or listing.url,
        link=link or listing.url,
        facts={
            "title": item.title,
            "published": item.published_raw,
            "updated": item.updated_raw,
            "author": "\n".join(item.authors),
            "category": "\n".join(item.categories),
            "publisher": publisher,
            "guid": item.guid,
        },
        content=item.content or item.description,
    )
    return replace(entry, content=None) if source.options["full_text"] and link else entry


def _id(source: Source, item: FeedItem, link: str) -> str:
    if link and not is_http(link):
        raise UnknownUrl(
            f"expected an http or https link, found {link[:200]!r}",
            expected="an http or https link",
            found=link[:200],
        )
    if item.guid and (not link or source.text("identity") == "guid"):
        return item.guid
    if link:
        return canonicalize(link)
    raise IncompleteArticle(
        "expected a link or a guid in the item, found neither",
        expected="link or guid",
        found=item.raw[:200],
    )


def _time(source: Source, raw: str, what: str) -> Moment:
    if not raw:
        return unknown_time(raw, f"the item gives no time of its {what}")
    zone = source.text("time_zone")
    return parse_time(raw, ZoneInfo(zone) if zone else None, f"feed:time of its {what}")


def _words(lines: str, name: str) -> Extracted[tuple[str, ...]]:
    if not lines:
        return Extracted(None, f"absent: the item has no {name}")
    return Extracted(tuple(lines.split("\n")), f"feed:{name}")


def _categories(source: Source) -> Extracted[tuple[str, ...]]:
    if categories := source.texts("categories"):
        return Extracted(categories, "source declaration")
    return Extracted(None, "absent: the source declares no categories")


def _language(source: Source) -> Extracted[str]:
    language = source.text("language")
    if language:
        return Extracted(language, "source declaration")
    return Extracted(None, "absent: the source declares no language")


PARSER = Parser(
    name="feed",
    version="1",
    options={
        "url": "",
        "full_text": False,
        "identity": "link",
        "categories": (),
        "time_zone": "",
        "language": "",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
)
