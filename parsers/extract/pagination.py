"""Find the link to the next page of an article: ``rel=next``, and numbered links.

A blog's ``rel=next`` often leads to the next post, so a link needs two signs. Its address is that
of the article with a page number (``?page=2``, ``/2/``, ``_2.html``, ``-p2``). And it is declared
or worded as the next page, or its text is the page number.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from urllib.parse import SplitResult, parse_qsl

from lxml import etree

from parsers.errors import UnknownUrl
from parsers.extract.tree import parse_tree, text_of
from parsers.model import Page
from parsers.text.urls import absolute, canonicalize, url_parts

MAX_PAGES = 30
"""Pages of one article; a longer chain of links is cut there."""

_MAX_LINKS = 5000
_HEAD_SIZE = 200_000
_MAX_LEVELS = 4
_MAX_DIGITS = 3
_PARAMETERS = frozenset(
    {"page", "pages", "paged", "pagenum", "pageno", "page_no", "pn", "pg", "p", "seite", "pagina"}
)
_AMBIGUOUS = frozenset({"p", "pn", "pg"})  # `?p=123` is a post of WordPress
_STEM = re.compile(r"(?P<stem>.*?)(?P<type>\.(?:[sx]?html?|php|aspx?|jsp|cfm))?/?")
_STRONG = re.compile(
    r"(?:_|[-_,/]p|[-_,/]page[-_/]|[-_,/]seite[-_/]|/|,|/index[-_])0?(?P<number>[0-9]{1,3})"
)
_WEAK = re.compile(r"-(?P<number>[0-9]{1,2})")  # also the second post with one headline
_HREF = re.compile(r"""href\s*=\s*(?:"([^"]{0,2000})"|'([^']{0,2000})'|([^\s"'>]{1,2000}))""")
_HREF_IN_CAPITALS = re.compile(_HREF.pattern, re.IGNORECASE)
_CANONICAL = re.compile(
    r"<link\b[^>]{0,1000}\brel\s*=\s*[\"']?canonical\b[^>]{0,2000}>", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"[?&;](?:amp;)?[a-z_]*=([0-9]{1,3})(?![0-9])|[/_,-]p?([0-9]{1,3})(?:\.[a-z]+)?/?(?:$|[?#])",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"[\s<«‹]*(?:(?:go to |continue (?:to |on |reading:? ?)?)?(?:the )?next(?: page)?|continue(?: reading)?|"
    r"(?:zur )?nächsten? seite|weiter(?:lesen)?|(?:page )?suivante?|(?:página )?siguiente|(?:pagina )?successiva|"
    r"próxima(?: página)?|volgende(?: pagina)?|下一?[页頁]|次(?:の?ページ)?へ?|다음(?: 페이지)?)?[\s>»›→…:.]*",
    re.IGNORECASE,
)
_MAX_WORDS = 60
_COMMENTS = re.compile(r"comment|disqus|kommentar|respond", re.IGNORECASE)


def next_page(pages: Sequence[Page], links: Iterable[str] | None = None) -> str | None:
    """Return the URL of the page after the last one; ``None`` when none is linked.

    Args:
        pages: The pages of the article so far, in order.
        links: The addresses of the links of a page that is alone, if it is in a tree already.
    """
    known, first = article_addresses(pages[0]), pages[0].final_url or pages[0].url
    last = page_number(pages[-1].url, known) or page_number(pages[-1].final_url, known)
    wanted = {last + 1} if last else {_own_number(first) + 1} if _own_number(first) else {1, 2}
    place = (last or _own_number(first) or len(pages)) + 1
    for page in reversed(pages):  # a last page may link only the one before
        own = page.final_url or page.url
        found = links_in(page.text) if links is None or len(pages) > 1 else links
        if _may_link(found, page.text, own, known, wanted) and (
            url := _link(page, known, wanted, place)
        ):
            return url
    return None


def article_addresses(page: Page) -> list[SplitResult]:
    """Return the addresses that an article's first page has or declares."""
    own = page.final_url or page.url
    link = _CANONICAL.search(page.text[:_HEAD_SIZE])
    href = _HREF_IN_CAPITALS.search(link[0]) if link else None
    declared = html.unescape(href[1] or href[2] or href[3] or "") if href else ""
    urls = dict.fromkeys([own, page.url, *([absolute(own, declared)] if declared else [])])
    return [parts for parts in map(_canonical, urls) if parts is not None]


def page_number(url: str, addresses: Iterable[SplitResult]) -> int | None:
    """Return the page number that a URL adds to an article's address; ``None`` without one."""
    parts = _canonical(url)
    if parts is None:
        return None
    found = (_number(parts, address, _STRONG) for address in addresses)
    return next((number for number in found if number is not None), None)


def links_in(text: str) -> Iterator[str]:
    """Yield the addresses of the links in a page; this is much faster than a tree."""
    # A pattern that begins with one literal is several times as fast.
    for quoted, single, bare in (_HREF_IN_CAPITALS if "HREF" in text else _HREF).findall(text):
        yield html.unescape(quoted or single or bare)


def _may_link(
    links: Iterable[str],
    text: str,
    own: str,
    addresses: Sequence[SplitResult],
    wanted: set[int],
) -> bool:
    """Return whether some link may have such an address."""
    names = [_file_name(address) for address in addresses]
    has_number = False
    for href in islice(links, _MAX_LINKS):
        if href.startswith(("/", "http")) and not any(name in href for name in names):
            continue  # a whole path of another article; resolving each is what takes long
        if any(int(one or other) in wanted for one, other in _NUMBERED.findall(href)):
            url = absolute(own, href.strip())
            if _numbers(url, addresses) & wanted:
                return True
            has_number = True
    # A base may change every address. To look for it costs as much as to find the links.
    return has_number and ("<base" in text or "<BASE" in text)


def _file_name(address: SplitResult) -> str:
    """Return the last part of the path without its type; empty if a link may spell it otherwise."""
    path = _STEM.fullmatch(address.path)
    name = path["stem"].rpartition("/")[2] if path else ""
    return "" if "%" in name else name


def _link(page: Page, addresses: Sequence[SplitResult], wanted: set[int], place: int) -> str | None:
    root = parse_tree(page.text)
    if root is None:
        return None
    own = page.final_url or page.url
    base = next((absolute(own, one.get("href") or "") for one in root.iter("base")), "") or own
    for node in islice(_links(root), _MAX_LINKS):
        url = absolute(base, (node.get("href") or "").strip())
        parts = _canonical(url)
        if parts is None:
            continue
        is_next = "next" in (node.get("rel") or "").lower().split()
        words = text_of(node)[:_MAX_WORDS] if node.tag == "a" else ""
        is_numbered = words.strip(" []()") == str(place)
        for address in addresses:
            if _number(parts, address, _STRONG) in wanted:
                is_certain = is_next or is_numbered or bool(words and _NEXT.fullmatch(words))
            else:
                is_certain = is_numbered and _number(parts, address, _WEAK) in wanted
            if is_certain and not _is_of_comments(node):
                return url.partition("#")[0]
    return None


def _links(root: etree._Element) -> Iterator[etree._Element]:
    declared = (node for node in root.iter("link", "a") if node.get("rel") and node.get("href"))
    yield from (node for node in declared if "next" in (node.get("rel") or "").lower().split())
    yield from (node for node in root.iter("a") if node.get("href"))


def _is_of_comments(node: etree._Element) -> bool:
    if _COMMENTS.search((node.get("href") or "").partition("#")[2]):
        return True
    around: etree._Element | None = node
    for _ in range(_MAX_LEVELS):
        if around is None or around.tag in ("body", "html", "article", "main"):
            return False
        if _COMMENTS.search(f"{around.get('class', '')} {around.get('id', '')}"):
            return True
        around = around.getparent()
    return False


def _numbers(url: str, addresses: Iterable[SplitResult]) -> set[int]:
    parts = _canonical(url)
    if parts is None:
        return set()
    found = (_number(parts, one, how) for one in addresses for how in (_STRONG, _WEAK))
    return {number for number in found if number is not None}


def _number(parts: SplitResult, address: SplitResult, how: re.Pattern[str]) -> int | None:
    """Return the number that one address has and the other has not, or has as well."""
    if _host(parts) != _host(address):
        return None
    path, own = (_STEM.fullmatch(one.path) for one in (parts, address))
    if path is None or own is None:
        return None
    if path["stem"] == own["stem"] and path["type"] == own["type"]:
        return _query_number(parts, address)
    if (
        parts.query != address.query
        or len(own["stem"]) < 2
        or own["type"] not in (None, path["type"])
    ):
        return None
    if not path["stem"].startswith(own["stem"]):
        return None
    found = how.fullmatch(path["stem"][len(own["stem"]) :])
    return int(found["number"]) if found else None


def _query_number(parts: SplitResult, address: SplitResult) -> int | None:
    one, other = (
        Counter(parse_qsl(each.query, keep_blank_values=True)) for each in (parts, address)
    )
    own = {name.lower() for name, _ in other}
    added, removed = list((one - other).elements()), list((other - one).elements())
    if len(added) != 1 or len(removed) > 1:
        return None
    ((name, value),) = added
    if name.lower() not in _PARAMETERS or not value.isdecimal() or len(value) > _MAX_DIGITS:
        return None
    if removed and (removed[0][0] != name or name.lower() in _AMBIGUOUS):
        return None
    if not removed and name.lower() in own:
        return None
    return int(value)


def _own_number(url: str) -> int:
    """Return the page number in the query of an article's own URL; 0 without one."""
    for name, value in parse_qsl(url_parts(url).query):
        if (
            name.lower() in _PARAMETERS - _AMBIGUOUS
            and value.isdecimal()
            and len(value) <= _MAX_DIGITS
        ):
            return int(value)
    return 0


@lru_cache(maxsize=1000)  # several functions ask for the address of one page
def _canonical(url: str) -> SplitResult | None:
    try:
        parts = url_parts(canonicalize(url))
    except UnknownUrl:
        return None
    return parts if parts.path.strip("/") or parts.query else None


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").removeprefix("www.")
