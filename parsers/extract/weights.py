"""Weigh the blocks and boxes of a page: sentences count for, links and fragments against."""

from __future__ import annotations

import re

from parsers.extract.blocks import CJK, END, Block, Box, Layout
from parsers.extract.heuristics import HEADINGS, SUSPECT_TAGS, is_never_article, is_rights_notice
from parsers.extract.tables import is_data
from parsers.extract.teasers import repeated_boxes

CJK_DENSITY = 2.5
"""Latin letters that say as much as one character of Chinese, Japanese or Korean."""

FRAGMENT = -3.0
"""The weight of a label or a part of a menu."""

LEAST_LINK = -4.0
"""The weight of the shortest link; each further character counts ``_LINKED_CHARACTER``."""

# Link lists of front pages: one headline outweighs a teaser's sentence, a long one no more.
_LINKED_CHARACTER, _MAX_LINKED = 0.25, 120.0
# Menus and headlines are links as a whole; a sentence with linked names has words beside them.
_MAX_LINK_SHARE = 0.6
_MIN_WORDS_BESIDE = 8
# Pages of one large link around the article: a sentence in it counts half.
_MIN_LINKED_SENTENCE = 200
_TRUSTED_SHARE = 0.5
# Text of one paragraph, as news sites print it; a line of two commas is a sentence, too.
_MIN_SENTENCE = 40
_MIN_COMMAS = 2
# Long lines without an end are titles, or sentences that a page breaks into blocks.
_MIN_LINE, _LINE_SHARE = 100, 0.5
_MAX_LABEL = 25
# A text in a suspect box speaks against the box around it, less than a link does.
_SUSPECT_SHARE = -0.1
# Data, styles and rows of keywords take the place of two or three links.
_DATA, _KEYWORDS = -20.0, -10.0
_COMMA = re.compile(r"[,，;；。]\s?")
_STYLE_RULE = re.compile(r"[\w.#-]\s*\{[^{}]{0,300}:[^{}]{0,300}\}")
_SAMPLE = 2000
# Encoded data: no text of this size is without punctuation, or without a space in 60 characters.
_MIN_DATA, _SURELY_DATA, _MAX_WORD = 300, 3000, 60
_MIN_CJK = 5
# Shares of the page's sentences that a box named like an aside needs to hold the article:
# templates name the text box "info", "share" or "intext-ad". With a heading or an article
# element in the box, less is enough.
_SHARE_OF_ARTICLE = 0.55
_SHARE_WITH_HINT = 0.4
# Chinese portals: a list of headlines prints the time behind each link.
_TIME_BEHIND = re.compile(
    r"\s*[(（\[]?(?:\d{2,4}[-/.年])?\d{1,2}[-/.月]\d{1,2}日?(?:\s\d\d?:\d\d(?::\d\d)?)?[)）\]]?$"
)
_TIME_ENDS = "0123456789)）]日"
_MIN_LISTED = 0.3
# Chinese portals: a row of keywords has separators, but no comma and no end of a sentence.
_SEPARATED = re.compile(r"[、|·/]")
_MAX_KEYWORD = 12


def weigh(page: Layout, *, trusting: bool = False) -> None:
    """Weigh every block, and sum the weights in every box.

    Blocks in an aside or a comment, by class name or tag, do not count. They do if that box
    contains most sentences of the page and a likely article.

    Args:
        page: The page; changed in place.
        trusting: Ignore class names and links, for pages whose article is in a box named
            comment or in one large link.
    """
    density = CJK_DENSITY if page.is_cjk else 1.0
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
            block.weight *= _SUSPECT_SHARE
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
    return (
        box.tag not in SUSPECT_TAGS
        and box.potential > _SHARE_OF_ARTICLE * total
        and not is_never_article(f"{box.classes} {box.node.get('id') or ''}")
    )


def is_no_prose(text: str, *, has_marks: bool) -> bool:
    """Return whether a long text without spaces or punctuation is data, not sentences."""
    if len(text) > _SURELY_DATA and not has_marks:
        return True
    sample = text[:_SAMPLE]
    is_word = text.count(" ") * _MAX_WORD < len(text)
    return is_word and len(CJK.findall(sample)) * _MIN_CJK < len(sample)


def _plain_weight(block: Block, density: float, trusting: bool) -> float:
    length = block.size * density
    text = block.text
    share = min(1.0, block.link / block.size)
    if share > _MIN_LISTED and text[-1] in _TIME_ENDS and (time := _TIME_BEHIND.search(text)):
        share = min(1.0, block.link / max(1, time.start()))
    ends = END.search(text) is not None
    if share > _MAX_LINK_SHARE and (
        block.size - block.link < _MIN_WORDS_BESIDE or not END.search(text[-2:])
    ):
        if not trusting or length < _MIN_LINKED_SENTENCE or not ends:
            return LEAST_LINK - min(length, _MAX_LINKED) * _LINKED_CHARACTER
        share = _TRUSTED_SHARE
    if block.box.tag in HEADINGS:
        return 0.0
    if length < _MIN_SENTENCE:
        return FRAGMENT if length < _MAX_LABEL and not ends and not block.is_line else 0.0
    if density == 1.0 and is_rights_notice(text):
        # A legal notice in another box is longer than some articles.
        return 0.0
    if text.count("{") > 1 and len(_STYLE_RULE.findall(text[:_SAMPLE])) > 1:
        return _DATA
    commas = len(_COMMA.findall(text))
    if block.size > _MIN_DATA and is_no_prose(text, has_marks=ends or commas > 0):
        return _DATA
    if ends or commas >= _MIN_COMMAS:
        return length * (1.0 - share)
    if length >= _MIN_LINE:
        is_keywords = not commas and len(_SEPARATED.findall(text)) * _MAX_KEYWORD > block.size
        return _KEYWORDS if is_keywords else length * (1.0 - share) * _LINE_SHARE
    return 0.0
