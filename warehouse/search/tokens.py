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

from warehouse.search.characters import BIGRAM, LAST, WORD, Codes, classes, fold

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
    codes, kinds, text_ends = _characters(texts)
    before = np.concatenate([np.zeros(1, np.uint8), kinds[:-1]])
    starts = np.flatnonzero((kinds != 0) & ((kinds != WORD) | (before != WORD)))
    tokens = codes[starts].astype(np.uint64)
    kinds_of = kinds[starts]
    following = np.where(kinds[starts + 1] == BIGRAM, codes[starts + 1], 0)
    np.copyto(tokens, (tokens << _SHIFT) | following, where=kinds_of == BIGRAM)
    if (words := kinds_of == WORD).any():
        tokens[words] = _word_tokens(codes, kinds, before)
    until = np.searchsorted(starts, text_ends)
    return TokenBatch(tokens=tokens, counts=np.diff(until, prepend=0))


def _characters(texts: Sequence[str]) -> tuple[Codes, NDArray[np.uint8], Numbers]:
    """Return the folded characters of all texts, the class of each, and where each text ends.

    A character without a class follows each text, and two follow the last.
    """
    raw = np.frombuffer(("\n".join(texts) + "\n\n").encode("utf-32-le"), np.uint32)
    text_ends = np.cumsum([len(text) + 1 for text in texts])
    folded = fold(raw)
    if len(kept := np.flatnonzero(folded <= LAST)) < len(folded):
        folded, text_ends = folded[kept], np.searchsorted(kept, text_ends)
    return folded, classes(folded), text_ends


def _word_tokens(codes: Codes, kinds: NDArray[np.uint8], before: NDArray[np.uint8]) -> Tokens:
    in_word = kinds == WORD
    spaced = np.where(in_word, codes, ord(" "))[in_word | (before == WORD)]
    words = spaced.tobytes().decode("utf-32-le").split()
    return np.fromiter(map(_word_token, words), np.uint64, len(words))


@lru_cache(maxsize=1 << 16)
def _word_token(word: str) -> int:
    digest = md5(word.encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest[8:], "little") >> 2) | _WORD_BIT
