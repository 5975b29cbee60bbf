"""Join the bodies of the pages of one article, without what every page repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lxml import etree

from parsers.extract.tree import fold, remove, text_of
from parsers.text.urls import absolute

_LEAVES = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "td", "th", "dt", "dd", "pre", "figure", "img",
     "blockquote"}
)  # fmt: skip
_ADDRESSES = ("href", "src", "data-src", "data-original", "poster")
_REPEATED = 0.8
"""A page with so much text of earlier pages has none of its own."""

_MAX_LINE = 60
_PAGE_LINE = re.compile(
    r"\W*(?:(?:page|seite|página|pagina)\s+\d+\b.{0,12}|第?\s*\d+\s*/\s*\d+\s*[页頁]?"
    r"|(?:continued?|read on|weiter)\b.{0,20}\b(?:page|seite)\b.{0,8}|(?:go to |to the )?next page|nächste seite"
    r"|page suivante|(?:上一?[页頁]|下一?[页頁]|首[页頁]|尾[页頁]|\d|[\s|<>«»‹›…\[\]])+)\W*",
    re.IGNORECASE,
)


def join_bodies(
    bodies: Sequence[etree._Element], bases: Sequence[str], title: str
) -> etree._Element:
    """Return one element with the bodies in order; this changes them.

    Headline, standfirst, pictures, author notes and page links that later pages repeat at
    their beginning or end are left out.

    Args:
        bodies: The body of each page.
        bases: The base URL of the links of each page.
        title: The headline.
    """
    joined = etree.Element("div")
    seen: set[str] = set()
    for body, base in zip(bodies, bases, strict=True):
        leaves = list(_leaves(body))
        _drop_ends(leaves, seen, fold(title), is_first=body is bodies[0])
        seen |= {_key(leaf) for leaf in leaves}
        if body is not bodies[0]:
            _resolve(body, base)
        body.tail = "\n"
        joined.append(body)
    return joined


def repeats(body: etree._Element, earlier: Sequence[etree._Element]) -> bool:
    """Return whether a body has next to nothing that the earlier ones have not."""
    seen = {_key(leaf) for one in earlier for leaf in _leaves(one)}
    sizes = [(len(text_of(leaf)), _key(leaf) in seen) for leaf in _leaves(body)]
    total, own = sum(size for size, _ in sizes), fold(text_of(body))
    if total * 2 < len(own):  # most text is beside its blocks
        return any(own in fold(text_of(one)) for one in earlier)
    return sum(size for size, is_seen in sizes if is_seen) >= _REPEATED * total


def _drop_ends(leaves: list[etree._Element], seen: set[str], title: str, *, is_first: bool) -> None:
    """Remove what is repeated before the first new paragraph and after the last one."""
    for order in (leaves, leaves[::-1]):
        for leaf in order:
            words = text_of(leaf)
            is_line = len(words) <= _MAX_LINE and _PAGE_LINE.fullmatch(words) is not None
            is_title = bool(title) and fold(words).startswith(title) and len(words) < 2 * len(title)
            if not (is_line or (not is_first and (is_title or _key(leaf) in seen))):
                break
            if leaf.getparent() is not None:
                remove(leaf)


def _leaves(body: etree._Element) -> Iterator[etree._Element]:
    """Yield the blocks that hold no other block; a figure is one block."""
    for node in body.iter(etree.Element):
        if node.tag not in _LEAVES or node is body or _is_in_figure(node, body):
            continue
        if node.tag == "figure" or not any(one.tag in _LEAVES for one in node.iterdescendants()):
            yield node


def _is_in_figure(node: etree._Element, body: etree._Element) -> bool:
    around = node.getparent()
    while around is not None and around is not body:
        if around.tag == "figure":
            return True
        around = around.getparent()
    return False


def _key(leaf: etree._Element) -> str:
    """The letters of a block, or the address of its picture."""
    if words := fold(text_of(leaf)):
        return words
    picture = leaf if leaf.tag == "img" else next(leaf.iter("img"), None)
    return "" if picture is None else (picture.get("src") or "").partition("?")[0]


def _resolve(body: etree._Element, base: str) -> None:
    """Make the links of a later page independent of its address."""
    for node in body.iter(etree.Element):
        for name in _ADDRESSES:
            if href := node.get(name):
                node.set(name, absolute(base, href) or href)
