"""CSS selectors of the configuration: checked when it is read, applied to any page.

``::attr(name)`` at the end takes an attribute instead of the text, and ``?`` behind it marks a
selector that need not match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import soupsieve
from bs4 import Tag

from parsers.errors import OptionError
from parsers.html.select import text_of

_ATTRIBUTE = re.compile(r"::attr\(\s*([\w:.-]+)\s*\)\s*$")
_OWN_VALUE = {"time": "datetime", "meta": "content", "data": "value", "abbr": "title"}
"""The attribute that holds the value of an element for machines."""

_PICTURE = ("data-src", "src", "srcset", "poster", "content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One CSS selector.

    Attributes:
        text: As configured, without the mark ``?``.
        css: The selector alone.
        attribute: The attribute to take; empty for the value of the element.
        is_optional: It need not match.
    """

    text: str
    css: str
    attribute: str = ""
    is_optional: bool = False

    @property
    def provenance(self) -> str:
        """How a value was found, for the article's provenance."""
        return f"css:{self.text}"

    def elements(self, node: Tag) -> list[Tag]:
        """Return the matches in document order, without those inside another match."""
        found = soupsieve.compile(self.css).select(node)
        outer: set[int] = set()
        kept = []
        for one in found:
            if not any(id(parent) in outer for parent in one.parents):
                outer.add(id(one))
                kept.append(one)
        return kept

    def values(self, node: Tag) -> Iterator[str]:
        """Yield the value of each match: the attribute, a time for machines, or the text."""
        for one in self.elements(node):
            name = self.attribute or _OWN_VALUE.get(one.name, "")
            value = _attribute(one, name) or ("" if self.attribute else text_of(one))
            if value:
                yield value

    def links(self, node: Tag) -> Iterator[tuple[str, Tag]]:
        """Yield the address that each match is, contains or is inside of, with its element."""
        for one in self.elements(node):
            anchor: Tag | None = one
            if not self.attribute and not one.get("href"):
                anchor = one.select_one("a[href]") or one.find_parent("a", href=True)
            value = _attribute(anchor, self.attribute or "href") if anchor else ""
            if anchor and value:
                yield value, anchor

    def pictures(self, node: Tag) -> Iterator[str]:
        """Yield the address of each picture that is a match, or inside one."""
        for one in self.elements(node):
            names = (self.attribute,) if self.attribute else _PICTURE
            for element in (one, *one.select("img")):
                value = next(filter(None, (_attribute(element, name) for name in names)), "")
                if value:
                    yield value.split()[0]


@cache
def parse_selector(option: str, text: str) -> Selector:
    """Parse a selector of the configuration.

    Args:
        option: The name of the option, for the message.
        text: The selector, with ``::attr(name)`` and ``?``.

    Raises:
        OptionError: It is empty or no CSS selector.
    """
    written = text.strip()
    is_optional = written.endswith("?")
    written = written.removesuffix("?").strip()
    found = _ATTRIBUTE.search(written)
    css = written[: found.start()].strip() if found else written
    if not css:
        raise OptionError(f"{option}: expected a CSS selector such as 'article h1', found {text!r}")
    try:
        soupsieve.compile(css)
    except soupsieve.SelectorSyntaxError as error:
        reason = str(error).partition("\n")[0]
        raise OptionError(
            f"{option}: expected a CSS selector such as 'article h1', found {text!r}: {reason}"
        ) from error
    return Selector(
        text=written, css=css, attribute=found[1] if found else "", is_optional=is_optional
    )


def _attribute(element: Tag, name: str) -> str:
    value = element.get(name)
    return " ".join(value) if isinstance(value, list) else str(value or "").strip()
