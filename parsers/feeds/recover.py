"""Make the markup of one item well-formed, as a browser would.

Kept are all words and the elements that have both tags. Dropped are end tags without a start
tag. An element without an end tag ends with its parent.
"""

from __future__ import annotations

import re
from collections import Counter

_TOKEN = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?[^<>]*\?>"
    r"|<(?P<end>/?)(?P<name>[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)"
    r"(?P<rest>(?:\s(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)?)(?P<empty>/?)>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)(?:\s*=\s*(?:\"(?P<double>[^\"<]*)\"|'(?P<single>[^'<]*)'|(?P<bare>[^\s\"'<>]+)))?"
)
_VOID = frozenset({"br", "hr", "img", "wbr", "input", "col", "embed", "param"})
_TEXT_ONLY = frozenset({"title", "link", "guid", "id", "pubdate", "published", "updated"})
# A field of an item ends these: no text has a field inside, and HTML beside fields is stray.
_UNENDED = _TEXT_ONLY | {"a", "b", "div", "em", "font", "i", "p", "small", "span", "strong", "u"}
_FIELDS = _TEXT_ONLY | {
    "description", "summary", "content", "content:encoded", "author", "category", "dc:creator",
    "dc:date", "enclosure", "comments", "source",
}  # fmt: skip


def well_formed(markup: str) -> str:
    """Return the markup of an item, or of the start of a feed, as well-formed XML.

    The result may still be refused, when attributes or comments are broken.
    """
    writer = _Writer()
    position = 0
    for token in _TOKEN.finditer(markup):
        writer.text(markup[position : token.start()])
        position = token.end()
        name = token["name"]
        if name is None:
            writer.parts.append(token[0])
        elif token["end"]:
            writer.close(name)
        else:
            is_empty = bool(token["empty"]) or token["rest"].endswith("/")
            writer.open(name, token["rest"].removesuffix("/"), is_empty=is_empty)
    writer.text(markup[position:])
    writer.close_all()
    return "".join(writer.parts)


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()

    def text(self, words: str) -> None:
        self.parts.append(words.replace("<", "&lt;").replace("]]>", "]]&gt;"))

    def open(self, name: str, rest: str, *, is_empty: bool) -> None:
        folded = name.lower()
        if folded in _FIELDS and len(self._open) == 2 and self._open[-1].lower() in _UNENDED:
            self._pop()
        is_empty = is_empty or folded in _VOID
        self.parts.append(f"<{name}{_attributes(rest)}{'/' if is_empty else ''}>")
        if not is_empty:
            self._open.append(name)
            self._counts[folded] += 1

    def close(self, name: str) -> None:
        folded = name.lower()
        if self._counts[folded]:
            while self._pop().lower() != folded:
                pass

    def close_all(self) -> None:
        while self._open:
            self._pop()

    def _pop(self) -> str:
        name = self._open.pop()
        self._counts[name.lower()] -= 1
        self.parts.append(f"</{name}>")
        return name


def _attributes(rest: str) -> str:
    found: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(rest):
        values = (attribute["double"], attribute["single"], attribute["bare"])
        value = next((value for value in values if value is not None), "")
        found.setdefault(attribute["name"], value.replace('"', "&quot;"))
    return "".join(f' {name}="{value}"' for name, value in found.items())
