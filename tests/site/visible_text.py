"""The visible text of a body, read with the standard library alone.

Only for ``oracle``: it knows the test site's own markup, and shares nothing with the
project's parsers, which are tested against it.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

CHART = re.compile(r"<!-- EM_StockImg_Start -->.*?<!-- EM_StockImg_End -->", re.DOTALL)
HEADINGS = ("h1", "h2", "h3", "h4")
CELLS = ("table", "tr", "td", "th")
BLOCKS = frozenset(
    (*HEADINGS, *CELLS, "p", "div", "ul", "ol", "li", "pre", "blockquote", "center", "br")
)
UNSEEN = frozenset(("script", "style"))
VOID = frozenset(("br", "img", "input", "link", "hr"))


class _TextParser(HTMLParser):
    """Collects text outside of hidden elements; a block starts a new paragraph."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_hidden = "display:none" in (dict(attrs).get("style") or "")
        if tag not in VOID and (self._unseen or tag in UNSEEN or is_hidden):
            self._unseen.append(tag)
        if tag in BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if self._unseen and self._unseen[-1] == tag:
            self._unseen.pop()
        if tag in BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data.replace("\n", " "))


def visible_text(html: str) -> str:
    """Paragraphs apart by a blank line; hidden blocks and stock charts left out."""
    reader = _TextParser()
    reader.feed(CHART.sub("", html))
    reader.close()
    found = (" ".join(part.split()) for part in "".join(reader.parts).split("\n\n"))
    return "\n\n".join(part for part in found if part)
