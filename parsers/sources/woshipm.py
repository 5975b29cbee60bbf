"""woshipm, 人人都是产品经理 (everyone is a product manager). Chinese, about 30 articles a day.

Read directly: the JSON stream (``payload`` of three pages) and the article page.

* The stream's ``date`` is a day in China (``2022/03/23``); no page has more than a day.
* The text is ``.article--content``, before 2020 ``.grap``; ``.support-author`` inside it
  asks for a tip and is no part of it.
* The number in the address (``/it/5365424.html``) is the article's id everywhere, so
  reading an RSSHub feed of woshipm gives the same ids.
* An article read by its address alone takes title, author and day from the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from zoneinfo import ZoneInfo

from bs4 import Tag

from parsers.compose import compose
from parsers.errors import UnknownUrl
from parsers.html import select
from parsers.listings import (
    entry_or_error,
    fact,
    host_of,
    is_below,
    parts_of,
    rebased,
    record,
    records,
    unique_entries,
)
from parsers.model import Article, BadEntry, Entry, Extracted, Listing, Moment, Page, Parser, Source
from parsers.text.dates import parse_time, unknown_time
from parsers.text.urls import absolute, canonicalize

HOME = "https://www.woshipm.com"
DOMAIN = "woshipm.com"
PUBLISHER = "人人都是产品经理"
CHANNEL = "latest"

_PAGES = ("", "/page/2", "/page/3")
_PATH = re.compile(r"/[a-z0-9-]+/([0-9]+)\.html")
_SITE = re.compile(rf"\s*[|_-]\s*{PUBLISHER}\s*$")


def listings(source: Source) -> tuple[Listing, ...]:
    """The three pages of the stream that RSSHub reads too."""
    stream = f"{_base(source)}/__api/v1/stream-list"
    return tuple(Listing(channel=CHANNEL, url=stream + page) for page in _PAGES)


def older_listing(source: Source, channel: str, turn: int) -> Listing | None:
    """The stream goes on, page by page, until one is empty."""
    url = f"{_base(source)}/__api/v1/stream-list/page/{len(_PAGES) + turn}"
    return Listing(channel=channel, url=url)


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """One entry an article of the stream.

    Raises:
        BadListing: The answer is not JSON, or its list is not where it was.
    """
    lines = records(page.text, "payload")
    return unique_entries(
        entry_or_error(
            listing.channel,
            json.dumps(line, ensure_ascii=False),
            partial(_entry, source, listing.channel, line),
        )
        for line in lines
    )


def parse(source: Source, page: Page) -> Article:
    """Read one article page.

    Raises:
        LayoutChanged: The text or the headline is not where it was.
        IncompleteArticle: The title or the text is empty.
    """
    soup = select.document(page.text)
    entry = page.entry or entry_of(source, page.url)
    link = rebased(entry.link, _base(source), HOME)
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
        categories=Extracted(source.texts("categories"), "source declaration"),
        language=Extracted("zh-CN", "source declaration"),
    )


def entry_of(source: Source, url: str) -> Entry:
    """The entry of an article's address.

    Raises:
        UnknownUrl: The address names no article.
    """
    link = url.strip()
    return Entry(
        source_article_id=article_id(link, (host_of(_base(source)),)),
        channel=CHANNEL,
        url=rebased(link, HOME, _base(source)),
        link=link,
    )


def article_id(url: str, hosts: tuple[str, ...] = ()) -> str:
    """The number in an article's address.

    Args:
        url: The address.
        hosts: Hosts that serve the publication besides its own domain.

    Raises:
        UnknownUrl: The address names no article of woshipm.
    """
    found = _PATH.fullmatch(parts_of(url).path)
    if not found or not (is_below(host_of(url), DOMAIN) or host_of(url) in hosts):
        raise UnknownUrl(
            f"expected an article of woshipm such as {HOME}/it/5365424.html, found {url[:200]!r}",
            expected=f"{HOME}/<type>/<number>.html",
            found=url[:200],
        )
    return found[1]


def _entry(source: Source, channel: str, line: object) -> Entry:
    found = record(line)
    link = absolute(f"{_base(source)}/", fact(found, "permalink"))
    author = record(select.json_value(found, "author", dict), "author")
    return Entry(
        source_article_id=article_id(link, (host_of(_base(source)),)),
        channel=channel,
        url=rebased(link, HOME, _base(source)),
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
    whole = select.text_of(select.select_one(soup, "head title"))
    return Extracted(_SITE.sub("", whole), "css:title without the site's name")


def _body(soup: Tag) -> Tag:
    body = select.select_one(soup, ".article--content, .grap")
    for request in body.select(".support-author"):
        request.decompose()
    return body


def _published(source: Source, facts: Mapping[str, str], soup: Tag) -> Moment:
    zone = ZoneInfo(source.text("time_zone"))
    if raw := facts.get("published", ""):
        return parse_time(raw, zone, "listing:date")
    if day := select.select_optional(soup, ".author--meta time"):
        return parse_time(select.text_of(day), zone, "css:.author--meta time")
    return unknown_time("", "neither the listing nor the page gives a day")


def _authors(facts: Mapping[str, str], soup: Tag) -> Extracted[tuple[str, ...]]:
    if name := facts.get("author", "").strip():
        return Extracted((name,), "listing:author.name")
    name = (
        select.text_of(tag) if (tag := select.select_optional(soup, ".author--meta .name")) else ""
    )
    if name:
        return Extracted((name,), "css:.author--meta .name")
    return Extracted(None, "absent: neither the listing nor the page names an author")


def _base(source: Source) -> str:
    return source.text("base_url").rstrip("/")


PARSER = Parser(
    name="woshipm",
    version="1",
    options={
        "base_url": HOME,
        "categories": ("新媒体", PUBLISHER, "最新文章"),
        "time_zone": "Asia/Shanghai",
    },
    listings=listings,
    entries=entries,
    parse=parse,
    entry_of=entry_of,
    is_closed=True,
    expect=range(5, 100),
    names=(PUBLISHER,),
    older_listing=older_listing,
)
