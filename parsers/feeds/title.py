"""Titles: HTML elements are removed, words that only look like elements are kept."""

from __future__ import annotations

import re
from collections import defaultdict

MAX_LENGTH = 2000
"""A longer text is no title; its elements are kept."""

_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,20})(?P<rest>\s[^<>]*|/)?>")
_UNSEEN = re.compile(
    r"<!--.*?-->|<!doctype[^<>]*>|<(script|style)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE
)
# HTML decodes "&copy=" in text, but in a title it is part of an address.
_OPEN_REFERENCE = re.compile(r"&(?=[A-Za-z]+[=0-9])(?![A-Za-z0-9]+;)")
_VOID = frozenset({"br", "hr", "img", "wbr"})
_INLINE = frozenset(
    {
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "blink", "cite", "code", "del", "dfn", "em", "font",
        "i", "ins", "kbd", "label", "mark", "marquee", "nobr", "q", "rp", "rt", "ruby", "s", "samp", "small",
        "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    }
)  # fmt: skip
_BLOCK = frozenset(
    {
        "article", "blockquote", "body", "center", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3",
        "h4", "h5", "h6", "head", "header", "html", "li", "main", "ol", "p", "pre", "section", "table",
        "tbody", "td", "th", "thead", "title", "tr", "ul", "video", "audio", "iframe", "object", "applet",
        "frameset", "form", "noscript",
    }
)  # fmt: skip


def strip_elements(words: str) -> str:
    """Return HTML text without its elements, on one line.

    A tag without its counterpart (``How to use <b>``), an unknown one (``<words>``) and a
    comparison (``x < y``) are words of the title.
    """
    if "<" in words and len(words) <= MAX_LENGTH:
        words = _UNSEEN.sub("", words)
        tags = [tag for tag in _TAG.finditer(words) if _is_element(tag)]
        words = _without(words, _markup(words, tags))
    return " ".join(_OPEN_REFERENCE.sub("&amp;", words).split())


def _markup(words: str, tags: list[re.Match[str]]) -> set[re.Match[str]]:
    markup: set[re.Match[str]] = set()
    is_open: dict[str, list[re.Match[str]]] = defaultdict(list)
    for tag in tags:
        name = tag["name"].lower()
        if name in _VOID or _is_beside_words(words, tag) or "=" in (tag["rest"] or ""):
            markup.add(tag)
        if not tag["end"]:
            is_open[name].append(tag)
        elif is_open[name]:
            markup |= {is_open[name].pop(), tag}
    return markup


def _is_element(tag: re.Match[str]) -> bool:
    return tag["name"].lower() in _VOID | _INLINE | _BLOCK or "=" in (tag["rest"] or "")


def _is_beside_words(words: str, tag: re.Match[str]) -> bool:
    """Return whether a tag at an edge of the title has no space where words would have one."""
    if tag["end"]:
        return tag.end() == len(words.rstrip()) and words[tag.start() - 1 : tag.start()].isalnum()
    return not words[: tag.start()].strip() and words[tag.end() : tag.end() + 1].isalnum()


def _without(words: str, markup: set[re.Match[str]]) -> str:
    parts = []
    position = 0
    for tag in sorted(markup, key=lambda tag: tag.start()):
        is_space = tag["name"].lower() in _BLOCK or tag["name"].lower() in {"br", "hr"}
        parts += [words[position : tag.start()], " " if is_space else ""]
        position = tag.end()
    return "".join([*parts, words[position:]])
