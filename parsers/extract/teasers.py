"""Boxes that repeat: teasers of other articles, and comments of readers.

Templates write both as siblings with one tag and one class. A teaser has a linked line, a
comment a line with its time. A live blog or a list of products has this shape, too, but
then no other box of the page holds the article.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from parsers.extract.blocks import Block, Box, Layout, container_of

# A row of fewer equal boxes is the layout of the page, not a list.
_MIN_ITEMS = 3
# Comments are the longest; a title or a time is a few boxes deep in its item.
_MAX_ITEM = 1200.0
_MAX_LEVELS = 4
# Rows of a table are data more often than teasers.
_ITEMS = frozenset({"article", "div", "li", "section"})
# Lists mix teasers with advertisements, and comments with forms for a reply.
_SHARE_OF_ITEMS = 0.75
# The article has more sentences than the longest of its teasers or comments.
_ARTICLE_TO_ITEM = 2.0
# The linked line has a date or a section beside the link; the line of a comment a name.
_MIN_LINKED, _MIN_TITLE = 0.6, 12
_MAX_LINE = 60
_TIME = re.compile(
    r"\d{1,2}[:.]\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b20\d\d\b|\bago\b|前$|temu$|назад",
    re.IGNORECASE,
)

Kind = tuple[int, str, str]


def repeated_boxes(page: Layout) -> list[Box]:
    """Return the boxes of teasers and comments on a page whose blocks are weighed."""
    kinds = {
        box.number: _kind(box)
        for box in page.boxes
        if box.tag in _ITEMS and box.last - box.first > 1 and box.size <= _MAX_ITEM
    }
    siblings = Counter(kinds.values())
    if not siblings or max(siblings.values()) < _MIN_ITEMS:
        return []
    items: dict[Kind, dict[int, Box]] = defaultdict(dict)
    for block in page.blocks:
        if (_is_title(block) or _is_time(block)) and (item := _item(block.box, kinds, siblings)):
            items[kinds[item.number]][item.number] = item
    lists = [
        list(found.values())
        for kind, found in items.items()
        if len(found) >= max(_MIN_ITEMS, _SHARE_OF_ITEMS * siblings[kind])
    ]
    if not lists:
        return []
    owned: dict[int, float] = defaultdict(float)
    for block in page.blocks:
        if block.weight > 0:
            owned[container_of(block.box).number] += block.weight
    return [box for found in lists if _has_article_beside(found, owned) for box in found]


def _has_article_beside(found: list[Box], owned: dict[int, float]) -> bool:
    longest = max(item.potential for item in found)
    inside = {number for item in found for number in range(item.number, item.end)}
    article = max((weight for number, weight in owned.items() if number not in inside), default=0.0)
    return 0 < _ARTICLE_TO_ITEM * longest <= article


def _item(box: Box, kinds: dict[int, Kind], siblings: Counter[Kind]) -> Box | None:
    for _ in range(_MAX_LEVELS):
        if box.parent is None or box.size > _MAX_ITEM:
            return None
        kind = kinds.get(box.number)
        if kind is not None and siblings[kind] >= _MIN_ITEMS:
            return box
        box = box.parent
    return None


def _is_title(block: Block) -> bool:
    return block.size >= _MIN_TITLE and block.link >= _MIN_LINKED * block.size


def _is_time(block: Block) -> bool:
    return block.size <= _MAX_LINE and _TIME.search(block.text) is not None


def _kind(box: Box) -> Kind:
    # Later words are often the item's own: post-1234, category-news, first, last.
    first, _, _ = box.classes.lstrip().partition(" ")
    return (box.parent.number if box.parent else 0), box.tag, first
