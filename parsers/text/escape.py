r"""Foreign words that can be shown: nothing in them steers a terminal or forges an order.

Pages, feeds and addresses say what they like, and messages quote them. Written out as
``\u001b`` instead of acting are: control characters (a terminal's commands begin with
one), what reverses the direction of the rest of a line, separators that some viewers
take for a line end, and half surrogates, which no output can encode.
"""

from __future__ import annotations

import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escape_controls(words: str) -> str:
    """The words with what could act written out; tabs and line feeds stay."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", words)
