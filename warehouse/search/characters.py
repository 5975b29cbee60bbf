"""Character classes and folding of the search index, one table for Python and for SQL.

The classes are ranges of code points, because the Unicode tables of Python and DuckDB differ by
version. Folding replaces one character by one, or deletes it, as DuckDB's ``translate`` does.
A change needs a migration that makes the macro again and empties the index.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[np.uint32]

BIGRAM, WORD, SYMBOL = 1, 2, 3

# Scripts without spaces between words: a token is two neighbouring characters.
BIGRAM_RANGES = (
    (0x0E01, 0x0E3A), (0x0E40, 0x0E4E), (0x0E80, 0x0ECE), (0x0F40, 0x0FBC), (0x1000, 0x109F),
    (0x1780, 0x17D3), (0x2E80, 0x2FD5), (0x3005, 0x3007), (0x3041, 0x3096), (0x309D, 0x309F),
    (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x3105, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0x20000, 0x323AF),
)  # fmt: skip

# Letters and digits of other scripts, after folding: a token is a run of them.
WORD_RANGES = (
    (0x0030, 0x0039), (0x0061, 0x007A), (0x00DF, 0x00F6), (0x00F8, 0x02AF), (0x0370, 0x0373),
    (0x0376, 0x0377), (0x037B, 0x037D), (0x037F, 0x0383), (0x0388, 0x0481), (0x048A, 0x0559),
    (0x0560, 0x0588), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05F2), (0x0610, 0x061A),
    (0x0620, 0x0669), (0x066E, 0x06D3), (0x06D5, 0x06FF), (0x0710, 0x085B), (0x08A0, 0x0963),
    (0x0966, 0x0DF3), (0x10A0, 0x10FA), (0x10FC, 0x135F), (0x1369, 0x166C), (0x166F, 0x167F),
    (0x1681, 0x169A), (0x16A0, 0x16EA), (0x1700, 0x1734), (0x1810, 0x1FFF), (0x2150, 0x218F),
    (0x2C00, 0x2DFF), (0xA4D0, 0xA4FD), (0xA500, 0xA60C), (0xA610, 0xA6F1), (0xA717, 0xABFF),
    (0xFB00, 0xFDFB), (0xFE70, 0xFEFC), (0x10280, 0x1EFFF),
)  # fmt: skip

# Characters with a meaning of their own in news: C++, 3 %, AT&T, $5, and pictographs.
SYMBOL_RANGES = (
    (0x0023, 0x0026), (0x002B, 0x002B), (0x0040, 0x0040), (0x00A3, 0x00A3), (0x00A5, 0x00A5),
    (0x20AC, 0x20AC), (0x2600, 0x27BF), (0x1F000, 0x1FAFF),
)  # fmt: skip

LAST = 0x10FFFF
_DELETED = LAST + 1


@cache
def folding() -> tuple[str, str]:
    """Return the characters to fold, and what replaces them; those beyond the end are deleted.

    Width, case, accents and compatibility forms are of Unicode, simplified characters of OpenCC
    (t2s, Apache-2.0).
    """
    text = (resources.files("warehouse.search") / "folding.txt").read_text(encoding="utf-8")
    sources, targets, _ = text.split("\n")
    return sources, targets


def fold(codes: Codes) -> Codes:
    """Return folded code points; those that folding deletes are beyond ``LAST``."""
    folded: Codes = _fold_table()[codes]
    return folded


def classes(codes: Codes) -> NDArray[np.uint8]:
    """Return the class of each code point; 0 separates tokens."""
    found: NDArray[np.uint8] = _class_table()[codes]
    return found


def regex_class(ranges: tuple[tuple[int, int], ...]) -> str:
    """Return some ranges for a bracket expression of RE2."""
    return "".join(
        rf"\x{{{first:X}}}" + (rf"-\x{{{last:X}}}" if last > first else "")
        for first, last in ranges
    )


@cache
def _fold_table() -> Codes:
    sources, targets = folding()
    table = np.arange(LAST + 1, dtype=np.uint32)
    table[_codes(sources)] = _DELETED
    table[_codes(sources)[: len(targets)]] = _codes(targets)
    return table


@cache
def _class_table() -> NDArray[np.uint8]:
    table = np.zeros(LAST + 1, np.uint8)
    for kind, ranges in (
        (BIGRAM, BIGRAM_RANGES),
        (WORD, WORD_RANGES),
        (SYMBOL, SYMBOL_RANGES),
    ):
        for first, last in ranges:
            table[first : last + 1] = kind
    return table


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)
