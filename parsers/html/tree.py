"""Build BeautifulSoup trees of bounded depth, tag count and size.

lxml repairs unclosed tags as browsers do. BeautifulSoup reads its events, because a tree
of lxml itself loses the text below a depth of 256 elements.
"""

from __future__ import annotations

import re
from typing import Any

from bs4 import BeautifulSoup, Tag

from parsers.errors import LayoutChanged
from parsers.text.characters import printable

MAX_CHARACTERS = 20_000_000
MAX_TAGS = 300_000
MAX_DEPTH = 400

# Without IGNORECASE, re looks for the characters "</" first, which takes half the time.
_EARLY_END = re.compile(r"</(?:[bB][oO][dD][yY]|[hH][tT][mM][lL])\s*>")


class _BoundedSoup(BeautifulSoup):
    """A tree of at most MAX_DEPTH levels; deeper elements become siblings, in order."""

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
            # handle_starttag has closed the element already.
            self._too_deep[name] -= 1
        else:
            super().handle_endtag(name, nsprefix)


def document(text: str) -> BeautifulSoup:
    """Return the tree of an HTML document or fragment.

    Raises:
        LayoutChanged: It has more than MAX_CHARACTERS or MAX_TAGS.
    """
    if len(text) > MAX_CHARACTERS or text.count("<") > MAX_TAGS:
        raise LayoutChanged(
            expected=f"a page of at most {MAX_CHARACTERS:,} characters and {MAX_TAGS:,} tags",
            found=f"{len(text):,} characters, {text.count('<'):,} tags",
        )
    return _BoundedSoup(without_early_ends(printable(text)), "lxml")


def without_early_ends(text: str) -> str:
    """Remove the end tags of ``body`` and ``html``: browsers show what follows them."""
    return _EARLY_END.sub("", text)
