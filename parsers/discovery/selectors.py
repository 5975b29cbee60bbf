"""Propose CSS selectors for a page that lists articles, from its repeated links.

The links of teasers share elements and class names, differ in their address, and have long
texts; those of menus have short ones. A selector is made of each group of such links, and the
one whose links look most like headlines is proposed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from math import sqrt

import soupsieve
from bs4 import BeautifulSoup, Tag

from parsers.html.select import document, text_of
from parsers.text.urls import absolute, canonicalize, host_of, is_http

MIN_LINKS = 3
MAX_ANCHORS = 3000

DATES = (
    "time", "[datetime]", ".date", "[class*=date i]", "[class*=time i]", "[class*=publish i]",
    "[class*=meta i]",
)  # fmt: skip
"""Selectors of dates, the most certain first."""

_NEXT = (
    "a[rel~=next]", "link[rel~=next]", "a.next", ".next a", "a[class*=next i]",
    "[class*=next i] a", "a[class*=older i]", "[class*=older i] a", 'a[aria-label*="next" i]',
    'a:-soup-contains-own("Older")', 'a:-soup-contains-own("Next")', 'a:-soup-contains-own("older")',
    'a:-soup-contains-own("next")', 'a:-soup-contains-own("下一页")', 'a:-soup-contains-own("Weiter")',
    'a:-soup-contains-own("Suivant")', 'a:-soup-contains-own("Siguiente")',
)  # fmt: skip
_OUTSIDE = frozenset({"nav", "footer", "header", "aside", "form", "dialog"})
_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{1,40}(?:\d{1,2})?")
_HEADING = re.compile(r"h[1-6]")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_MIN_SIZE = 16
_MAX_SIZE = 120
_DEPTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProposal:
    """Selectors for a page that lists articles.

    Attributes:
        links: The selector of the links.
        dates: Selectors of dates to try, in this order.
        next_page: The selector of the next page; empty when there is none.
        count: How many addresses ``links`` selects.
    """

    links: str
    dates: tuple[str, ...]
    next_page: str
    count: int


def propose_list(text: str, url: str) -> ListProposal | None:
    """Return selectors for a page; ``None`` when it has no repeated links of articles.

    Args:
        text: The page.
        url: Its address after redirects.

    Raises:
        LayoutChanged: The page is too large.
    """
    soup = document(text)
    anchors = [
        one for one in soup.find_all("a", href=True, limit=MAX_ANCHORS) if _is_candidate(one, url)
    ]
    groups: dict[str, set[str]] = defaultdict(set)
    for anchor in anchors:
        for css in _selectors(anchor):
            groups[css].add(_address(anchor, url))
    scored = [
        (score, css)
        for css, urls in groups.items()
        if len(urls) >= MIN_LINKS and (score := _score(soup, css, url))
    ]
    if not scored:
        return None
    # Of equally good selectors the shortest is the clearest.
    best = max(scored, key=lambda one: (round(one[0], 3), -len(one[1])))[1]
    dates = tuple(css for css in DATES if soup.select_one(css))
    return ListProposal(
        links=best,
        dates=dates,
        next_page=_next_page(soup, url),
        count=len({_address(one, url) for one in soup.select(best)}),
    )


def _is_candidate(anchor: Tag, url: str) -> bool:
    address = _address(anchor, url)
    if not address or host_of(address).removeprefix("www.") != host_of(url).removeprefix("www."):
        return False
    if canonicalize(address) == canonicalize(url):
        return False
    return not any(parent.name in _OUTSIDE for parent in anchor.parents)


def _selectors(anchor: Tag) -> set[str]:
    """Return selectors of an anchor: its own steps, and those of the elements around it."""
    steps = [_step(anchor)]
    found = {steps[0]} if steps[0] != "a" else set()
    for parent in anchor.parents:
        if parent.name in {"body", "html", "[document]"} or len(steps) > _DEPTH:
            break
        steps.append(_step(parent))
        heading = next((one for one in steps[1:-1] if _HEADING.match(one)), "")
        found.add(f"{steps[-1]} {steps[0]}")
        if heading:
            found.add(f"{steps[-1]} {heading.partition('.')[0]} a")
    return found


def _step(element: Tag) -> str:
    classes = element.get("class")
    names = [one for one in classes if _NAME.fullmatch(one)] if isinstance(classes, list) else []
    return f"{element.name}.{soupsieve.escape(names[0])}" if names else str(element.name)


def _score(soup: BeautifulSoup, css: str, url: str) -> float:
    """Return how much the links of a selector look like headlines; 0 for those of a menu."""
    texts: dict[str, int] = {}
    outside = headings = 0
    found = soup.select(css, limit=500)
    for anchor in found:
        if not _is_candidate(anchor, url):
            outside += 1
            continue
        address = _address(anchor, url)
        texts[address] = max(texts.get(address, 0), _size(text_of(anchor)))
        headings += bool(anchor.find_parent(_HEADING) or anchor.find(_HEADING))
    if len(texts) < MIN_LINKS:
        return 0.0
    headlines = [min(size, _MAX_SIZE) for size in texts.values() if size >= _MIN_SIZE]
    share = len(headlines) / len(texts)
    if share < 0.5:
        return 0.0
    purity = (len(found) - outside) / len(found)
    # Twice as many links are better, but not twice as good: the largest group may be a menu.
    many = sqrt(len(headlines))
    mean = sum(headlines) / len(headlines)
    return many * mean * share * purity * (1.5 if headings * 2 >= len(found) else 1.0)


def _size(text: str) -> int:
    return len(text) + 2 * len(_HAN.findall(text))


def _next_page(soup: BeautifulSoup, url: str) -> str:
    for css in _NEXT:
        found = soup.select_one(css)
        target = _address(found, url) if found is not None else ""
        if target and host_of(target) == host_of(url) and canonicalize(target) != canonicalize(url):
            return css
    return ""


def _address(element: Tag, url: str) -> str:
    target = absolute(url, str(element.get("href") or "")).partition("#")[0]
    return target if is_http(target) else ""
