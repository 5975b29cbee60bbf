"""Fingerprints of contents: a sample of their shingles that is the same for the same text.

A shingle is in the sample if its hash is below a bound (FracMinHash). So the share of common
fingerprints estimates the share of common shingles, also where one text is a part of the other. The
sample has one in 16 shingles of a long text, and more of a short one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from warehouse.syndication.shingles import Hashes, Numbers, ShingleBatch

MIN_SHINGLES = 32
"""Shorter texts have too little in common with anything: only an equal content hash counts."""

# A text with fewer shingles than the first of these is sampled as a whole, with fewer than the
# second by half, and so on: at least 24 fingerprints, and of a long text one in 16.
_LEVELS = np.array([48, 96, 192, 384])
_BITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The fingerprints of some texts.

    Attributes:
        prints: The fingerprints, sorted by text and value, each once in a text.
        texts: The place of the text of each.
        levels: The sample of each text has one in ``2**level`` shingles.
        numbers: For each text one bit per number in it, by its hash.
    """

    prints: Hashes
    texts: Numbers
    levels: Numbers
    numbers: NDArray[np.uint64]


def sample(shingles: ShingleBatch) -> Sample:
    """Return the fingerprints of texts."""
    counts = shingles.counts
    levels = np.searchsorted(_LEVELS, counts, side="right")
    bounds = np.where(counts < MIN_SHINGLES, 0, 1 << (32 - levels)).astype(np.uint64)
    chosen = np.flatnonzero(shingles.hashes < np.repeat(bounds, counts))
    owners = np.searchsorted(np.cumsum(counts), chosen, side="right").astype(np.uint64)
    each = np.unique((owners << np.uint64(32)) | shingles.hashes[chosen])
    return Sample(
        prints=each.astype(np.uint32),
        texts=(each >> np.uint64(32)).astype(np.int64),
        levels=levels,
        numbers=np.array([_bits(one) for one in shingles.numbers], np.uint64),
    )


def _bits(numbers: frozenset[str]) -> int:
    found = 0
    for one in numbers:
        found |= _bit(one)
    return found


@lru_cache(maxsize=1 << 14)
def _bit(number: str) -> int:
    return 1 << (crc32(number.encode()) % _BITS)
