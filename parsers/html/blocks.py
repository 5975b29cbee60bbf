"""A body as a flat list of blocks, and the HTML and text of blocks.

Every body has one form: paragraphs contain text and inline elements; lists, quotes and
tables nest; anything else separates paragraphs. The written HTML parses to the same
blocks, so that cleaning is idempotent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import groupby

from parsers.text.characters import visible
from parsers.text.plain import BESIDE_TEXT, TextBuilder, fold_spaces

LISTS = frozenset({"ul", "ol"})
CELLS = frozenset({"td", "th"})
# Boxes that may contain text and boxes, and those whose text needs no paragraph.
FLOW = frozenset({"blockquote", "li", "td", "th", "dd", "dt", "caption", "figcaption", "figure"})
BARE = FLOW - {"blockquote"}
WORDS_ONLY = frozenset({"dt", "caption", "figcaption"})
PARENTS = {
    "li": LISTS,
    "tr": frozenset({"table", "thead", "tbody", "tfoot"}),
    "td": frozenset({"tr"}),
    "th": frozenset({"tr"}),
    "thead": frozenset({"table"}),
    "tbody": frozenset({"table"}),
    "tfoot": frozenset({"table"}),
    "caption": frozenset({"table"}),
    "dt": frozenset({"dl"}),
    "dd": frozenset({"dl"}),
    "figcaption": frozenset({"figure"}),
}
MAX_BOXES = 40
BESIDE = (("class", BESIDE_TEXT),)
"""The attributes of boxes whose words are not part of the text."""


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """An element around text: a box (list, cell, quote) or inline (emphasis, link)."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def start(self) -> str:
        """The start tag."""
        pairs = "".join(f' {name}="{escape(value)}"' for name, value in self.attributes)
        return f"<{self.name}{pairs}>"

    @property
    def end(self) -> str:
        """The end tag."""
        return f"</{self.name}>"


@dataclass(slots=True)
class InlineRun:
    """Text or an image, with the inline elements around it."""

    text: str
    around: tuple[Element, ...]
    image: Element | None = None


@dataclass(slots=True)
class Block:
    """A paragraph, heading, preformatted text or the text of a cell.

    Attributes:
        name: The element; empty for text directly in a box.
        boxes: The boxes around the block, outermost first.
        lines: The lines between forced breaks.
    """

    name: str
    boxes: tuple[Element, ...]
    lines: list[list[InlineRun]] = field(default_factory=lambda: [[]])

    @property
    def is_empty(self) -> bool:
        """Whether the block has no visible text or image."""
        return not any(self.lines)


class Builder:
    """Build blocks from elements and text in document order."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._boxes: tuple[Element, ...] = ()
        self._names: list[str] = []
        self._around: list[Element] = []
        self._block: Block | None = None
        self._filled: set[Element] = set()

    def add_text(self, words: str) -> None:
        """Add text as in the source."""
        words = visible(words)
        if self._block is None and not words.strip():
            return
        self._append(InlineRun(words, tuple(self._around)))

    def add_image(self, image: Element) -> None:
        """Add an image."""
        self._append(InlineRun("", tuple(self._around), image))

    def add_break(self) -> None:
        """Add a forced break."""
        if self._block is None:
            return
        if self._block.name == "pre":
            self._append(InlineRun("\n", tuple(self._around)))
        else:
            self._block.lines.append([])

    def split(self) -> None:
        """End the current block."""
        if self._block is not None and self._block.name == "pre" and self._names[-1:] == ["pre"]:
            self._append(InlineRun("\n", tuple(self._around)))
        else:
            self._block = None

    def open_inline(self, element: Element) -> bool:
        """Begin an inline element; return ``False`` when one of its name is open."""
        if any(each.name == element.name for each in self._around):
            return False
        self._around.append(element)
        return True

    def close_inline(self) -> None:
        """End the innermost inline element."""
        self._around.pop()

    def open_block(self, name: str) -> bool:
        """Begin a paragraph or heading; return ``False`` when it only splits another."""
        current = self._names[-1] if self._names else ""
        if current == "pre" or (current and name == "p"):
            self.split()
            return False
        self._block = None
        self._names.append(name)
        return True

    def close_block(self) -> None:
        """End the innermost paragraph or heading."""
        self._names.pop()
        self._block = None

    def open_box(self, element: Element) -> Box | None:
        """Begin a box; return ``None`` when it is not allowed here and only splits blocks."""
        innermost = self._boxes[-1].name if self._boxes else ""
        parents = PARENTS.get(element.name)
        if len(self._boxes) >= MAX_BOXES or (parents and innermost not in parents):
            self.split()
            return None
        box = Box(element, self._boxes, self._names)
        self._block, self._names = None, []
        if parents is None and innermost in LISTS:
            self._boxes = (*self._boxes, Element("li"))
        elif parents is None:
            self._leave_rigid_boxes()
            box.before = self._boxes if self._boxes == box.before else self._renewed(box.before)
        self._boxes = (*self._boxes, element)
        return box

    def close_box(self, box: Box) -> None:
        """End a box. An empty cell is kept, because its row needs it."""
        if box.element.name in CELLS and box.element not in self._filled:
            self.blocks.append(Block("", self._boxes))
        self._block, self._boxes, self._names = None, box.before, box.names

    def _append(self, run: InlineRun) -> None:
        if self._block is None:
            self._block = self._new_block()
        self._block.lines[-1].append(run)

    def _new_block(self) -> Block:
        deep = self._boxes
        self._leave_rigid_boxes()
        innermost = self._boxes[-1].name if self._boxes else ""
        name = self._names[-1] if self._names else ""
        if innermost in WORDS_ONLY:
            name = ""
        elif not name and innermost not in BARE:
            name = "p"
        block = Block(name, self._boxes)
        self._filled.update(self._boxes)
        if self._boxes != deep:
            self._boxes = self._renewed(deep)
        self.blocks.append(block)
        return block

    def _leave_rigid_boxes(self) -> None:
        # Browsers move text directly in a table, row or list before it.
        boxes = self._boxes
        while boxes and boxes[-1].name not in FLOW:
            boxes = boxes[:-1]
        self._boxes = boxes

    def _renewed(self, boxes: tuple[Element, ...]) -> tuple[Element, ...]:
        # Text between two parts of a table or list makes them two.
        kept = len(self._boxes)
        return boxes[:kept] + tuple(replace(box) for box in boxes[kept:])


@dataclass(slots=True)
class Box:
    """An open box, and the state to restore at its end."""

    element: Element
    before: tuple[Element, ...]
    names: list[str]


def tidy(blocks: Iterable[Block]) -> list[Block]:
    """Fold the white space of blocks, split them at blank lines, remove empty ones."""
    tidied: list[Block] = []
    for block in blocks:
        if block.name == "pre":
            block.lines = _preformatted(block.lines)
            tidied.append(block)
        else:
            block.lines = [_folded(line) for line in block.lines]
            tidied.extend(_paragraphs(block))
    return _kept(tidied)


def render(blocks: Sequence[Block]) -> tuple[str, str]:
    """Return the HTML and the plain text of tidy blocks."""
    parts: list[str] = []
    text = TextBuilder()
    open_boxes: tuple[Element, ...] = ()
    for block in blocks:
        _change_boxes(open_boxes, block.boxes, parts, text)
        open_boxes = block.boxes
        if block.name:
            parts.append(f"<{block.name}>")
            text.open(block.name)
        is_beside = any(box.attributes == BESIDE for box in block.boxes)
        _render_lines(block, parts, TextBuilder() if is_beside else text)
        if block.name:
            parts.append(f"</{block.name}>\n")
            text.close(block.name)
    _change_boxes(open_boxes, (), parts, text)
    return "".join(parts).strip(), text.text()


def line_text(line: Iterable[InlineRun]) -> str:
    """Return the text of a line without its markup."""
    return "".join(run.text for run in line)


def cut(line: Iterable[InlineRun], length: int) -> list[InlineRun]:
    """Return the first ``length`` characters of a line, with the images among them."""
    kept: list[InlineRun] = []
    for run in line:
        if length <= 0 and run.text:
            break
        kept.append(replace(run, text=run.text[:length]))
        length -= len(run.text)
    return kept


def _folded(line: Sequence[InlineRun]) -> list[InlineRun]:
    folded: list[InlineRun] = []
    ends_in_space = True
    for run in _joined(line):
        words = fold_spaces(run.text)
        if ends_in_space and words.startswith(" "):
            words = words[1:]
        if run.image is not None or words:
            folded.append(InlineRun(words, run.around, run.image))
            ends_in_space = run.image is None and words.endswith(" ")
    return _trimmed(folded)


def _trimmed(line: list[InlineRun]) -> list[InlineRun]:
    while line and line[-1].image is None:
        line[-1].text = line[-1].text.rstrip()
        if line[-1].text:
            break
        line.pop()
    return line


def _joined(line: Iterable[InlineRun]) -> Iterator[InlineRun]:
    # Join runs that only a comment or a removed element separated.
    for (around, is_image), runs in groupby(line, lambda run: (run.around, run.image is not None)):
        if is_image:
            yield from runs
        else:
            yield InlineRun("".join(run.text for run in runs), around)


def _preformatted(lines: Sequence[Sequence[InlineRun]]) -> list[list[InlineRun]]:
    runs = [
        replace(run, text=run.text.replace("\r\n", "\n").replace("\r", "\n"))
        for run in _joined(run for line in lines for run in line if run.text or run.image)
    ]
    while runs and runs[0].image is None:
        words = runs[0].text
        blank = len(words) - len(words.lstrip())
        runs[0].text = words[words.rfind("\n", 0, blank) + 1 :] if words.strip() else ""
        if runs[0].text:
            break
        runs.pop(0)
    return [_trimmed(runs)]


def _paragraphs(block: Block) -> Iterator[Block]:
    if block.name != "p" or all(block.lines):
        block.lines = [line for line in block.lines if line]
        yield block
        return
    paragraph: list[list[InlineRun]] = []
    for line in [*block.lines, []]:
        if line:
            paragraph.append(line)
        elif paragraph:
            yield replace(block, lines=paragraph)
            paragraph = []


def _kept(blocks: Iterable[Block]) -> list[Block]:
    listed = list(blocks)
    seen = {box for block in listed if not block.is_empty for box in block.boxes}
    kept: list[Block] = []
    for block in listed:
        if block.is_empty and not _is_empty_cell(block, seen):
            continue
        if kept and not block.name and not kept[-1].name and kept[-1].boxes == block.boxes:
            kept[-1].lines = [line for line in (*kept[-1].lines, *block.lines) if line]
        else:
            kept.append(block)
    return kept


def _is_empty_cell(block: Block, seen: set[Element]) -> bool:
    while block.boxes:
        if block.boxes[-1].name not in CELLS:
            block.boxes = block.boxes[:-1]
            continue
        tables = [number for number, box in enumerate(block.boxes) if box.name == "table"]
        if not tables:
            return False
        if block.boxes[tables[-1]] in seen:
            block.name = ""
            return True
        block.boxes = block.boxes[: tables[-1]]
    return False


def _change_boxes(
    before: tuple[Element, ...], after: tuple[Element, ...], parts: list[str], text: TextBuilder
) -> None:
    same = 0
    while same < min(len(before), len(after)) and before[same] is after[same]:
        same += 1
    for box in reversed(before[same:]):
        parts.append(f"{box.end}\n")
        text.close(box.name)
    for box in after[same:]:
        parts.append(box.start)
        text.open(box.name)


def _render_lines(block: Block, parts: list[str], text: TextBuilder) -> None:
    add_text = text.add_text if block.name == "pre" else text.add_folded
    for number, line in enumerate(block.lines):
        if number:
            parts.append("<br>")
            text.open("br")
        around: tuple[Element, ...] = ()
        for run in line:
            _change_inline(around, run.around, parts)
            around = run.around
            if run.image is not None:
                parts.append(run.image.start)
            parts.append(escape(run.text, quote=False))
            add_text(run.text)
        _change_inline(around, (), parts)


def _change_inline(
    before: tuple[Element, ...], after: tuple[Element, ...], parts: list[str]
) -> None:
    same = 0
    while same < min(len(before), len(after)) and before[same] is after[same]:
        same += 1
    parts.extend(each.end for each in reversed(before[same:]))
    parts.extend(each.start for each in after[same:])
