r"""Characters that must not reach a terminal, a database or a reader."""

from __future__ import annotations

import re

# Control characters (terminal commands begin with one), characters that reverse the
# direction of a line, line separators, and half surrogates, which no output can encode.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# What XML and databases refuse: control characters except tab and line ends, half
# surrogates, noncharacters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Also characters without width: soft hyphen, zero-width space, word joiner, byte order mark.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)

_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BINARY_CHARACTERS = tuple(chr(one) for one in range(32) if _BINARY.match(chr(one)))
_BINARY_START, _BINARY_SHARE, _BINARY_COUNT = 20_000, 0.01, 8

_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def is_binary(text: str) -> bool:
    """Whether a decoded body is no text: one in a hundred characters is a control character.

    A tenth of compressed data are control characters, whatever it is decoded with.
    """
    start = text[:_BINARY_START]
    if not any(one in start for one in _BINARY_CHARACTERS):  # far faster than the pattern
        return False
    count = len(_BINARY.findall(start))
    return count >= _BINARY_COUNT and count >= _BINARY_SHARE * len(start)


def escape_controls(text: str) -> str:
    r"""Escape characters that could act on a terminal as ``\u001b``; keep tabs and line feeds."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def single_line(text: str) -> str:
    r"""Escape the same characters, tabs and line feeds: stored text never forges a line."""
    return escape_controls(text).replace("\n", "\\n").replace("\t", "\\t")


def printable(text: str) -> str:
    """Remove the characters that XML and databases refuse."""
    return _FORBIDDEN.sub("", text)


def visible(text: str) -> str:
    """Remove the characters that a reader cannot see or a database cannot store."""
    # Form feed and next line are control characters that separate words, also in <pre>.
    return _INVISIBLE.sub("", text).replace("\x0c", " ").replace("\x85", " ")


def display_line(text: str) -> str:
    """Text on one line, white space collapsed.

    Control characters are removed, and so are those that change the direction of a text: they
    can show another text than the one that is stored. A reader finds the direction itself.
    """
    return " ".join(_DIRECTIONS.sub("", visible(text)).split())
