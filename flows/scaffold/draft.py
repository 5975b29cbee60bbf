"""Draft the selectors of a parser from one page, with the generic parser as the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bs4 import BeautifulSoup, Tag

from parsers import registry
from parsers.html import select
from parsers.model import Article, Page
from parsers.text.dates import find_time_text, parse_time
from parsers.text.people import author_names
from parsers.text.urls import absolute, is_http

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MADE_BY_A_BUILD = re.compile(r"\d{3,}|__|--|[A-Z].*[a-z].*\d|^(?:css|sc|jsx|svelte)-")
_BOXES = ("article", "main", "section", "div", "td", "body")
_META_NAME = re.compile(r"[\w.:-]+")
_MAX_LINE = 80
_MIN_SHARE = 0.9
_FEED = re.compile(r"application/(?:rss|atom|feed)\+(?:xml|json)|application/json", re.IGNORECASE)
_TIMES = (
    ('meta[property="article:published_time"]', "content"),
    ('meta[itemprop="datePublished"]', "content"),
    ("time[datetime]", "datetime"),
    ('[itemprop="datePublished"]', "content"),
    ('[itemprop="datePublished"]', ""),
    ("time", ""),
)
_AUTHORS = (
    ('[rel="author"]', ""),
    ('[itemprop="author"]', ""),
    ('meta[name="author"]', "content"),
    ('meta[property="article:author"]', "content"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A CSS selector with one match.

    Attributes:
        attribute: The attribute that has the value; empty for its text.
        is_line: The value is a time in a line with other words.
    """

    css: str
    attribute: str = ""
    is_line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a page gives for a new parser.

    Attributes:
        home: Scheme and host of the site.
        feed: The URL of the feed that the page links; empty when it links none.
        published: ``None`` when no selector gives the time that the generic parser found.
        authors: Likewise.
        time_zone: The zone of times that name none.
        article: What the generic parser gives.
    """

    home: str
    feed: str
    title: Selector
    body: Selector
    published: Selector | None
    authors: Selector | None
    time_zone: str
    article: Article


def draft_of(page: Page) -> Draft:
    """Draft a parser of a page.

    Raises:
        ParseError: The generic parser finds no article.
    """
    article = registry.parse(registry.make_source("draft", "generic", {}), page)
    soup = select.document(page.text)
    own = page.final_url or page.url
    parts = urlsplit(own)
    zone = article.published_timezone or ""
    zone = zone if article.published_timezone_source == "source" and "/" in zone else "UTC"
    return Draft(
        home=f"{parts.scheme}://{parts.netloc}",
        feed=_feed(soup, own),
        title=_title(soup, article.title or ""),
        body=Selector(css=_unique(soup, _body(soup, article)) or "body"),
        published=_published(soup, article, ZoneInfo(zone)),
        authors=_authors(soup, article),
        time_zone=zone,
        article=article,
    )


def value_of(soup: BeautifulSoup, selector: Selector) -> str:
    """Return what a selector gives; empty unless it has one match."""
    found = soup.select(selector.css, limit=2)
    if len(found) != 1:
        return ""
    if not selector.attribute:
        return select.text_of(found[0])
    return " ".join(str(found[0].get(selector.attribute) or "").split())


def _feed(soup: BeautifulSoup, own: str) -> str:
    for link in soup.select("link[rel~=alternate][type][href]"):
        url = absolute(own, str(link["href"]))
        is_comments = "comment" in f"{link.get('title', '')} {url}".lower()
        if _FEED.fullmatch(str(link["type"]).strip()) and is_http(url) and not is_comments:
            return url
    return ""


def _title(soup: BeautifulSoup, title: str) -> Selector:
    headings = [one for one in soup.select("h1, h2, [itemprop=headline]") if _same(one, title)]
    for one in headings:
        if css := _unique(soup, one):
            return Selector(css=css)
    declared = Selector(css='meta[property="og:title"][content]', attribute="content")
    return declared if value_of(soup, declared) else Selector(css="title")


def _same(node: Tag, title: str) -> bool:
    return bool(title) and " ".join(title.split()) == select.text_of(node)


def _body(soup: BeautifulSoup, article: Article) -> Tag:
    """Return the smallest box that holds nearly all paragraphs of the article."""
    wanted = [_letters(line) for line in (article.text or "").split("\n") if line.strip()]
    total = sum(map(len, wanted))
    best, least = soup.body or soup, -1
    for box in soup.find_all(_BOXES):
        words = _letters(box.get_text(" "))
        if sum(len(line) for line in wanted if line in words) < _MIN_SHARE * total:
            continue
        if _unique(soup, box) and (least < 0 or len(words) < least):
            best, least = box, len(words)
    return best


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


def _published(soup: BeautifulSoup, article: Article, zone: ZoneInfo) -> Selector | None:
    if article.published_at is None:
        return None
    wanted: datetime = article.published_at

    def is_it(text: str) -> bool:
        return bool(text) and parse_time(text, zone, "").at == wanted

    def has_it(text: str) -> bool:
        return is_it(find_time_text(text))

    raw, names = article.published_raw, [*_TIMES, *_metas(soup)]
    if found := _first(soup, names, is_it) or _by_text(
        soup, lambda text: raw in text, is_it, len(raw)
    ):
        return found
    line = _by_text(soup, lambda text: raw in text, has_it, len(raw) + _MAX_LINE)
    return None if line is None else replace(line, is_line=True)


def _metas(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    for node in soup.select("meta[content]"):
        for key in ("property", "name", "itemprop"):
            if (value := str(node.get(key) or "")) and _META_NAME.fullmatch(value):
                yield f'meta[{key}="{value}"]', "content"


def _authors(soup: BeautifulSoup, article: Article) -> Selector | None:
    if not article.authors:
        return None
    first = article.authors[0]

    def is_it(text: str) -> bool:
        return author_names([text]) == article.authors

    length = sum(map(len, article.authors)) + 20
    return _first(soup, _AUTHORS, is_it) or _by_text(
        soup, lambda text: first in text, is_it, length
    )


def _first(
    soup: BeautifulSoup, known: Iterable[tuple[str, str]], is_it: Callable[[str], bool]
) -> Selector | None:
    for name, attribute in known:
        css = name
        if attribute and f"[{attribute}" not in css:
            css += f"[{attribute}]"
        selector = Selector(css=css, attribute=attribute)
        if is_it(value_of(soup, selector)):
            return selector
    return None


def _by_text(
    soup: BeautifulSoup, may_be: Callable[[str], bool], is_it: Callable[[str], bool], length: int
) -> Selector | None:
    """Return a selector of the shortest element with a text; elements with much more are left out."""
    found = []
    for place, node in enumerate(soup.find_all(True)):
        text = " ".join(node.get_text(" ").split())
        if len(text) <= length + 40 and may_be(text) and is_it(select.text_of(node)):
            found.append((len(text), -place, node))  # the inner one of equals
    for _, _, node in sorted(found, key=lambda one: one[:2]):
        if css := _unique(soup, node):
            return Selector(css=css)
    return None


def _unique(soup: BeautifulSoup, node: Tag) -> str:
    """Return a short selector that matches the node only; empty when there is none."""
    if not isinstance(node, Tag) or node.parent is None:
        return ""
    own = list(_steps(node))
    around = [one for one in node.parents if isinstance(one, Tag) and one.parent is not None][:5]
    candidates = [
        *own,
        *(f"{step} {one}" for parent in around for step in _steps(parent) for one in own),
    ]
    for css in candidates:
        found = soup.select(css, limit=2)
        if len(found) == 1 and found[0] is node:
            return css
    return ""


def _steps(node: Tag) -> Iterator[str]:
    """Yield selectors of one element: its id, its classes, its name."""
    name = str(node.get("id") or "")
    if _is_written(name):
        yield f"#{name}"
    classes = [one for one in node.get("class") or [] if _is_written(one)]
    yield from (f"{node.name}.{one}" for one in classes)
    if itemprop := node.get("itemprop"):
        yield f'[itemprop="{itemprop}"]' if _NAME.fullmatch(str(itemprop)) else node.name
    yield node.name


def _is_written(name: str) -> bool:
    """Whether a person chose a name, so that it outlasts the next build of the site."""
    return bool(_NAME.fullmatch(name)) and not _MADE_BY_A_BUILD.search(name)
