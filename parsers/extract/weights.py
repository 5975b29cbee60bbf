"""Weigh the blocks and boxes of a page: sentences count for, links and fragments against."""

from __future__ import annotations

import re

from parsers.extract.blocks import CJK, END, Block, Box, Layout
from parsers.extract.heuristics import HEADINGS, SUSPECT_TAGS, is_never_article, is_rights_notice
from parsers.extract.tables import is_data
from parsers.extract.teasers import repeated_boxes

_COMMA = re.compile(r"[,，;；。]\s?")
_STYLE_RULE = re.compile(r"[\w.#-]\s*\{[^{}]{0,300}:[^{}]{0,300}\}")
_SAMPLE = 2000
_CAP = 1500.0
_SHORT = {"li": -1.0, "p": -1.0, "td": -0.2, "th": -0.2, "dd": -0.5, "dt": -0.5, "pre": -0.2}
# Shares of the page's sentences that a box named like an aside needs to hold the article:
# templates name the text box "info", "share" or "intext-ad". With a heading or an article
# element in the box, less is enough.
_SHARE_OF_ARTICLE = 0.55
_SHARE_WITH_HINT = 0.4


# A list of headlines prints the time behind each link.
_TIME_BEHIND = re.compile(
    r"\s*[(（\[]?(?:\d{2,4}[-/.年])?\d{1,2}[-/.月]\d{1,2}日?(?:\s\d\d?:\d\d(?::\d\d)?)?[)）\]]?$"
)
_MIN_LISTED = 0.3
# A row of keywords has separators, but no comma and no end of a sentence.
_SEPARATED = re.compile(r"[、|·/]")
_MAX_KEYWORD = 12


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
    for table in page.boxes:
        if table.tag == "table" and is_data(page, table):
            for block in page.blocks_of(table):
                block.weight = max(block.weight, 0.0)
    total = page.boxes[0].potential
    repeated = set() if trusting else set(repeated_boxes(page))
    for box in page.boxes:
        parent = box.parent
        box.is_out = (
            (parent is not None and parent.is_out)
            or box in repeated
            or (box.is_suspect and not trusting and not _is_main(box, total))
        )
    for block in page.blocks:
        block.is_suspect = block.box.is_out
        if block.is_suspect and block.weight > 0:
            block.weight = -0.1 * block.weight
        block.box.weight += block.weight
    for box in reversed(page.boxes):
        if box.parent is not None:
            box.parent.weight += box.weight


def best_stretch(weights: list[float]) -> tuple[int, int]:
    """Return the slice with the greatest sum."""
    best = total = 0.0
    start = first = last = 0
    for i, weight in enumerate(weights):
        if total <= 0:
            total = 0.0
            start = i
        total += weight
        if total > best:
            best, first, last = total, start, i + 1
    return first, last


def stretch_of(page: Layout, box: Box) -> tuple[int, int]:
    """Return the first block of the sentences in a box, and the block after their last."""
    first, last = best_stretch([block.weight for block in page.blocks_of(box)])
    return box.first + first, box.first + last


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
    text = block.text
    share = min(1.0, block.link / block.size)
    if share > _MIN_LISTED and (time := _TIME_BEHIND.search(text)):
        share = min(1.0, block.link / max(1, time.start()))
    if share > 0.6:
        if not trusting or length < 200 or END.search(text) is None:
            return -(4.0 + min(length, 120.0) * 0.25)
        share = 0.5
    if block.box.tag in HEADINGS:
        return 0.0
    if density == 1.0 and is_rights_notice(text):
        # A legal notice in another box is longer than some articles.
        return 0.0
    if text.count("{") > 1 and len(_STYLE_RULE.findall(text[:_SAMPLE])) > 1:
        return -20.0
    ends = END.search(text) is not None
    commas = len(_COMMA.findall(text))
    body = min(length, _CAP) * (1.0 - share)
    if block.size > 300 and is_no_prose(text, has_marks=ends or commas > 0):
        return -20.0
    if length >= 40 and (ends or commas >= 2):
        return body
    if length >= 100:
        is_keywords = not commas and len(_SEPARATED.findall(text)) * _MAX_KEYWORD > block.size
        return -10.0 if is_keywords else body * 0.5
    if length < 25 and not ends and not block.is_line:
        return _SHORT.get(block.box.tag, -3.0)
    return 0.0
