"""Build lxml trees of pages, and read their text.

libxml2 drops everything below a depth of 2048 elements (256 without ``huge_tree``). A page
of that depth is flattened first: tags below ``DEPTH`` are removed, their text is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from lxml import etree

from parsers.html.tree import without_early_ends

DEPTH = 200
"""The depth below which a page that is nested too deep loses its elements."""

MAX_CHARACTERS = 24_000_000

_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_MAX_ATTRIBUTES = 2000
_HUGE = 20_000
_HUGE_TAG = re.compile(rf"<([A-Za-z][A-Za-z0-9]*)\s[^>]{{{_HUGE},}}>")
_FOLD = re.compile(r"[\W_]+")
_TAGS = re.compile(
    r"<!--.*?-->|<(script|style|textarea|title)\b[^>]*>.*?</\1\s*>"
    r"|<(/?)([a-zA-Z][a-zA-Z0-9]*)(?:\"[^\"]*\"|'[^']*'|[^'\">])*>",
    re.DOTALL | re.IGNORECASE,
)
_NEVER_NESTED = frozenset(
    {
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
        "source", "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "option", "thead",
        "tbody", "tfoot", "html", "head", "body",
    }
)  # fmt: skip
_TOO_DEEP = "Excessive depth"


def parse_tree(text: str) -> etree._Element | None:
    """Return the root element of a page; ``None`` when it has no element."""
    if len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS]
    text = without_early_ends(text)
    if _has_huge_tag(text):
        text = _HUGE_TAG.sub(_modest, text)
    root, is_complete = _parse(text)
    if not is_complete:
        root, _ = _parse(flatten(text))
    return root


def _has_huge_tag(text: str) -> bool:
    """Return whether more characters than of a usual tag follow each other without ``>``."""
    start = 0
    while start + _HUGE < len(text):
        start = text.rfind(">", start, start + _HUGE) + 1
        if not start:
            return True
    return False


def _modest(tag: re.Match[str]) -> str:
    # libxml2 takes quadratic time for the attributes of one element.
    return f"<{tag[1]}>" if tag[0].count("=") > _MAX_ATTRIBUTES else tag[0]


def _parse(text: str) -> tuple[etree._Element | None, bool]:
    body = text.encode("utf-8", "replace").translate(None, _CONTROLS)
    if not body.strip():
        return None, True
    parser = etree.HTMLParser(
        encoding="utf-8", huge_tree=True, no_network=True, remove_pis=True, remove_comments=True
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.LxmlError:
        return None, True
    is_complete = not any(_TOO_DEEP in line.message for line in parser.error_log)
    return root, is_complete


def flatten(text: str, depth: int = DEPTH) -> str:
    """Remove the tags of elements below ``depth`` and keep their text, in linear time."""
    open_tags: list[tuple[str, bool]] = []
    kept = 0

    def one_tag(match: re.Match[str]) -> str:
        nonlocal kept
        name = (match[3] or "").lower()
        if not name or name in _NEVER_NESTED:
            return match[0]
        if not match[2]:
            is_kept = kept < depth
            open_tags.append((name, is_kept))
            kept += is_kept
            return match[0] if is_kept else " "
        if open_tags and open_tags[-1][0] == name:
            _, was_kept = open_tags.pop()
            kept -= was_kept
            return match[0] if was_kept else " "
        return match[0] if kept < depth else " "

    return _TAGS.sub(one_tag, text)


def texts_of(node: etree._Element) -> list[str]:
    """Return the pieces of text in a node, in order; a forced break is a space."""
    if next(node.iter("br"), None) is None:
        return cast("list[str]", list(node.itertext()))
    pieces: list[str] = []
    for event, element in etree.iterwalk(node, events=("start", "end")):
        if event == "start":
            pieces.append(" " if element.tag == "br" else element.text or "")
        elif element is not node:
            pieces.append(element.tail or "")
    return pieces


def select(node: etree._Element, xpath: str) -> list[etree._Element]:
    """Return the elements that an XPath expression selects."""
    selected = node.xpath(xpath)
    if not isinstance(selected, list):
        return []
    return [one for one in selected if isinstance(one, etree._Element)]


def attributes_of(node: etree._Element) -> dict[str, str]:
    """Return the attributes of a node; one call is faster than to get each."""
    return dict(cast("Sequence[tuple[str, str]]", node.items()))


def text_of(node: etree._Element) -> str:
    """Return the text of a node on one line."""
    return " ".join("".join(texts_of(node)).split())


def fold(text: str) -> str:
    """Return the letters and digits of a text, case folded, to compare lines."""
    return _FOLD.sub("", text).casefold()


def remove(node: etree._Element) -> None:
    """Remove a node, but keep the text after it."""
    parent = node.getparent()
    if parent is None:
        return
    if node.tail:
        before = node.getprevious()
        if before is None:
            parent.text = (parent.text or "") + " " + node.tail
        else:
            before.tail = (before.tail or "") + " " + node.tail
    parent.remove(node)
