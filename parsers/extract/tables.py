"""Which tables and lists belong to the sentences around them, whatever their links.

A row of short cells or a list of links looks like navigation. The table has a shape that
navigation has not, and a sentence with a colon announces the list.
"""

from __future__ import annotations

from collections import Counter

from parsers.extract.blocks import Box, Layout
from parsers.extract.heuristics import END_MATTER, HEADINGS, META

_LISTS = ("ul", "ol", "dl")
# Old pages lay out columns of text and menus in tables; cells of data are short.
_MAX_CELL, _MAX_MEAN_CELL, _MAX_LINK_SHARE = 300, 100, 0.8
# A colon before half of the box announces the article itself, or all articles of a blog.
_MAX_LIST_SHARE = 0.5
_COLONS = (":", "：")


def tables_and_lists(page: Layout, box: Box) -> list[Box]:
    """Return the data tables and the announced lists inside the box of the article."""
    return [
        inner
        for inner in page.boxes_in(box)
        if not inner.is_out
        and inner.first < inner.last
        and (
            is_data(page, inner)
            or (inner.tag == "dl" and _is_pairs(page, inner))
            or (
                inner.tag in _LISTS
                and inner.size < _MAX_LIST_SHARE * box.size
                and _is_announced(page, inner)
            )
        )
    ]


def is_data(page: Layout, table: Box) -> bool:
    """Return whether a box is a table of two rows of two short cells, and of more than links."""
    if table.tag != "table":
        return False
    inner = page.boxes_in(table)
    if any(each.tag == "table" for each in inner):
        return False
    tags = Counter(each.tag for each in inner)
    cells = [each for each in inner if each.tag in ("td", "th")]
    if tags["tr"] < 2 or len(cells) < 2 * tags["tr"]:
        return False
    if max(cell.size for cell in cells) > _MAX_CELL or table.size > _MAX_MEAN_CELL * len(cells):
        return False
    if any(META.search(block.text) for block in page.blocks_of(table)):
        return False
    plain = sum(cell.size > 0 and cell.link == 0 for cell in cells)
    return tags["th"] > 1 or plain >= tags["tr"] or table.link < _MAX_LINK_SHARE * table.size


def _is_pairs(page: Layout, box: Box) -> bool:
    """Return whether a list has two terms without links, each with a value."""
    tags = [block.box.tag for block in page.blocks_of(box)]
    terms = [block for block in page.blocks_of(box) if block.box.tag == "dt"]
    return (
        len(terms) > 1
        and tags.count("dd") >= len(terms)
        and not any(block.link or META.search(block.text) for block in terms)
    )


def _is_announced(page: Layout, box: Box) -> bool:
    before = page.blocks[max(0, box.first - 1)]
    return (
        before.text.endswith(_COLONS)
        and before.weight >= 0
        and before.box.tag not in HEADINGS
        and before.box.parent is box.parent
        and not END_MATTER.match(before.text)
    )
