"""How alike two texts are: exact shares of shingles, agreement of numbers, and the kind of pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from warehouse.syndication.shingles import Hashes

# Daily templates (market close, pledge notices) share most of their shingles; their numbers differ.
_MIN_JACCARD = 0.35
_MIN_CONTAINMENT = 0.6
_MIN_NUMBERS = 0.5

_NEAR = 0.6
_EXCERPT = 0.9

# A disclaimer or a footer at the end, or a head at the start, of up to so many characters is no part
# of the text: the rest has to be alike by itself.
_MAX_BOILERPLATE = 320
_MIN_REST = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingledText:
    """What two texts are compared by.

    Attributes:
        sequence: The shingles in order.
        distinct: The different shingles, sorted.
        numbers: The different numbers.
    """

    sequence: Hashes
    distinct: Hashes
    numbers: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """How alike two texts are.

    Attributes:
        kind: ``same``, ``near``, ``excerpt`` or ``rewritten``.
        jaccard: Common shingles by all shingles of both.
        containment: Common shingles by those of the text with fewer.
    """

    kind: str
    jaccard: float
    containment: float


def shingled(sequence: Hashes, numbers: frozenset[str]) -> ShingledText:
    """Return a text to compare."""
    return ShingledText(sequence=sequence, distinct=_distinct(sequence), numbers=numbers)


def compare(first: ShingledText, second: ShingledText) -> Similarity | None:
    """Return how alike two texts are; ``None`` for different ones."""
    jaccard, containment = _shares(first.distinct, second.distinct)
    if jaccard < _MIN_JACCARD and containment < _MIN_CONTAINMENT:
        return None
    if _agreement(first.numbers, second.numbers) < _MIN_NUMBERS:
        return None
    if containment < _EXCERPT and _has_boilerplate_only(first.sequence, second.sequence):
        return None
    return Similarity(kind=_kind(jaccard, containment), jaccard=jaccard, containment=containment)


def _distinct(sequence: Hashes) -> Hashes:
    """Return what ``numpy.unique`` does, for few values in a third of the time."""
    ordered = np.sort(sequence)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _shares(first: Hashes, second: Hashes) -> tuple[float, float]:
    """Return Jaccard and containment of two sets of shingles."""
    fewer = min(len(first), len(second))
    if not fewer:
        return 0.0, 0.0
    shorter, longer = sorted((first, second), key=len)
    places = np.minimum(np.searchsorted(longer, shorter), len(longer) - 1)
    shared = int(np.count_nonzero(longer[places] == shorter))
    return shared / (len(first) + len(second) - shared), shared / fewer


def _agreement(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of the numbers of one text that the other has; 1 without numbers."""
    fewer = min(len(first), len(second))
    return len(first & second) / fewer if fewer else 1.0


def _has_boilerplate_only(first: Hashes, second: Hashes) -> bool:
    """Return whether two texts differ except for one block at their end, or at their start."""
    for one, other in ((first, second), (first[::-1], second[::-1])):
        size = _common_start(one, other)
        if 0 < size <= _MAX_BOILERPLATE:
            jaccard, _ = _shares(_distinct(one[size:]), _distinct(other[size:]))
            if jaccard < _MIN_REST:
                return True
    return False


def _common_start(first: Hashes, second: Hashes) -> int:
    length = min(len(first), len(second))
    is_different = first[:length] != second[:length]
    return int(np.argmax(is_different)) if is_different.any() else length


def _kind(jaccard: float, containment: float) -> str:
    if jaccard == 1:
        return "same"
    if jaccard >= _NEAR:
        return "near"
    return "excerpt" if containment >= _EXCERPT else "rewritten"
