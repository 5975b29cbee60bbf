"""Shingles of texts, many texts at once: hashes of each run of five characters.

Characters are folded as in the search index; spaces and punctuation do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from warehouse.search.characters import classes, fold

Hashes: TypeAlias = NDArray[np.uint32]
Numbers: TypeAlias = NDArray[np.int64]

LENGTH = 5

_END = 0x10FFFF
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)*")
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingleBatch:
    """The shingles of some texts, one after another.

    Attributes:
        hashes: 32 bits each, in the order of the texts; a repeated shingle is repeated.
        counts: How many shingles each text has.
        numbers: The different numbers in each text, without separators of thousands.
    """

    hashes: Hashes
    counts: Numbers
    numbers: tuple[frozenset[str], ...]

    def by_text(self) -> list[Hashes]:
        """Return the shingles of each text in order."""
        return np.split(self.hashes, np.cumsum(self.counts)[:-1])


def shingle(texts: Sequence[str]) -> ShingleBatch:
    """Return the shingles of texts without lone surrogates."""
    end = chr(_END)
    joined = "".join(f"{text.replace(end, ' ')}{end}" for text in texts)
    codes = fold(np.frombuffer(joined.encode("utf-32-le"), np.uint32))
    codes = codes[codes <= _END]  # Folding marks what it deletes with a higher number.
    folded = codes.tobytes().decode("utf-32-le").split(end)[:-1]
    kept = codes[(classes(codes) != 0) | (codes == _END)]
    ends = np.flatnonzero(kept == _END)
    lengths = np.diff(ends, prepend=-1) - 1
    is_inside = np.ones(len(kept), np.bool_)
    for back in range(LENGTH):
        is_inside[np.maximum(ends - back, 0)] = False
    return ShingleBatch(
        hashes=_hashes(kept)[is_inside],
        counts=np.maximum(lengths - LENGTH + 1, 0),
        numbers=tuple(_numbers(text) for text in folded),
    )


def _hashes(codes: NDArray[np.uint32]) -> Hashes:
    """Return the hash of the run that begins at each place; those across the end are undefined."""
    wide = codes.astype(np.uint64)
    mixed = wide * _BASE
    for offset in range(1, LENGTH):
        mixed[:-offset] += wide[offset:]
        mixed *= _BASE
    mixed ^= mixed >> _HALF
    mixed *= _MIX
    return (mixed >> _HALF).astype(np.uint32)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(one.replace(",", "") for one in _NUMBER.findall(text))
