"""Plain text of HTML.

A blank line separates paragraphs; a line end separates list items, table rows and forced
breaks; a tab separates table cells.
"""

from __future__ import annotations

from collections.abc import Iterator

from bs4 import Tag
from bs4.element import CData, NavigableString, PreformattedString

from parsers.html.tree import document
from parsers.text.characters import visible

UNSEEN = frozenset(
    {
        "script", "style", "noscript", "template", "head", "title", "meta", "link", "iframe",
        "object", "embed", "svg", "canvas", "audio", "video", "input", "select", "option",
        "textarea", "button", "datalist",
    }
)  # fmt: skip
"""Elements whose content is not visible text."""

BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "center", "details", "div", "dl",
        "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
        "header", "hr", "html", "legend", "main", "nav", "ol", "p", "pre", "section", "summary",
        "table", "ul",
    }
)  # fmt: skip
"""Elements that blank lines separate."""

LINES = frozenset(
    {"br", "caption", "dd", "dt", "li", "optgroup", "tbody", "tfoot", "thead", "tr"}
)  # fmt: skip
"""Elements that line ends separate."""

CELLS = frozenset({"td", "th"})
BESIDE_TEXT = "beside-text"
"""The class of a ``figure`` or ``figcaption`` whose words are not part of the text."""


def fold_spaces(words: str) -> str:
    """Replace each run of white space by one space."""
    folded = " ".join(words.split())
    if not folded:
        return " " if words else ""
    before, after = words[0].isspace(), words[-1].isspace()
    return " " * before + folded + " " * after


def plain_text(node: Tag | str) -> str:
    """Return the visible text of a node or of HTML."""
    root = document(node) if isinstance(node, str) else node
    builder = TextBuilder()
    for step, value in _steps(root):
        if step == "open":
            builder.open(value)
        elif step == "close":
            builder.close(value)
        else:
            builder.add_text(value)
    return builder.text()


def _steps(root: Tag) -> Iterator[tuple[str, str]]:
    stack: list[Iterator[object]] = [iter(root.contents)]
    names: list[str] = []
    while stack:
        for child in stack[-1]:
            if isinstance(child, Tag):
                if child.name in UNSEEN:
                    continue
                yield "open", child.name
                names.append(child.name)
                stack.append(iter(() if _is_beside(child) else child.contents))
                break
            if isinstance(child, NavigableString) and (
                not isinstance(child, PreformattedString) or isinstance(child, CData)
            ):
                yield "words", str(child)
        else:
            stack.pop()
            if names:
                yield "close", names.pop()


def _is_beside(tag: Tag) -> bool:
    return tag.name in {"figure", "figcaption"} and tag.get("class") == [BESIDE_TEXT]


class TextBuilder:
    """Build plain text from start tags, end tags and text in document order."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._newlines = 0
        self._tabs = 0
        self._space = False
        self._is_line_empty = True
        self._preformatted = 0
        # For each open row: whether it has a cell, and the index of its first part.
        self._rows: list[tuple[bool, int]] = []
        self._cells = 0

    def open(self, name: str) -> None:
        """Begin an element."""
        if name == "br":
            self._break(1, is_forced=True)
        elif name in CELLS:
            self._open_cell()
        else:
            self._separate(name)
            if name == "tr":
                self._rows.append((False, len(self._parts)))
            elif name == "pre":
                self._preformatted += 1

    def close(self, name: str) -> None:
        """End an element."""
        if name in CELLS:
            self._cells = max(0, self._cells - 1)
            return
        self._separate(name)
        if name == "tr" and self._rows:
            self._rows.pop()
            self._tabs = 0
        elif name == "pre":
            self._preformatted = max(0, self._preformatted - 1)

    def add_text(self, words: str) -> None:
        """Add text as in the source."""
        words = visible(words)
        if self._preformatted:
            self._preformatted_words(words)
        else:
            self.add_folded(fold_spaces(words))

    def add_folded(self, folded: str) -> None:
        """Add visible text, outside ``pre``, in which each run of white space is one space."""
        if folded.startswith(" "):
            self._space = True
            folded = folded[1:]
        if not folded:
            return
        trailing = folded.endswith(" ")
        self._write(folded[:-1] if trailing else folded)
        self._space = trailing

    def text(self) -> str:
        """Return the text so far, without blank lines around it."""
        return "".join(self._parts).strip("\n")

    def _preformatted_words(self, words: str) -> None:
        lines = words.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for number, line in enumerate(lines):
            if number:
                self._newlines = self._newlines + 1 if self._parts else 0
                self._space = False
            if line.strip():
                self._write(line.rstrip())

    def _write(self, words: str) -> None:
        if self._parts and self._newlines:
            self._parts.append("\n" * self._newlines)
        if self._tabs:
            self._parts.append("\t" * self._tabs)
        if self._space and not (self._newlines or self._tabs) and self._parts:
            self._parts.append(" ")
        self._parts.append(words)
        self._newlines = self._tabs = 0
        self._space = False

    def _separate(self, name: str) -> None:
        if name in BLOCKS:
            self._break(1 if self._cells else 2)
        elif name in LINES:
            self._break(1)

    def _break(self, newlines: int, *, is_forced: bool = False) -> None:
        self._space = False
        if not self._tabs or is_forced:
            self._newlines = max(self._newlines, newlines)

    def _open_cell(self) -> None:
        self._space = False
        self._cells += 1
        if not self._rows:
            self._break(1)
            return
        has_cell, start = self._rows[-1]
        self._rows[-1] = (True, start)
        if has_cell:
            if len(self._parts) > start:
                self._newlines = 0
            self._tabs += 1
