"""Tokens and positions of texts, many texts at once.

Two neighbouring characters of a script without spaces are a token, and so are a word or number
of another script, and a symbol. A token is a number of 63 bits:

- a bigram is its first code point, shifted by 21 bits, and the second (0 at the end of a run);
- a word is half of its MD5, with the highest of the 63 bits set;
- a symbol is its code point.

Positions count bigrams (one per character), words and symbols. The macro ``search`` makes the
same tokens of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from warehouse.search.characters import BIGRAM, SYMBOL, WORD, classes, fold

Tokens: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int64]

_SHIFT = np.uint64(21)
_WORD_BIT = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """The tokens of some texts, one after another.

    Attributes:
        tokens: In the order of the texts and positions.
        counts: How many tokens each text has.
    """

    tokens: Tokens
    counts: Numbers

    def positions(self) -> Numbers:
        """Return the position of each token in its own text, from 0."""
        ends = np.cumsum(self.counts)
        return np.arange(len(self.tokens)) - np.repeat(ends - self.counts, self.counts)


def tokenize(texts: Sequence[str]) -> TokenBatch:
    """Return the tokens of texts without lone surrogates."""
    parts = [fold(np.frombuffer(text.encode("utf-32-le"), np.uint32)) for text in texts]
    separator = np.zeros(1, np.uint32)
    codes = np.concatenate([*(one for part in parts for one in (part, separator)), separator])
    kinds = classes(codes)
    before = np.concatenate([np.zeros(1, np.uint8), kinds[:-1]])
    starts = np.flatnonzero((kinds != 0) & ((kinds != WORD) | (before != WORD)))
    tokens = codes[starts].astype(np.uint64)
    kinds_of = kinds[starts]
    pairs = kinds_of == BIGRAM
    following = np.where(kinds[starts + 1] == BIGRAM, codes[starts + 1], 0)
    tokens[pairs] = (tokens[pairs] << _SHIFT) | following[pairs]
    words = kinds_of == WORD
    ends = np.flatnonzero((kinds != WORD) & (before == WORD))
    tokens[words] = _word_tokens(codes, starts[words], ends)
    text_ends = np.cumsum([len(part) + 1 for part in parts])
    until = np.searchsorted(starts, text_ends)
    return TokenBatch(tokens=tokens, counts=np.diff(until, prepend=0))


def _word_tokens(codes: NDArray[np.uint32], starts: Numbers, ends: Numbers) -> Tokens:
    text = codes.tobytes().decode("utf-32-le")
    return np.fromiter(
        (_word_token(text[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)),
        np.uint64,
        len(starts),
    )


@lru_cache(maxsize=1 << 16)
def _word_token(word: str) -> int:
    digest = md5(word.encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest[8:], "little") >> 2) | _WORD_BIT


__all__ = ["SYMBOL", "TokenBatch", "tokenize"]
