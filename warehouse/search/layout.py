"""Where a token is in the index: slots of positions, one space of numbers for all contents.

Each content has as many consecutive slots as its tokens need, so that a long article is indexed
to its end. The position of a token in all of the index is ``slot << 10 | position in the slot``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from warehouse.search.tokens import Numbers, TokenBatch, Tokens

SLOT_BITS = 10
TITLE_POSITIONS = 64
"""A term that begins at one of the first positions of a content counts as one of its title."""

SEGMENT_BITS = 25
"""Postings are sorted by token within a segment: 2**25 positions, about 30,000 articles."""

# No term has two positions in a row that match anything, so none reaches over this gap.
_GAP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The postings and slots of some contents.

    Attributes:
        first_slots: The first slot of each content.
        slot_counts: How many slots it has.
        token_counts: How many tokens its title and text have.
        tokens: One posting each.
        positions: The position of each in the index, ascending within title and text.
    """

    first_slots: Numbers
    slot_counts: Numbers
    token_counts: Numbers
    tokens: Tokens
    positions: Tokens


def lay_out(titles: TokenBatch, texts: TokenBatch, first_slot: int) -> Layout:
    """Place contents into consecutive slots: the title, a gap, the text, a gap."""
    text_starts = np.maximum(TITLE_POSITIONS, titles.counts + _GAP)
    lengths = text_starts + texts.counts + _GAP
    slot_counts = (lengths + (1 << SLOT_BITS) - 1) >> SLOT_BITS
    first_slots = first_slot + np.cumsum(slot_counts) - slot_counts
    starts = first_slots << SLOT_BITS
    positions = np.concatenate(
        [
            np.repeat(starts, titles.counts) + titles.positions(),
            np.repeat(starts + text_starts, texts.counts) + texts.positions(),
        ]
    )
    return Layout(
        first_slots=first_slots,
        slot_counts=slot_counts,
        token_counts=titles.counts + texts.counts,
        tokens=np.concatenate([titles.tokens, texts.tokens]),
        positions=positions.astype(np.uint64),
    )
