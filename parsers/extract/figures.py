"""Which figures of a page belong to the article: images and videos with their captions.

A caption is no sentence of the article. It stays in the body beside its image, and the
cleaner leaves it out of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate

from lxml import etree

from parsers.extract.blocks import Box, Layout
from parsers.extract.heuristics import SUSPECT, class_hint
from parsers.extract.tree import texts_of

MEDIA = (
    "img", "amp-img", "picture", "iframe", "video", "audio", "object", "embed", "amp-iframe",
    "amp-video", "amp-audio", "amp-youtube", "lite-youtube",
)  # fmt: skip
_CAPTION = re.compile(
    r"caption|(?:image|img|photo|picture|pic|media)[-_]?(?:desc|text|title|info)", re.IGNORECASE
)
# Words of class names that mean an aside on a box of text, but are usual on a figure.
_USUAL = re.compile(
    r"caption|credit|embed|provider|twitter|facebook|instagram|carousel|slide(?:r|show)|lightbox"
    r"|(?:image|img|photo|picture|pic|media)[-_]?(?:desc|text|title|info|source)",
    re.IGNORECASE,
)
_POST = re.compile(
    r"instagram-media|tiktok-embed|twitter-(?:tweet|video)|bluesky-embed|fb-(?:video|post)\b"
)
# Captions of magazines; more text is an article in a figure.
_MAX_CAPTION = 1000
# A picture and a video; more figures before the text are teasers.
_MAX_LEAD_FIGURES = 2


def kept_figures(page: Layout, box: Box, keep: list[bool]) -> set[Box]:
    """Return the boxes of the figures that stay, with the boxes in and around them.

    A figure stays unless its class name means an aside, an aside holds it, or its box holds
    other text: a teaser of another article is an image and a linked heading. An element of
    an image and a caption becomes a ``figure``.

    Args:
        page: The page, weighed.
        box: The box of the article.
        keep: For each block of the box, whether it stays.
    """
    inner = page.boxes_in(box)
    figures = [
        each
        for each in inner
        if ((each.tag == "figure" or _is_unmarked(each)) and _is_kept(each, box))
        or (each.tag in ("blockquote", "div") and _post_url(each.node))
    ]
    foreign = [True] * len(keep)
    for figure in figures:
        foreign[figure.first - box.first : figure.last - box.first] = [False] * (
            figure.last - figure.first
        )
    has_foreign, has_text = _counter(foreign, box), _counter(keep, box)
    kept: set[Box] = set()
    for figure in figures:
        around = [figure]
        while (parent := around[-1].parent) is not None and parent is not box:
            if has_text(parent):
                break
            around.append(parent)
        if has_text(figure) and figure.tag != "blockquote":  # around a table or code
            kept.update(each for each in page.boxes_in(figure) if each.tag == "figcaption")
        elif not has_foreign(around[-1]):
            kept.update(around, page.boxes_in(figure))
            mark_caption(figure.node)
    return kept


def lead_figures(page: Layout, box: Box) -> list[etree._Element]:
    """Return the figures between the headline and the box of the article.

    Several of them are the teasers of other articles.
    """
    headings = [each.number for each in page.boxes[: box.number] if each.tag == "h1"]
    inside = {node.get("src") for node in box.node.iter("img")}
    found = [
        each.node
        for each in page.boxes[headings[-1] if headings else box.number : box.number]
        if each.tag == "figure"
        and _is_kept(each, page.boxes[0])
        and next(each.node.iterancestors("a", "aside", "nav", "footer"), None) is None
        and not {node.get("src") for node in each.node.iter("img")} & (inside - {None})
    ]
    for node in found:
        mark_caption(node)
    return found if len(found) <= _MAX_LEAD_FIGURES else []


def _is_kept(figure: Box, box: Box) -> bool:
    around: Box | None = figure
    while around is not None and around is not box:
        if around.is_firm or (around.is_suspect and around.is_out and not is_usual(around.node)):
            return False
        around = around.parent
    is_caption = figure.size <= _MAX_CAPTION and figure.link * 2 <= figure.size
    return is_caption and next(figure.node.iter(*MEDIA), None) is not None


def is_usual(node: etree._Element) -> bool:
    """Return whether the names of an element are usual around a figure, and mean no aside."""
    names = f"{node.get('class') or ''} {node.get('id') or ''}"
    return node.tag not in ("nav", "footer") and class_hint(_USUAL.sub("", names)) != SUSPECT


def is_caption(node: etree._Element) -> bool:
    """Return whether the text of a node is in a caption."""
    return node.tag == "figcaption" or next(node.iterancestors("figcaption"), None) is not None


def _is_unmarked(box: Box) -> bool:
    """Return whether it is an element of an image and a child named caption."""
    return box.tag in ("div", "section", "center") and any(map(_is_named_caption, box.node))


def _is_named_caption(node: etree._Element) -> bool:
    return (
        node.tag in ("p", "div", "span")
        and _CAPTION.search(f"{node.get('class') or ''} {node.get('id') or ''}") is not None
        and next(node.iter(*MEDIA), None) is None
    )


def _post_url(node: etree._Element) -> str:
    """Return the URL of a post that a script of its network shows in place of the element."""
    if _POST.search(node.get("class") or "") is None:
        return ""
    links = [node.get("data-instgrm-permalink"), node.get("cite"), node.get("data-href")]
    if not "".join(texts_of(node)).strip():
        links += [link.get("href") for link in node.iter("a")]
    return next(filter(None, links), "")


def mark_caption(figure: etree._Element) -> None:
    """Make a figure with a caption of an element, and an embed of a post of a network."""
    if address := _post_url(figure):
        tail = figure.tail
        figure.clear()
        figure.tag, figure.tail = "iframe", tail
        figure.set("src", address)
    elif next(figure.iter("figcaption"), None) is None:
        figure.tag = "figure"
        for node in filter(_is_named_caption, figure.iter("p", "div", "span")):
            if not is_caption(node):
                node.tag = "figcaption"


def _counter(flags: list[bool], box: Box) -> Callable[[Box], bool]:
    """Return a function that is true of a box when a block in it has the flag."""
    sums = [0, *accumulate(flags)]
    return lambda inner: sums[inner.last - box.first] > sums[inner.first - box.first]
