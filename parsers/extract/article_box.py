"""Choose the box of a page that holds the article."""

from __future__ import annotations

from parsers.extract.blocks import Block, Box, Layout, container_of
from parsers.extract.heuristics import CONTAINERS
from parsers.extract.weights import best_stretch, weigh

# Pages with teasers around the text: a box named like a text wins over a heavier one around it.
_HINT_BONUS = 1.25
# Pages of Chinese portals: a box that the publisher is known to use may be much smaller than
# the page's heaviest, which includes lists of links with long titles.
_MIN_HINTED = 0.3
# Articles in a box named comment, and in one large link: without that box, what is left of the
# page has less than two sentences, and the box has several times as much.
_MIN_ARTICLE = 250.0
_TRUSTED_TO_PLAIN = 3.0
# Front-page teasers around an article: one container among small ones is the article when its
# share of the box lies between these. A smaller one is a section of a long article, a larger
# one needs no cut.
_MIN_SECTION, _MAX_SECTION = 0.45, 0.7
_MIN_TEASERS = 4
_SECTION_TO_TEASER = 3
# Wrappers of one article differ by its standfirst and byline at most.
_SAME_TEXT = 1.1


def best_box(page: Layout, hints: frozenset[str] = frozenset()) -> Box | None:
    """Return the box of the article, or ``None`` when the page has no sentences.

    Args:
        page: The page. The function weighs it.
        hints: Known ids and class names of this publisher's article bodies.
    """
    weigh(page)
    best = _heaviest(page)
    if best is not None:
        best = _without_teasers(page, best)
    if best is not None and hints:
        best = _hinted(page, hints, best.weight) or best
    if best is None or best.weight < _MIN_ARTICLE:
        weight = best.weight if best is not None else 0.0
        weigh(page, trusting=True)
        trusted = _heaviest(page)
        if trusted is not None and trusted.weight > _TRUSTED_TO_PLAIN * weight:
            return trusted
        weigh(page)
    return best or _around_stretch(page)


def main_container(blocks: list[Block]) -> Box:
    """Return the container with most sentences of its own."""
    direct: dict[Box, float] = {}
    for block in blocks:
        if block.weight > 0:
            owner = container_of(block.box)
            direct[owner] = direct.get(owner, 0.0) + block.weight
    return max(direct, key=lambda owner: direct[owner])


def _heaviest(page: Layout) -> Box | None:
    best: Box | None = None
    top = 0.0
    for box in page.boxes:
        if box.tag not in CONTAINERS:
            continue
        score = box.weight * (_HINT_BONUS if box.hint else 1.0)
        if score > 0 and score >= top:
            best, top = box, score
    return best


def _around_stretch(page: Layout) -> Box | None:
    """Return the innermost container of the best stretch of sentences.

    On a page of one box, the links outweigh a short article.
    """
    first, last = best_stretch([block.weight for block in page.blocks])
    around = [
        box for box in page.boxes if box.tag in CONTAINERS and box.first <= first < last <= box.last
    ]
    return around[-1] if around else None


def _without_teasers(page: Layout, box: Box) -> Box:
    """Return the container of most sentences when the others are small and many.

    Teasers of other articles are many small boxes of one or two sentences; the parts of
    one article are few and large, or have the same class.
    """
    main = main_container(page.blocks_of(box))
    if not _MIN_SECTION * box.weight < main.weight < _MAX_SECTION * box.weight:
        return box
    rest: dict[Box, float] = {}
    for block in page.blocks_of(box):
        owner = container_of(block.box)
        if block.weight > 0 and not main.first <= owner.first < main.last:
            rest[owner] = rest.get(owner, 0.0) + block.weight
            if main.classes and (owner.tag, owner.classes) == (main.tag, main.classes):
                return box
    if len(rest) < _MIN_TEASERS or main.weight < _SECTION_TO_TEASER * max(rest.values()):
        return box
    while (
        main.parent is not None
        and main.parent is not box
        and main.parent.weight < _SAME_TEXT * main.weight
    ):
        main = main.parent
    return main


def _hinted(page: Layout, hints: frozenset[str], weight: float) -> Box | None:
    for box in page.boxes:
        names = {box.node.get("id") or "", *box.classes.split()}
        if not hints.isdisjoint(names) and box.weight > _MIN_HINTED * weight:
            return box
    return None
