"""woshipm, 人人都是产品经理 (everyone is a product manager). Chinese, about 30 articles a day.

Read directly: the JSON stream (``payload`` of three pages) and the article page.

* The stream's ``date`` is a day in China (``2022/03/23``); no page has more than a day.
* The text is ``.article--content``, before 2020 ``.grap``. ``.support-author`` inside it
  asks for a tip and is not part of the text.
* The number in the URL (``/it/5365424.html``) is the article's id, also in the RSSHub feed.
* For an article read by its URL alone, title, author and day come from the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial

from bs4 import Tag

from parsers.compose import compose
from parsers.html import select
from parsers.listings import entry_or_error, fact, record, records, unique_entries
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.sources._publisher import CHINESE, Site, base_url, declared_categories
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import absolute, canonicalize

PUBLISHER = "人人都是产品经理"
CHANNEL = "latest"
SITE = Site(
    home="https://www.woshipm.com",
    domain="woshipm.com",
    article_path=re.compile(r"/[a-z0-9-]+/(?P<id>[0-9]+)\.html"),
    example="https://www.woshipm.com/it/5365424.html",
    title_suffix=re.compile(rf"\s*[|_-]\s*{PUBLISHER}\s*$"),
)

_PAGES = ("", "/page/2", "/page/3")


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the three pages of the stream that RSSHub reads too."""
    return tuple(_listing(source, CHANNEL, page) for page in _PAGES)


def older_listing(source: Source, channel: str, number: int) -> Listing | None:
    """Return a later page of the stream; the last one is empty."""
    return _listing(source, channel, f"/page/{len(_PAGES) + number}")


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return one entry for each article of the stream.

    Raises:
        BadListing: The answer is not JSON, or its list is not where it was.
    """
    return unique_entries(
        entry_or_error(
            listing.channel,
            json.dumps(item, ensure_ascii=False),
            partial(_entry, source, listing.channel, item),
        )
        for item in records(page.text, "payload")
    )


def parse(source: Source, page: Page) -> Article:
    """Parse an article page.

    Raises:
        LayoutChanged: The text or the headline is not where it was.
        IncompleteArticle: The title or the text is empty.
    """
    soup = select.document(page.text)
    entry = page.entry or entry_of(source, page.url)
    link = SITE.at_home(source, entry.link)
    return compose(
        source,
        page,
        source_article_id=entry.source_article_id,
        url=link,
        canonical_url=canonicalize(link),
        title=_title(entry.facts, soup),
        body=_body(soup),
        published=_published(source, entry.facts, soup),
        publisher=Extracted(PUBLISHER, "source declaration"),
        authors=_authors(entry.facts, soup),
        categories=declared_categories(source),
        language=CHINESE,
    )


def entry_of(source: Source, url: str) -> Entry:
    """Return the entry of an article's URL.

    Raises:
        UnknownUrl: The URL names no article.
    """
    link = url.strip()
    return Entry(
        source_article_id=SITE.configured_id(source, link),
        channel=CHANNEL,
        url=SITE.at_base(source, link),
        link=link,
    )


def _listing(source: Source, channel: str, page: str) -> Listing:
    return Listing(channel=channel, url=f"{base_url(source)}/__api/v1/stream-list{page}")


def _entry(source: Source, channel: str, item: object) -> Entry:
    found = record(item)
    link = absolute(f"{base_url(source)}/", fact(found, "permalink"))
    author = record(select.json_value(found, "author", dict), "author")
    return Entry(
        source_article_id=SITE.configured_id(source, link),
        channel=channel,
        url=SITE.at_base(source, link),
        link=link,
        facts={
            "title": fact(found, "title"),
            "published": fact(found, "date"),
            "author": fact(author, "name", "author"),
            "digest": fact(found, "snipper"),
        },
    )


def _title(facts: Mapping[str, str], soup: Tag) -> Extracted[str]:
    if title := facts.get("title", "").strip():
        return Extracted(title, "listing:title")
    if headline := select.select_optional(soup, ".article--title"):
        return Extracted(select.text_of(headline), "css:.article--title")
    return SITE.page_title(soup)


def _body(soup: Tag) -> Tag:
    body = select.select_one(soup, ".article--content, .grap")
    for request in body.select(".support-author"):
        request.decompose()
    return body


def _published(source: Source, facts: Mapping[str, str], soup: Tag) -> Moment:
    if raw := facts.get("published", ""):
        return parse_time(raw, source.zone(), "listing:date")
    if day := select.select_optional(soup, ".author--meta time"):
        return parse_time(select.text_of(day), source.zone(), "css:.author--meta time")
    return unknown_time("", "neither the listing nor the page gives a day")


def _authors(facts: Mapping[str, str], soup: Tag) -> Extracted[tuple[str, ...]]:
    if name := facts.get("author", "").strip():
        return Extracted((name,), "listing:author.name")
    tag = select.select_optional(soup, ".author--meta .name")
    if tag and (name := select.text_of(tag)):
        return Extracted((name,), "css:.author--meta .name")
    return Extracted(None, "absent: neither the listing nor the page names an author")


PARSER = Parser(
    name="woshipm",
    version="2",
    options={
        "base_url": SITE.home,
        "categories": ("新媒体", PUBLISHER, "最新文章"),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    requires_full_html=True,
    daily_range=range(5, 100),
    publisher_names=(PUBLISHER,),
    older_listing=older_listing,
)
