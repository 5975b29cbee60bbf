"""Divide a page into blocks of text inside boxes, and weigh them.

A block is the text between two block-level boundaries. Its weight is positive for
sentences and negative for links and fragments. A box is a block-level element; its weight
is the sum of its blocks. The article is the heaviest box.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from lxml import etree

from parsers.extract.heuristics import (
    BLOCKS,
    HEADINGS,
    HINT,
    SKIPPED,
    SUSPECT,
    SUSPECT_TAGS,
    class_hint,
    is_never_article,
)

END = re.compile(r"[.!?…。！？；;:：][\"'”’»」』）)\]]*(?:\s|$)")
_COMMA = re.compile(r"[,，;；。]\s?")
CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_CAP = 1500.0
# Shares of the page's sentences that a box named like an aside needs to hold the article:
# templates name the text box "info", "share" or "intext-ad". With a heading or an article
# element in the box, less is enough.
_SHARE_OF_ARTICLE = 0.55
_SHARE_WITH_HINT = 0.4
_SHORT = {"li": -1.0, "p": -1.0, "td": -0.2, "th": -0.2, "dd": -0.5, "dt": -0.5, "pre": -0.2}

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
        first: The index of its first block.
        last: The index after its last block.
        holds: It contains a likely article: an article element, a heading or a hint.
        is_firm: It is hidden, so that it never contains the article.
        is_out: Its blocks do not count.
        number: Its place among the boxes of the page.
        end: The place after the last box inside it.
        potential: The sum of the positive weights.
    """

    __slots__ = ("depth", "end", "first", "hint", "holds", "is_firm", "is_out", "is_suspect", "last", "link", "node", "number", "parent",
                 "potential", "size", "tag", "weight")  # fmt: skip

    def __init__(
        self, node: etree._Element, tag: str, parent: Box | None, first: int, number: int
    ) -> None:
        self.node = node
        self.tag = tag
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
    """The boxes and blocks of one page, in document order."""

    __slots__ = ("blocks", "boxes", "is_cjk")

    def __init__(self, boxes: list[Box], blocks: list[Block]) -> None:
        self.boxes = boxes
        self.blocks = blocks
        sample = "".join(block.text for block in blocks)[:20_000]
        self.is_cjk = len(CJK.findall(sample)) * 4 > len(sample)

    def blocks_of(self, box: Box) -> list[Block]:
        """Return the blocks inside a box, in document order."""
        return self.blocks[box.first : box.last]

    def boxes_in(self, box: Box) -> list[Box]:
        """Return the boxes inside a box, in document order."""
        return self.boxes[box.number + 1 : box.end]


def is_hidden(node: etree._Element) -> bool:
    """Return whether the element's own attributes hide it."""
    style = node.get("style")
    if style and _HIDDEN.search(style):
        return True
    return node.get("hidden") is not None or node.get("aria-hidden") == "true"


def layout(root: etree._Element) -> Layout:
    """Return the blocks and boxes of a page, not yet weighed, in linear time."""
    boxes: list[Box] = []
    blocks: list[Block] = []
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
        if event == "start":
            if (tag in SKIPPED and not _swallows(node, tag)) or not isinstance(tag, str):
                walker.skip_subtree()
                continue
            if tag in BLOCKS:
                flush()
                box = Box(node, tag, box, len(blocks), len(boxes))
                boxes.append(box)
                _judge(box)
            elif tag == "a":
                links += 1
            elif tag == "br":
                flush(ends_line=True)
            text = node.text
            if text:
                pieces.append(text)
                runs.append((node, False))
                if links:
                    link += len(text.strip())
            continue
        if tag in BLOCKS:
            flush()
            box.last, box.end = len(blocks), len(boxes)
            if box.parent is not None:
                box = box.parent
        elif tag == "a":
            links -= 1
        tail = node.tail
        if tail:
            pieces.append(tail)
            runs.append((node, True))
            if links:
                link += len(tail.strip())
    flush()
    boxes[0].last, boxes[0].end = len(blocks), len(boxes)
    return Layout(boxes, blocks)


def _swallows(node: etree._Element, tag: str) -> bool:
    # An unclosed button contains the rest of the page.
    if tag not in ("button", "dialog", "map"):
        return False
    return sum(1 for _ in itertools.islice(node.iter("p"), 5)) == 5


def _judge(box: Box) -> None:
    node = box.node
    if box.tag in ("html", "body", "main"):
        return
    names = node.get("class") or ""
    if identity := node.get("id"):
        names = names + " " + identity
    verdict = class_hint(names) if names else 0
    if node.get("itemprop") == "articleBody":
        verdict = HINT
    box.hint = verdict == HINT
    box.holds |= box.hint
    if box.tag == "article":
        return
    box.is_firm = is_hidden(node)
    is_aside = box.tag in SUSPECT_TAGS and not (box.tag == "figure" and _has_text(node))
    box.is_suspect = verdict == SUSPECT or is_aside or box.is_firm


def _has_text(figure: etree._Element) -> bool:
    return any(
        node.tag != "blockquote" or "tweet" in (node.get("class") or "")
        for node in figure.iter("table", "pre", "blockquote")
    )


def weigh(page: Layout, *, trusting: bool = False) -> None:
    """Weigh every block, and sum the weights in every box.

    Blocks in a box whose class names or tag mean an aside or a comment do not count,
    unless the box contains most sentences of the page and a likely article.

    Args:
        page: The page; changed in place.
        trusting: Ignore class names and links, for pages whose article is in a box named
            comment or in one large link.
    """
    density = 2.5 if page.is_cjk else 1.0
    for box in page.boxes:
        box.weight = box.potential = box.size = box.link = 0.0
    for block in page.blocks:
        block.weight = _plain_weight(block, density, trusting)
        box = block.box
        box.size += block.size
        box.link += block.link
        if block.weight > 0:
            box.potential += block.weight
    for box in reversed(page.boxes):
        if (parent := box.parent) is not None:
            parent.potential += box.potential
            parent.size += box.size
            parent.link += box.link
            parent.holds |= box.holds
    total = page.boxes[0].potential
    for box in page.boxes:
        parent = box.parent
        box.is_out = (parent is not None and parent.is_out) or (
            box.is_suspect and not trusting and not _is_main(box, total)
        )
    for block in page.blocks:
        block.is_suspect = block.box.is_out
        if block.is_suspect and block.weight > 0:
            block.weight = -0.1 * block.weight
        block.box.weight += block.weight
    for box in reversed(page.boxes):
        if box.parent is not None:
            box.parent.weight += box.weight


def _is_main(box: Box, total: float) -> bool:
    """Return whether a box with a suspect name or tag holds the article nevertheless."""
    if box.is_firm:
        return False
    if box.holds and box.potential > _SHARE_WITH_HINT * total:
        return True
    names = f"{box.node.get('class') or ''} {box.node.get('id') or ''}"
    return (
        box.tag not in SUSPECT_TAGS
        and box.potential > _SHARE_OF_ARTICLE * total
        and not is_never_article(names)
    )


def is_no_prose(text: str, *, has_marks: bool) -> bool:
    """Return whether a long text without spaces or punctuation is data, not sentences."""
    if len(text) > 3000 and not has_marks:
        return True
    return text.count(" ") * 60 < len(text) and len(CJK.findall(text[:2000])) * 5 < min(
        len(text), 2000
    )


def _plain_weight(block: Block, density: float, trusting: bool) -> float:
    length = block.size * density
    share = min(1.0, block.link / block.size)
    text = block.text
    if share > 0.6:
        if not trusting or length < 200 or END.search(text) is None:
            return -(4.0 + min(length, 120.0) * 0.25)
        share = 0.5
    if block.box.tag in HEADINGS:
        return 0.0
    ends = END.search(text) is not None
    commas = len(_COMMA.findall(text))
    body = min(length, _CAP) * (1.0 - share)
    if block.size > 300 and is_no_prose(text, has_marks=ends or commas > 0):
        return -20.0
    if length >= 40 and (ends or commas >= 2):
        return body
    if length >= 100:
        return body * 0.5
    if length < 25 and not ends and not block.is_line:
        return _SHORT.get(block.box.tag, -3.0)
    return 0.0
