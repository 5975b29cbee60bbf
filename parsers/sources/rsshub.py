"""A feed made by an RSSHub instance: whole articles inside the feed.

What RSSHub does to every item, and what is done about it:

* A date it could not read is ``Invalid Date``: the time is unknown, never now.
* A title is cut at display width 150 (a Chinese character counts two) and ends in
  ``...``; the provenance of such a title says so.
* ``referrerpolicy``, empty ``alt`` and ``onclick`` are its own; ``parsers.html.clean`` drops them.
* An item without a description gets its title as description.
* A route without items, or a site it could not read, is an HTML error page.
* It takes the first page only of an article with several pages.
* A source that prints calendar days comes out as midnight GMT. Whether midnight means a
  day cannot be seen in the feed: it is declared for the publications below, and set for
  others by ``midnight = "day"``.

The publication is known by the first part of the route (``/woshipm/latest``). A known
publication's articles have the ids that reading its own site gives them; all others
have the item's ``guid``, else their canonical link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, UnknownUrl
from parsers.feeds import Feed, FeedItem, parse_feed
from parsers.listings import entry_or_error, host_of, is_below, parts_of, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.options import choice
from parsers.sources import ofweek, woshipm
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import canonicalize, is_http

CHANNEL = "feed"
TITLE_WIDTH = 150
INVALID_DATE = "Invalid Date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is declared of a publication that RSSHub serves.

    Attributes:
        publisher: Who publishes it; ``None`` when each item names its own source.
        domain: Where its articles live.
        article_id: The id in an article's address.
        midnight_is_day: Its dates are calendar days, printed as midnight GMT.
    """

    publisher: str | None
    domain: str
    article_id: Callable[[str, tuple[str, ...]], str]
    midnight_is_day: bool = False


KNOWN: Mapping[str, Publication] = {
    "woshipm": Publication(
        publisher=woshipm.PUBLISHER,
        domain=woshipm.DOMAIN,
        article_id=woshipm.article_id,
        midnight_is_day=True,
    ),
    "ofweek": Publication(publisher=None, domain=ofweek.DOMAIN, article_id=ofweek.article_id),
}


def listings(source: Source) -> tuple[Listing, ...]:
    """The feed."""
    choice("midnight", source.text("midnight"), ("declared", "day", "instant"))
    return (Listing(channel=CHANNEL, url=source.text("url"), carries_articles=True),)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """One entry an item, with its whole content; one bad entry a part that is broken.

    Raises:
        BadListing: The answer is RSSHub's error page, or no feed.
    """
    feed = _feed(page.text, listing.url)
    lines = [
        entry_or_error(listing.channel, item.raw, partial(_entry, source, listing, item))
        for item in feed.items
    ]
    broken = [
        BadEntry(channel=listing.channel, raw=bad.raw, error=bad.error) for bad in feed.broken
    ]
    return unique_entries([*lines, *broken])


def parse(source: Source, page: Page) -> Article:
    """Read the article that an item of the feed carries.

    Raises:
        IncompleteArticle: There is no item, or its title or text is empty.
    """
    entry = page.entry
    if entry is None or entry.content is None:
        raise IncompleteArticle(
            "expected an item of the feed, found a page without one: "
            "RSSHub's articles are inside the feed"
        )
    # Relative links in the content are relative to the item, not to the feed.
    of_item = replace(page, url=entry.link, final_url="")
    return compose(
        source,
        of_item,
        source_article_id=entry.source_article_id,
        url=entry.link,
        canonical_url=canonicalize(entry.link),
        title=_title(entry.facts["title"]),
        body=entry.content,
        published=_published(source, entry.facts["published"]),
        publisher=_publisher(source, entry.facts["author"]),
        authors=_authors(entry.facts["author"]),
        categories=_categories(source),
        tags=_tags(entry.facts["categories"]),
        language=_language(source),
    )


def entry_of(_source: Source, url: str) -> Entry:
    """No entry: the articles are inside the feed and cannot be fetched one by one.

    Raises:
        UnknownUrl: Always.
    """
    raise UnknownUrl(
        f"expected the parser of the site itself for a single address, found {url[:200]!r}: "
        "an RSSHub source reads articles from its feed only",
        expected="the feed",
        found=url[:200],
    )


def _feed(text: str, url: str) -> Feed:
    try:
        return parse_feed(text, url)
    except BadListing as error:
        if "HTML page" not in error.found:
            raise
        raise BadListing(
            f"expected a feed, found {error.found}: RSSHub answers so when a route has no items "
            "or the site behind it failed; it may work at the next run",
            expected=error.expected,
            found=error.found,
        ) from error


def _entry(source: Source, listing: Listing, item: FeedItem) -> Entry:
    _refuse_foreign_link(source, item.link)
    return Entry(
        source_article_id=_id(source, item),
        channel=listing.channel,
        url=item.link or listing.url,
        link=item.link or (item.guid if is_http(item.guid) else listing.url),
        facts={
            "title": item.title,
            "published": item.published_raw,
            "author": "\n".join(item.authors),
            "categories": "\n".join(item.categories),
            "guid": item.guid,
        },
        content=item.content or item.description,
    )


def _id(source: Source, item: FeedItem) -> str:
    publication = _publication(source)
    hosts = source.texts("link_hosts")
    if publication and (
        is_below(host_of(item.link), publication.domain) or host_of(item.link) in hosts
    ):
        try:
            return publication.article_id(item.link, hosts)
        except UnknownUrl:
            pass  # a special page of the publication: identified as any other item
    if item.guid:
        return item.guid
    if item.link:
        return canonicalize(item.link)
    raise IncompleteArticle(
        "expected a link or a guid in the item, found neither",
        expected="link or guid",
        found=item.raw[:200],
    )


def _refuse_foreign_link(source: Source, link: str) -> None:
    hosts = source.texts("link_hosts")
    wanted = f"a link to {', '.join(hosts)} (link_hosts)" if hosts else "an http or https link"
    if link and (not is_http(link) or (hosts and host_of(link) not in hosts)):
        raise UnknownUrl(
            f"expected {wanted}, found {link[:200]!r}", expected=wanted, found=link[:200]
        )


def _publication(source: Source) -> Publication | None:
    parts = parts_of(source.text("url")).path.split("/")
    return next((KNOWN[part] for part in parts if part in KNOWN), None)


def _title(title: str) -> Extracted[str]:
    width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in title)
    if title.endswith("...") and width >= TITLE_WIDTH:
        return Extracted(title, f"feed:title, cut by RSSHub at width {TITLE_WIDTH}")
    return Extracted(title, "feed:title")


def _published(source: Source, raw: str) -> Moment:
    if not raw:
        return unknown_time(raw, "the item has no pubDate")
    if raw == INVALID_DATE:
        return unknown_time(raw, "RSSHub could not read the date of the site")
    midnight = source.text("midnight")
    publication = _publication(source)
    declared = midnight == "declared" and publication is not None and publication.midnight_is_day
    return parse_time(
        raw,
        ZoneInfo(source.text("time_zone")),
        "feed:pubDate",
        midnight_is_day=declared or midnight == "day",
    )


def _publisher(source: Source, authors: str) -> Extracted[str] | None:
    publication = _publication(source)
    if publication is None:
        return None
    if publication.publisher:
        return Extracted(publication.publisher, "declared for the publication")
    # OFweek: RSSHub's author is the page's source name; see parsers.sources.ofweek.
    return Extracted(authors, "feed:author") if authors and "\n" not in authors else None


def _authors(authors: str) -> Extracted[tuple[str, ...]]:
    if not authors:
        return Extracted(None, "absent: the item names no author")
    return Extracted(tuple(authors.split("\n")), "feed:author")


def _categories(source: Source) -> Extracted[tuple[str, ...]]:
    if categories := source.texts("categories"):
        return Extracted(categories, "source declaration")
    return Extracted(None, "absent: the source declares no categories")


def _tags(categories: str) -> Extracted[tuple[str, ...]]:
    if not categories:
        return Extracted(None, "absent: the item names no category")
    return Extracted(tuple(categories.split("\n")), "feed:category")


def _language(source: Source) -> Extracted[str]:
    if _publication(source):
        return Extracted("zh-CN", "declared for the publication")
    # The feed's own language element is RSSHub's default, whatever the site.
    return Extracted(None, "absent: RSSHub does not know the language of a site")


PARSER = Parser(
    name="rsshub",
    version="1",
    options={
        "url": "",
        "categories": (),
        "link_hosts": (),
        "midnight": "declared",
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
)
