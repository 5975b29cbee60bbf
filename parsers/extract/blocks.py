"""Divide a page into blocks of text inside boxes.

A block is the text between two block-level boundaries. Its weight is positive for
sentences and negative for links and fragments. A box is a block-level element; its weight
is the sum of its blocks. The article is the heaviest box.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from parsers.extract.heuristics import (
    BLOCKS,
    CONTAINERS,
    HINT,
    PLAIN,
    SKIPPED,
    SUSPECT,
    SUSPECT_TAGS,
    class_hint,
)
from parsers.extract.tree import attributes_of

END = re.compile(r"[.!?…。！？；;:：][\"'”’»」』）)\]]*(?:\s|$)")
CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]")
_NOTABLE = BLOCKS | SKIPPED | {"a", "br"}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
# Menus and scripts of Chinese and Japanese pages have many Latin letters.
_SAMPLE, _CJK_SHARE = 20_000, 0.25
# A blog and a shop without the end tag of a button; a dialog of fewer paragraphs is one.
_MIN_SWALLOWED = 5

Run = tuple[etree._Element, bool]
"""A piece of text: its element, and whether the text is the tail of the element."""


@dataclass(slots=True, eq=False)
class Block:
    """Text between two block-level boundaries.

    Attributes:
        link: The number of characters in links.
        is_line: A forced break begins or ends the block.
        size: The number of characters.
        is_listed: It is part of a table or list that belongs to the sentences around it.
    """

    box: Box
    text: str
    link: int
    runs: list[Run]
    is_line: bool
    size: float
    is_suspect: bool = False
    is_listed: bool = False
    weight: float = 0.0


class Box:
    """A block-level element and the sums over the blocks in it.

    Attributes:
        classes: Its class names, as written.
        first: The index of its first block.
        last: The index after its last block.
        holds: It contains a likely article: an article element, a heading or a hint.
        is_firm: It is hidden, so that it never contains the article.
        is_out: Its blocks do not count.
        number: Its place among the boxes of the page.
        end: The place after the last box inside it.
        potential: The sum of the positive weights.
    """

    __slots__ = ("classes", "depth", "end", "first", "hint", "holds", "is_firm", "is_out", "is_suspect", "last", "link", "node", "number", "parent",
                 "potential", "size", "tag", "weight")  # fmt: skip

    def __init__(
        self, node: etree._Element, tag: str, parent: Box | None, first: int, number: int
    ) -> None:
        self.node = node
        self.tag = tag
        self.classes = ""
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.hint = False
        self.is_suspect = False
        self.weight = 0.0
        self.potential = 0.0
        self.size = 0.0
        self.link = 0.0
        self.holds = tag in ("h1", "article", "main")
        self.is_firm = False
        self.is_out = False
        self.first = first
        self.last = first
        self.number = number
        self.end = number + 1


class Layout:
    """The boxes and blocks of one page, in document order.

    Attributes:
        marked: The elements of a schema.org property (``itemprop``).
    """

    __slots__ = ("blocks", "boxes", "is_cjk", "marked")

    def __init__(self, boxes: list[Box], blocks: list[Block], marked: list[etree._Element]) -> None:
        self.boxes = boxes
        self.blocks = blocks
        self.marked = marked
        sample = "".join(block.text for block in blocks)[:_SAMPLE]
        self.is_cjk = len(CJK.findall(sample)) > _CJK_SHARE * len(sample)

    def blocks_of(self, box: Box) -> list[Block]:
        """Return the blocks inside a box, in document order."""
        return self.blocks[box.first : box.last]

    def boxes_in(self, box: Box) -> list[Box]:
        """Return the boxes inside a box, in document order."""
        return self.boxes[box.number + 1 : box.end]


def container_of(box: Box) -> Box:
    """Return the box or its nearest ancestor that can contain paragraphs."""
    while box.parent is not None and box.tag not in CONTAINERS:
        box = box.parent
    return box


def is_hidden(attributes: Mapping[str, str]) -> bool:
    """Return whether the attributes of an element hide it."""
    style = attributes.get("style")
    if style and _HIDDEN.search(style):
        return True
    return "hidden" in attributes or attributes.get("aria-hidden") == "true"


def layout(root: etree._Element) -> Layout:
    """Return the blocks and boxes of a page, not yet weighed, in linear time."""
    boxes: list[Box] = []
    blocks: list[Block] = []
    marked: list[etree._Element] = []
    walker = etree.iterwalk(root, events=("start", "end"))
    box = Box(root, "html", None, 0, 0)
    boxes.append(box)
    pieces: list[str] = []
    runs: list[Run] = []
    links = link = 0
    is_line = False

    def flush(ends_line: bool = False) -> None:
        nonlocal link, runs, is_line
        if pieces:
            text = " ".join("".join(pieces).split())
            pieces.clear()
            if text:
                blocks.append(Block(box, text, link, runs, ends_line or is_line, float(len(text))))
            runs = []
        is_line = ends_line
        link = 0

    for event, node in walker:
        tag = node.tag
        is_tail = event == "end"
        if tag not in _NOTABLE:
            if not is_tail and node.get("itemprop") is not None:
                marked.append(node)
        elif is_tail:
            if node is box.node:  # a skipped dialog has no box
                if pieces or is_line:
                    flush()
                box.last, box.end = len(blocks), len(boxes)
                box = box.parent or box
            elif tag == "a":
                links -= 1
        elif tag in SKIPPED and not _swallows(node, tag):
            walker.skip_subtree()
            continue
        elif tag in BLOCKS:
            if pieces or is_line:
                flush()
            box = Box(node, tag, box, len(blocks), len(boxes))
            boxes.append(box)
            if _judge(box).get("itemprop") is not None:
                marked.append(node)
        elif tag == "a":
            links += 1
        elif tag == "br":
            flush(ends_line=True)
        text = node.tail if is_tail else node.text
        if text and (pieces or not text.isspace()):
            pieces.append(text)
            runs.append((node, is_tail))
            if links:
                link += len(text.strip())
    flush()
    boxes[0].last, boxes[0].end = len(blocks), len(boxes)
    return Layout(boxes, blocks, marked)


def _swallows(node: etree._Element, tag: str) -> bool:
    # An unclosed button contains the rest of the page.
    if tag not in ("button", "dialog", "map"):
        return False
    return next(itertools.islice(node.iter("p"), _MIN_SWALLOWED - 1, None), None) is not None


def _judge(box: Box) -> dict[str, str]:
    """Set what the tag and the attributes of a box mean; return the attributes."""
    tag = box.tag
    attributes = attributes_of(box.node)
    box.classes = attributes.get("class", "")
    if tag in ("html", "body", "main"):
        return attributes
    is_aside = tag in SUSPECT_TAGS and not (tag == "figure" and _has_text(box.node))
    if not attributes:
        box.is_suspect = is_aside
        return attributes
    names = f"{box.classes} {attributes.get('id', '')}"
    verdict = class_hint(names) if len(names) > 1 else PLAIN
    if attributes.get("itemprop") == "articleBody":
        verdict = HINT
    box.hint = verdict == HINT
    box.holds |= box.hint
    if tag != "article":
        box.is_firm = is_hidden(attributes)
        box.is_suspect = verdict == SUSPECT or is_aside or box.is_firm
    return attributes


def _has_text(figure: etree._Element) -> bool:
    return any(
        node.tag != "blockquote" or "tweet" in (node.get("class") or "")
        for node in figure.iter("table", "pre", "blockquote")
    )
