"""The one tree builder: HTML to a tree of bounded depth, tags and size.

It is lxml through BeautifulSoup: it repairs unclosed tags as browsers do, and fed as a
stream of events it keeps the text at any depth (a tree made by lxml itself is cut at
depth 256). Depth, tags and size are bounded here and nowhere else.
"""

from __future__ import annotations

import re
from typing import Any

from bs4 import BeautifulSoup, Tag

from parsers.errors import LayoutChanged

MAX_CHARACTERS = 20_000_000
MAX_TAGS = 300_000
MAX_DEPTH = 400

# What XML and databases refuse: control characters but tab and line ends, lone
# surrogates, noncharacters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class _BoundedSoup(BeautifulSoup):
    """A tree no deeper than MAX_DEPTH: what lies deeper becomes siblings, in order."""

    def reset(self) -> None:
        self._too_deep: dict[str, int] = {}
        super().reset()

    def handle_starttag(self, name: str, *args: Any, **kwargs: Any) -> Tag | None:
        tag = super().handle_starttag(name, *args, **kwargs)
        if tag is not None and len(self.tagStack) > MAX_DEPTH:
            self.popTag()
            self._too_deep[name] = self._too_deep.get(name, 0) + 1
        return tag

    def handle_endtag(self, name: str, nsprefix: str | None = None) -> None:
        if self._too_deep.get(name, 0):
            # Its element was closed when it began.
            self._too_deep[name] -= 1
        else:
            super().handle_endtag(name, nsprefix)


def document(text: str) -> BeautifulSoup:
    """The tree of an HTML document or fragment.

    Raises:
        LayoutChanged: It is larger, or has more tags, than any article page.
    """
    if len(text) > MAX_CHARACTERS or text.count("<") > MAX_TAGS:
        raise LayoutChanged(
            f"expected at most {MAX_CHARACTERS:,} characters and {MAX_TAGS:,} tags, "
            f"found {len(text):,} and {text.count('<'):,}",
            expected=f"a page of at most {MAX_CHARACTERS:,} characters and {MAX_TAGS:,} tags",
            found=f"{len(text):,} characters, {text.count('<'):,} tags",
        )
    return _BoundedSoup(printable(text), "lxml")


def printable(text: str) -> str:
    """The text without the characters that no document may hold."""
    return _FORBIDDEN.sub("", text)
