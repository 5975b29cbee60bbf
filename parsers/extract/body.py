"""Extract the body of an article from its box, without boilerplate."""

from __future__ import annotations

import re
from itertools import accumulate

from lxml import etree

from parsers.extract.article_box import main_container
from parsers.extract.blocks import END, Block, Box, Layout, container_of
from parsers.extract.figures import is_caption, kept_figures, lead_figures
from parsers.extract.heuristics import (
    ASIDE,
    END_MATTER,
    HEADINGS,
    META,
    NOISE,
    is_rights_notice,
)
from parsers.extract.prune import prune
from parsers.extract.tables import tables_and_lists
from parsers.extract.tree import fold, remove
from parsers.extract.weights import best_stretch
from parsers.text.plain import BESIDE_TEXT

_TAIL = frozenset({"p", "li", "td", "th", "dd", "pre", "h2", "h3", "h4", "h5"})
_TITLE_MARKS = 20
_MAX_HEADING = 80
_MAX_META = 120
# A line like "Related" ends the article when so few of its sentences follow: in all of the
# box, and in the container of the article, where such lines also stand between paragraphs.
_LATE, _AFTER, _LAST = 0.3, 0.1, 0.02
_CLOCK = re.compile(r"\D{0,10}\d{1,2}[:.]\d\d\D{0,10}$")
_SUBHEADINGS = HEADINGS - {"h1"}


def body_of(
    page: Layout, box: Box, *, title: str = "", description: str = "", known: str = ""
) -> etree._Element:
    """Return the element of the body without boilerplate; this changes the tree.

    Args:
        page: The page, weighed.
        box: The box that ``best_box`` returned.
        title: The headline, which is not part of the body.
        description: The declared description, which a standfirst before the box repeats.
        known: The article's text in the structured data; may be empty.
    """
    blocks = page.blocks_of(box)
    _judge_teasers(page, box, blocks)
    keep = kept(page, box, fold(title), fold(known))
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


_LEAD = re.compile(
    r"stand-?first|\blead\b|lede|\bintro|abstract|summary|sub-?(?:title|head|line)|\bdeck?\b|chap[oe]|excerpt"
    r"|entradilla|teaser-?text|vorspann|ingress|sommario|occhiello|bajada|zhaiyao|description",
    re.I,
)


def _lead(
    page: Layout, box: Box, blocks: list[Block], keep: list[bool], title: str, description: str
) -> Block | None:
    """Return the standfirst before the box: a block that repeats the description or is named so."""
    have = fold("".join(b.text for b, flag in zip(blocks, keep, strict=True) if flag)[:3000])
    for block in page.blocks[max(0, box.first - 40) : box.first]:
        text = fold(block.text)
        if (
            len(text) < 30
            or block.size > 900
            or block.link * 2 > block.size
            or text == title
            or text in have
        ):
            continue
        if len(description) >= 30 and (
            text == description or (len(description) > 60 and text.startswith(description[:60]))
        ):
            return block
        if block.is_suspect:
            continue
        for owner in (block.box, block.box.parent):
            names = owner is not None and owner.classes + " " + (owner.node.get("id") or "")
            if (
                names
                and owner is not None
                and owner.last - owner.first < 4
                and _LEAD.search(names)
                and END.search(block.text)
            ):
                return block
    return None


def _judge_teasers(page: Layout, box: Box, blocks: list[Block]) -> None:
    """Mark small boxes with a linked heading as suspect: they are teasers of other articles."""
    main = main_container(blocks)
    limit = 0.15 * box.size
    found: dict[int, Box] = {}
    for block in blocks:
        if block.box.tag not in HEADINGS or block.link < 0.6 * block.size:
            continue
        owner = block.box.parent
        while owner is not None and owner.size < block.size * 1.3 and owner is not box:
            owner = owner.parent
        if owner is None or owner is main or owner is box or owner.size > limit:
            continue
        if not owner.first <= main.first < owner.last:
            found[id(owner)] = owner
    good = sum(block.weight for block in blocks if block.weight > 0)
    if sum(owner.weight for owner in found.values()) > 0.3 * good:
        return
    for owner in found.values():
        for block in page.blocks_of(owner):
            block.is_suspect = True
            block.weight = min(block.weight, -4.0)


def kept(page: Layout, box: Box, title: str, known: str) -> list[bool]:
    """Return for each block whether it belongs to the article.

    Args:
        page: The page.
        box: The chosen box.
        title: The headline, folded.
        known: The article's text in the structured data, folded; may be empty.
    """
    blocks = page.blocks_of(box)
    main = main_container(blocks)
    is_main = [container_of(block.box) is main for block in blocks]
    for table in tables_and_lists(page, box):
        is_inside = table.parent is not None and container_of(table.parent) is main
        for i in range(table.first - box.first, table.last - box.first):
            is_main[i] = is_inside
            blocks[i].is_listed = True
    weights = _judged(page, blocks, is_main, title)
    _trim_to_known(blocks, weights, is_main, known)
    start, end = best_stretch(weights)
    start = _head(blocks, weights, is_main, start)
    end = _tail(blocks, weights, is_main, end)
    while end > start and (blocks[end - 1].box.tag in HEADINGS):
        end -= 1
    keep = [False] * len(blocks)
    for i in range(start, end):
        keep[i] = weights[i] > -3.5 and not blocks[i].is_suspect
    return keep


def _judged(page: Layout, blocks: list[Block], is_main: list[bool], title: str) -> list[float]:
    """Return the weight of each block in its context, up to the block that ends the article."""
    density = 2.5 if page.is_cjk else 1.0
    total = left = sum(block.weight for block in blocks if block.weight > 0)
    main_left = sum(
        b.weight for b, inside in zip(blocks, is_main, strict=True) if inside and b.weight > 0
    )
    weights: list[float] = []
    seen: set[str] = set()
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
        elif weight == block.weight and length < 110 and END_MATTER.match(block.text):
            is_last = main_left <= _LAST * total
            is_late = left < _LATE * total and main_left < _AFTER * total
            is_late = is_late and not ASIDE.match(block.text)
            if left < total - left and (is_last or is_late):
                break
            weight = -30.0
        if length >= 60:
            if block.text in seen and not inside:
                weight = min(weight, -10.0)
            seen.add(block.text)
        weights.append(weight)
    return weights


def _noise(block: Block, length: float, is_title: bool, is_late: bool) -> float:
    """Return the block's weight, or a negative weight when its text is boilerplate."""
    text = block.text
    if block.size < 300 and NOISE.match(text):
        return -30.0
    if is_late and block.size < 500 and is_rights_notice(text):
        return -30.0
    if text[0] in "{[" and text[-1] in "}]" and '":' in text:
        return -30.0
    size = length if END.search(text[-2:]) else block.size  # a sentence needs more characters
    if is_title or (size < _MAX_META and META.search(text)):
        return -10.0
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
        if block.is_suspect or weights[i] <= -10.0:
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
    patience = 12.0
    for i in range(end, len(weights)):
        block = blocks[i]
        if block.is_suspect or block.box.tag in HEADINGS:
            continue
        if weights[i] <= -10.0:
            break
        if is_main[i] and weights[i] > -3.5 and block.box.tag in _TAIL:
            end = i + 1
            patience = 12.0
        else:
            patience += max(weights[i], -5.0)
            if patience <= 0:
                break
    return end


def _trim_to_known(
    blocks: list[Block], weights: list[float], is_main: list[bool], known: str
) -> None:
    """Exclude blocks before and after the text of the structured data, if that is complete."""
    if len(known) < 200:
        return
    inside = [len(words) >= 15 and words in known for words in (fold(b.text) for b in blocks)][
        : len(weights)
    ]
    covered = sum(len(fold(b.text)) for b, flag in zip(blocks, inside, strict=False) if flag)
    if covered < 0.8 * len(known) or True not in inside:
        return
    first = inside.index(True)
    last = len(inside) - 1 - inside[::-1].index(True)
    for i, weight in enumerate(weights):
        if weight > 0 and not is_main[i] and not first <= i <= last:
            weights[i] = -10.0


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
