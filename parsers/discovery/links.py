"""The feeds that an HTML page links: in its head, else in its anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

from parsers.html.select import document, text_of
from parsers.text.urls import absolute, is_http, url_parts

MAX_ANCHORS = 5000

_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/feed+json"})
_DOUBTFUL = frozenset(
    {"application/json", "text/xml", "application/xml", "application/rdf+xml", "application/x.atom+xml"}
)  # fmt: skip
"""Types that other documents have, too: the link is read before it is offered."""

_FEED_PATH = re.compile(
    r"(?:^|[/._-])(?:feeds?|rss|atom|rdf)(?:[/._-]|$)|\.(?:rss|atom|rdf)$", re.I
)
_ANCHOR = re.compile(
    r"\.(?:rss|atom|rdf|xml)$|(?:^|[/._-])(?:rss|atom|feeds?)(?:2|[/._-]|$)|/feeds/posts/default",
    re.I,
)
_ANCHOR_QUERY = re.compile(r"(?:^|&)(?:feed=(?:rss2?|atom|rdf)|type=100)(?:&|$)", re.I)
_ANCHOR_TEXT = re.compile(r"\b(?:rss|atom)\b", re.I)
_COMMENTS = re.compile(r"(?:^|[/?=&._-])comments?(?:[/?&=._-]|$)", re.I)
_COMMENT_TITLE = re.compile(
    r"\bcomments?\b|kommentar|commentaire|comentario|评论|評論|コメント", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLink:
    """A link that may lead to a feed.

    Attributes:
        title: As the page gives it; its address when it gives none.
        is_comments: The feed has comments, so that it is never the choice.
        is_declared: The page declares a feed; otherwise it looks like one.
    """

    url: str
    title: str
    is_comments: bool = False
    is_declared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLinks:
    """What a page links.

    Attributes:
        title: Of the page.
        feeds: In the order of the page, each address once.
        canonical: The address that the page declares; empty when it is none.
    """

    title: str
    feeds: tuple[FeedLink, ...]
    canonical: str


def page_links(text: str, url: str) -> PageLinks:
    """Return the feeds that a page links.

    Args:
        text: The page.
        url: Its address after redirects, the base of its links.

    Raises:
        LayoutChanged: The page is too large.
    """
    soup = document(text)
    base = _base(soup, url)
    declared = _unique(_declared(soup, base))
    feeds = declared or _unique(_anchors(soup, base))
    canonical = next(
        (
            absolute(base, str(link.get("href") or ""))
            for link in soup.find_all("link", limit=500)
            if "canonical" in _rel(link)
        ),
        "",
    )
    title = text_of(soup.title) if soup.title else ""
    return PageLinks(title=title, feeds=feeds, canonical=canonical if is_http(canonical) else "")


def _declared(soup: BeautifulSoup, base: str) -> Iterator[FeedLink]:
    for link in soup.find_all("link", href=True, limit=500):
        rel, kind = _rel(link), str(link.get("type") or "").partition(";")[0].strip().lower()
        if link.get("hreflang") and kind not in _TYPES:
            continue
        url = _address(base, link)
        if not url or "/wp-json/" in url:
            continue
        is_feed = "feed" in rel or (
            "alternate" in rel and "stylesheet" not in rel and kind in _TYPES
        )
        looks_like = _FEED_PATH.search(url_parts(url).path) is not None
        is_doubtful = "alternate" in rel and (kind in _DOUBTFUL or (not kind and looks_like))
        if is_feed or is_doubtful:
            yield _link(url, str(link.get("title") or ""), is_declared=is_feed)


def _anchors(soup: BeautifulSoup, base: str) -> Iterator[FeedLink]:
    for anchor in soup.find_all("a", href=True, limit=MAX_ANCHORS):
        url = _address(base, anchor)
        parts = url_parts(url)
        text = text_of(anchor)[:200]
        if url and (
            _ANCHOR.search(parts.path)
            or _ANCHOR_QUERY.search(parts.query)
            or (len(text) < 40 and _ANCHOR_TEXT.search(text))
        ):
            yield _link(url, text, is_declared=False)


def _link(url: str, title: str, *, is_declared: bool) -> FeedLink:
    title = " ".join(title.split())
    parts = url_parts(url)
    is_comments = bool(
        _COMMENTS.search(f"{parts.path}?{parts.query}") or _COMMENT_TITLE.search(title)
    )
    return FeedLink(url=url, title=title or url, is_comments=is_comments, is_declared=is_declared)


def _unique(links: Iterator[FeedLink]) -> tuple[FeedLink, ...]:
    found: dict[str, FeedLink] = {}
    for link in links:
        found.setdefault(link.url, link)
    return tuple(found.values())


def _address(base: str, element: Tag) -> str:
    href = str(element.get("href") or "").strip()
    url = absolute(base, re.sub(r"^feed:(?://)?(?=https?:)|^feed:(?=//)", "", href)) if href else ""
    return url.partition("#")[0] if is_http(url) else ""


def _rel(link: Tag) -> frozenset[str]:
    rel = link.get("rel") or ""
    words = rel if isinstance(rel, list) else str(rel).split()
    return frozenset(word.lower() for word in words)


def _base(soup: BeautifulSoup, url: str) -> str:
    tag = soup.find("base", href=True)
    declared = absolute(url, str(tag.get("href"))) if isinstance(tag, Tag) else url
    return declared if is_http(declared) else url
