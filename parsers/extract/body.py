"""Extract the body of an article from its box, without boilerplate."""

from __future__ import annotations

import re
from itertools import accumulate, groupby
from operator import itemgetter

from lxml import etree

from parsers.extract.article_box import main_container
from parsers.extract.blocks import END, Block, Box, Layout, container_of
from parsers.extract.figures import is_caption, kept_figures, lead_figures
from parsers.extract.heuristics import END_MATTER, HEADINGS, META, NOISE, is_rights_notice
from parsers.extract.prune import prune
from parsers.extract.tables import tables_and_lists
from parsers.extract.tree import fold, remove
from parsers.extract.weights import CJK_DENSITY, FRAGMENT, LEAST_LINK, best_stretch
from parsers.text.plain import BESIDE_TEXT

_TAIL = frozenset({"p", "li", "td", "th", "dd", "pre", "h2", "h3", "h4", "h5"})
_SUBHEADINGS = HEADINGS - {"h1"}
# Weights of a block that a phrase names: boilerplate ends a stretch of sentences, a repeated
# title or byline leaves it out of the text only.
_BOILERPLATE, _BESIDE = -30.0, -10.0
# Short cells and lines stay between sentences, links do not.
_MIN_KEPT = (FRAGMENT + LEAST_LINK) / 2

# Standfirsts of news sites: a paragraph a few blocks before the text, not a heading or a menu.
_MAX_BLOCKS_BEFORE = 40
_MIN_LEAD, _MAX_LEAD = 30, 900
_MAX_LEAD_BLOCKS = 4
# Descriptions that end with an ellipsis repeat the first characters of the standfirst.
_SAME_START = 60
_TEXT_START = 3000
_LEAD = re.compile(
    r"stand-?first|\blead\b|lede|\bintro|abstract|summary|sub-?(?:title|head|line)|\bdeck?\b|chap[oe]|excerpt"
    r"|entradilla|teaser-?text|vorspann|ingress|sommario|occhiello|bajada|zhaiyao|description",
    re.I,
)

# Teasers between the paragraphs of magazines: a linked heading in a box of little more, none
# of which is a larger part of the page, as a section of the article is.
_LINKED_HEADING = 0.6
_MORE_THAN_HEADING = 1.3
_MAX_TEASER = 0.15
_MAX_TEASERS = 0.3

# Lines like "Related" are shorter, also with a count or a name.
_MAX_END_MATTER = 110
# A line like "Related" ends the article when so few of its sentences follow: in all of the
# box, and in the container of the article, where such lines also stand between paragraphs.
_LATE, _AFTER, _LAST = 0.3, 0.1, 0.02
# The longest lines of Chinese portals with a source, an editor or an account; a notice of
# rights has more words.
_MAX_NOISE, _MAX_RIGHTS, _MAX_META = 300, 500, 120
# Pages that print "title - site" where the headline was.
_TITLE_MARKS = 20
# Galleries and pages for print repeat paragraphs one after the other, an interview one question.
_MIN_REPEATED = 60
# Bold paragraphs as headings, on pages of blogs.
_MAX_HEADING = 80
# Live blogs print the time of an update above its heading.
_CLOCK = re.compile(r"\D{0,10}\d{1,2}[:.]\d\d\D{0,10}$")
# Short lines after the last sentence: four fragments or three links end the text.
_PATIENCE = -4 * FRAGMENT
_MAX_COST = 5.0


def body_of(page: Layout, box: Box, *, title: str = "", description: str = "") -> etree._Element:
    """Return the element of the body without boilerplate; this changes the tree.

    Args:
        page: The page, weighed.
        box: The box that ``best_box`` returned.
        title: The headline, which is not part of the body.
        description: The declared description, which a standfirst before the box repeats.
    """
    blocks = page.blocks_of(box)
    _judge_teasers(page, box, blocks)
    keep = kept(page, box, fold(title))
    lead = _lead(page, box, blocks, keep, fold(title), fold(description))
    figures = lead_figures(page, box)
    _cut(page, box, blocks, keep)
    for figure in reversed(figures):
        figure.tail, box.node.text = box.node.text, None
        box.node.insert(0, figure)
    prune(box.node)
    for figure in figures:
        figure.set("class", BESIDE_TEXT)
    if lead is not None:
        first = etree.Element("p")
        first.text = lead.text
        first.tail = box.node.text
        box.node.text = None
        box.node.insert(0, first)
    return box.node


def _lead(
    page: Layout, box: Box, blocks: list[Block], keep: list[bool], title: str, description: str
) -> Block | None:
    """Return the standfirst before the box: a block that repeats the description or is named so."""
    texts = (block.text for block, flag in zip(blocks, keep, strict=True) if flag)
    have = fold("".join(texts)[:_TEXT_START])
    for block in page.blocks[max(0, box.first - _MAX_BLOCKS_BEFORE) : box.first]:
        text = fold(block.text)
        is_paragraph = block.size <= _MAX_LEAD and block.link * 2 <= block.size
        if len(text) < _MIN_LEAD or not is_paragraph or text == title or text in have:
            continue
        if _repeats(text, description) or (not block.is_suspect and _is_named_lead(block)):
            return block
    return None


def _repeats(text: str, description: str) -> bool:
    if len(description) < _MIN_LEAD:
        return False
    start = description[:_SAME_START]
    return text == description or (len(description) > _SAME_START and text.startswith(start))


def _is_named_lead(block: Block) -> bool:
    return END.search(block.text) is not None and any(
        owner is not None
        and owner.last - owner.first < _MAX_LEAD_BLOCKS
        and _LEAD.search(f"{owner.classes} {owner.node.get('id') or ''}")
        for owner in (block.box, block.box.parent)
    )


def _judge_teasers(page: Layout, box: Box, blocks: list[Block]) -> None:
    """Mark small boxes with a linked heading as suspect: they are teasers of other articles."""
    main = main_container(blocks)
    found: dict[Box, None] = {}
    for block in blocks:
        if block.box.tag not in HEADINGS or block.link < _LINKED_HEADING * block.size:
            continue
        owner = block.box.parent
        while owner is not None and owner.size < _MORE_THAN_HEADING * block.size:
            if owner is box:
                break
            owner = owner.parent
        if owner is None or owner is box or owner.size > _MAX_TEASER * box.size:
            continue
        if not owner.first <= main.first < owner.last:
            found[owner] = None
    good = sum(block.weight for block in blocks if block.weight > 0)
    if sum(owner.weight for owner in found) > _MAX_TEASERS * good:
        return
    for owner in found:
        for block in page.blocks_of(owner):
            block.is_suspect = True
            block.weight = min(block.weight, LEAST_LINK)


def kept(page: Layout, box: Box, title: str) -> list[bool]:
    """Return for each block of the box whether it belongs to the article; ``title`` is folded."""
    blocks = page.blocks_of(box)
    main = main_container(blocks)
    is_main = [container_of(block.box) is main for block in blocks]
    for table in tables_and_lists(page, box):
        is_inside = table.parent is not None and container_of(table.parent) is main
        for i in range(table.first - box.first, table.last - box.first):
            is_main[i] = is_inside
            blocks[i].is_listed = True
    weights = _judged(page, blocks, is_main, title)
    start, end = best_stretch(weights)
    start = _head(blocks, weights, is_main, start)
    end = _tail(blocks, weights, is_main, end)
    while end > start and (blocks[end - 1].box.tag in HEADINGS):
        end -= 1
    keep = [False] * len(blocks)
    for i in range(start, end):
        keep[i] = weights[i] > _MIN_KEPT and not blocks[i].is_suspect
    return keep


def _judged(page: Layout, blocks: list[Block], is_main: list[bool], title: str) -> list[float]:
    """Return the weight of each block in its context, up to the block that ends the article."""
    density = CJK_DENSITY if page.is_cjk else 1.0
    total = left = sum(block.weight for block in blocks if block.weight > 0)
    main_left = sum(
        b.weight for b, inside in zip(blocks, is_main, strict=True) if inside and b.weight > 0
    )
    weights: list[float] = []
    repeated = _repeated(blocks, density)
    for block, inside in zip(blocks, is_main, strict=True):
        if block.weight > 0:
            left -= block.weight
            main_left -= block.weight if inside else 0.0
        length = block.size * density
        is_title = len(block.text) < 2 * len(title) + _TITLE_MARKS and fold(block.text) == title
        weight = -1.0
        if any(map(str.isalnum, block.text)):
            weight = _noise(block, length, is_title, left < _LATE * total)
        if block.is_listed:
            weight = max(block.weight, 0.0)
        elif weight == block.weight and length < _MAX_END_MATTER and END_MATTER.match(block.text):
            is_last = main_left <= _LAST * total
            is_late = left < _LATE * total and main_left < _AFTER * total
            if left < total - left and (is_last or is_late):
                break
            weight = _BOILERPLATE
        if block in repeated and not inside:
            weight = min(weight, _BESIDE)
        weights.append(weight)
    return weights


def _repeated(blocks: list[Block], density: float) -> set[Block]:
    """Return the blocks that repeat earlier ones, unless one alone repeats a question."""
    seen: set[str] = set()
    again: list[tuple[Block, bool]] = []
    for block in blocks:
        if block.size * density >= _MIN_REPEATED:
            again.append((block, block.text in seen))
            seen.add(block.text)
    runs = (list(run) for is_repeat, run in groupby(again, itemgetter(1)) if is_repeat)
    return {block for run in runs for block, _ in run if len(run) > 1 or block is again[-1][0]}


def _noise(block: Block, length: float, is_title: bool, is_late: bool) -> float:
    """Return the block's weight, or a negative weight when its text is boilerplate."""
    text = block.text
    if block.size < _MAX_NOISE and NOISE.match(text):
        return _BOILERPLATE
    if is_late and block.size < _MAX_RIGHTS and is_rights_notice(text):
        return _BOILERPLATE
    if text[0] in "{[" and text[-1] in "}]" and '":' in text:
        return _BOILERPLATE
    size = length if END.search(text[-2:]) else block.size  # a sentence needs more characters
    if is_title or (size < _MAX_META and META.search(text)):
        return _BESIDE
    return block.weight


def _head(blocks: list[Block], weights: list[float], is_main: list[bool], start: int) -> int:
    """Return the start of the article, including what precedes its first long sentence.

    These are short sentences, a heading, a table or list of the same container, and the
    heading of the first update of a live blog: later updates have one of the same kind.
    """
    if start >= len(weights):
        return start
    first = blocks[start].box
    home = container_of(first)
    kinds = {_kind(block.box) for block in blocks[start:] if block.box.tag in _SUBHEADINGS}
    has_heading = False
    for i in range(start - 1, -1, -1):
        block, box = blocks[i], blocks[i].box
        if box.tag in ("figure", "figcaption"):
            continue
        is_home = container_of(box) is home or (
            box.parent is first.parent and (box.tag == "div" or _kind(box) == _kind(first))
        )
        if block.is_suspect or weights[i] <= _BESIDE:
            break
        is_heading = box.tag in _SUBHEADINGS or (
            _is_bold(block) and any(map(_is_bold, blocks[start:]))
        )
        if is_heading and block.link * 2 < block.size and not has_heading:
            if not is_home and _kind(box) not in kinds:
                break
            start, has_heading = i, True
        elif (block.is_listed and is_main[i]) or (
            is_home and block.link == 0 and (END.search(block.text[-2:]) or box.tag == "li")
        ):
            start = i
        elif not (kinds and _CLOCK.match(block.text)):
            break
    return start


def _is_bold(block: Block) -> bool:
    """Return whether it is a short bold paragraph, which some pages use for headings."""
    return (
        block.box.tag == "p"
        and block.size <= _MAX_HEADING
        and not END.search(block.text[-2:])
        and all(node.tag in ("strong", "b") and not is_tail for node, is_tail in block.runs)
    )


def _kind(box: Box) -> tuple[str, str]:
    return box.tag, box.classes


def _tail(blocks: list[Block], weights: list[float], is_main: list[bool], end: int) -> int:
    """Return the end of the article, including short lines after the last sentence."""
    patience = _PATIENCE
    for i in range(end, len(weights)):
        block = blocks[i]
        if block.is_suspect or block.box.tag in HEADINGS:
            continue
        if weights[i] <= _BESIDE:
            break
        if is_main[i] and weights[i] > _MIN_KEPT and block.box.tag in _TAIL:
            end = i + 1
            patience = _PATIENCE
        else:
            patience += max(weights[i], -_MAX_COST)
            if patience <= 0:
                break
    return end


def _cut(page: Layout, box: Box, blocks: list[Block], keep: list[bool]) -> None:
    """Remove every block that is not kept from the tree, except captions of kept figures."""
    figures = kept_figures(page, box, keep)
    count = [0, *accumulate(keep)]
    gone: set[Box] = set()
    boxed = {inner.node for inner in page.boxes_in(box)}
    for dialog in list(box.node.iter("dialog")):
        if dialog not in boxed:
            remove(dialog)
    for inner in page.boxes_in(box):
        if inner.parent in gone:
            gone.add(inner)
        elif inner in figures or count[inner.last - box.first] > count[inner.first - box.first]:
            continue
        elif inner.first < inner.last or inner.is_suspect:
            gone.add(inner)
            remove(inner.node)
    for block, flag in zip(blocks, keep, strict=True):
        if not flag and block.box not in gone:
            for node, is_tail in block.runs:
                around = node.getparent() if is_tail else node
                if block.box in figures and around is not None and is_caption(around):
                    continue
                if is_tail:
                    node.tail = " "
                else:
                    node.text = " "
