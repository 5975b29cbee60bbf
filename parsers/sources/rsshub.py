"""A feed of an RSSHub instance, which carries whole articles.

What RSSHub does to items, and how this parser treats it:

* A date that RSSHub cannot read is ``Invalid Date``: the time is unknown.
* A title is cut at display width 150 (a Chinese character has width 2) and ends in
  ``...``; the provenance of the title records it.
* RSSHub adds ``referrerpolicy``, empty ``alt`` and ``onclick``; ``parsers.html.clean``
  drops them.
* An item without a description has its title as description.
* A route without items, or a site that cannot be read, is an HTML error page.
* Of an article with several pages RSSHub reads the first page only.
* A calendar day becomes midnight GMT. The feed does not show whether midnight means a day:
  it is declared for the publications in ``KNOWN`` and set by ``midnight_is`` for others.

The route (``/woshipm/latest``) names the publication. Articles of a known publication have
the ids of its own site; all others have the item's ``guid``, else their canonical link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

from parsers.compose import compose
from parsers.errors import BadListing, IncompleteArticle, UnknownUrl
from parsers.feeds import Feed, FeedItem, parse_feed
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.sources import ofweek, woshipm
from parsers.sources._feed import (
    CHANNEL,
    attached_media,
    configured_categories,
    feed_entries,
    item_ids,
    item_image,
    item_page,
    names,
    optional_facts,
    own_text,
    title_of,
    with_guid,
    with_item_image,
)
from parsers.sources._publisher import Site
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import canonicalize, host_of, is_http, is_in_domain, url_parts

TITLE_WIDTH = 150
INVALID_DATE = "Invalid Date"
ANY_INSTANCE = "https://rsshub.invalid"
"""The placeholder of the instance in the address of a route: ids and stored state name no instance."""


_CHINA = ZoneInfo("Asia/Shanghai")
"""The zone of the publications in ``KNOWN``, unless the source declares another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is known about a publication that RSSHub serves.

    Attributes:
        site: Its own site.
        publisher: Its name; ``None`` when each item names its own publisher.
        midnight_is_day: Its dates are calendar days, which RSSHub gives as midnight GMT.
    """

    site: Site
    publisher: str | None = None
    midnight_is_day: bool = False


KNOWN: Mapping[str, Publication] = {
    "woshipm": Publication(site=woshipm.SITE, publisher=woshipm.PUBLISHER, midnight_is_day=True),
    "ofweek": Publication(site=ofweek.SITE),
}


def feed_url(instance: str, route: str) -> str:
    """Return the URL of a route (``/woshipm/latest``) at an RSSHub instance."""
    return f"{instance.rstrip('/')}/{route.lstrip('/')}"


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the feed."""
    source.choice("midnight_is", ("declared", "day", "instant"))
    return (Listing(channel=CHANNEL, url=source.text("url"), has_content=True),)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry with its whole content for each item.

    Raises:
        BadListing: The page is RSSHub's error page, or no feed.
    """
    feed = _feed(page.text, listing.url)

    def entry_of_item(item: FeedItem) -> Entry:
        _refuse_foreign_link(source, item.link)
        first_id, *other_ids = _ids(source, feed, listing, item)
        return Entry(
            source_article_id=first_id,
            other_ids=tuple(other_ids),
            channel=listing.channel,
            url=item.link or listing.url,
            link=item.link or listing.url,
            facts={
                "title": item.title,
                "published": item.published_raw,
                "author": "\n".join(item.authors),
                "categories": "\n".join(item.categories),
                "guid": item.guid,
            }
            | optional_facts(image=item.image, base=item.base),
            content=own_text(item),
            media=item.media,
        )

    return feed_entries(feed, listing, entry_of_item)


def parse(source: Source, page: Page) -> Article:
    """Parse the article that an item of the feed carries.

    Raises:
        IncompleteArticle: There is no item, or its text is empty.
    """
    entry = page.entry
    if entry is None or entry.content is None:
        raise IncompleteArticle(
            "expected an item of the feed, found a page without one: "
            "RSSHub's articles are inside the feed"
        )
    authors = entry.facts["author"]
    tags = entry.facts["categories"]
    article = compose(
        source,
        item_page(page, entry),
        source_article_id=entry.source_article_id,
        url=entry.link,
        canonical_url=canonicalize(entry.link),
        title=_title(title_of(entry)),
        title_is_optional=True,
        body=entry.content,
        media=attached_media(entry),
        preview=item_image(entry),
        takes_embed=True,
        published=_published(source, entry.facts["published"]),
        publisher=_publisher(source, authors),
        authors=names(authors, "feed:author", "the item names no author"),
        categories=configured_categories(source),
        tags=names(tags, "feed:category", "the item names no category"),
        language=_language(source),
    )
    article = with_item_image(article, entry)
    return with_guid(article, entry) if entry.other_ids else article


def entry_of(_source: Source, url: str) -> Entry:
    """Raise UnknownUrl: the articles are inside the feed and have no page to fetch."""
    raise UnknownUrl(
        f"expected a URL for the parser of the site itself, found {url[:200]!r}: "
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
            f"expected a feed, found {error.found}. RSSHub returns one when a route has no items "
            "or its site failed. The next run retries.",
            expected=error.expected,
            found=error.found,
        ) from error


def _ids(source: Source, feed: Feed, listing: Listing, item: FeedItem) -> tuple[str, ...]:
    publication = _publication(source)
    if publication and not item.link and not item.guid:
        raise IncompleteArticle(expected="link or guid", found=item.raw[:200])
    allowed = source.texts("allowed_domains")
    if publication and _is_in(host_of(item.link), (publication.site.domain, *allowed)):
        try:
            return (publication.site.article_id(item.link, (host_of(item.link),)),)
        except UnknownUrl:
            pass  # a special page of the publication has the id of any other item
    return item_ids(feed, listing, item, by_guid=True)


def _refuse_foreign_link(source: Source, link: str) -> None:
    allowed = source.texts("allowed_domains")
    if link and (not is_http(link) or (allowed and not _is_in(host_of(link), allowed))):
        wanted = f"a link to {', '.join(allowed)} (allowed_domains)"
        raise UnknownUrl(expected=wanted if allowed else "an http or https link", found=link[:200])


def _is_in(host: str, domains: tuple[str, ...]) -> bool:
    return any(is_in_domain(host, domain) for domain in domains)


def _publication(source: Source) -> Publication | None:
    parts = url_parts(source.text("url")).path.split("/")
    return next((KNOWN[part] for part in parts if part in KNOWN), None)


def _title(found: Extracted[str]) -> Extracted[str]:
    title = found.value or ""
    width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in title)
    if title.endswith("...") and width >= TITLE_WIDTH:
        return Extracted(title, f"feed:title, cut by RSSHub at width {TITLE_WIDTH}")
    return found


def _published(source: Source, raw: str) -> Moment:
    if not raw:
        return unknown_time(raw, "the item has no pubDate")
    if raw == INVALID_DATE:
        return unknown_time(raw, "RSSHub could not read the date of the site")
    midnight_is = source.text("midnight_is")
    publication = _publication(source)
    declared = publication is not None and publication.midnight_is_day
    is_day = declared if midnight_is == "declared" else midnight_is == "day"
    zone = source.zone() or (_CHINA if publication else None)
    return parse_time(raw, zone, "feed:pubDate", midnight_is_day=is_day)


def _publisher(source: Source, authors: str) -> Extracted[str] | None:
    publication = _publication(source)
    if publication is None:
        return None
    if publication.publisher:
        return Extracted(publication.publisher, "declared for the publication")
    # OFweek: RSSHub's author is the page's source name; see parsers.sources.ofweek.
    return Extracted(authors, "feed:author") if authors and "\n" not in authors else None


def _language(source: Source) -> Extracted[str]:
    if declared := source.text("language"):
        return Extracted(declared, "source declaration")
    if _publication(source):
        return Extracted("zh-CN", "declared for the publication")
    # The language element of the feed is RSSHub's default for every site.
    return Extracted(None, "absent: RSSHub does not know the language of a site")


PARSER = Parser(
    name="rsshub",
    version="3",
    options={
        "url": "",
        "route": "",
        "categories": (),
        "allowed_domains": (),
        "midnight_is": "declared",
        "language": "",
        "time_zone": "",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
)
