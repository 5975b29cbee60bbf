"""The slug of a medium, spelled as the existing finews site spells it."""

from __future__ import annotations

from functools import cache
from typing import Any


def category_slug(medium: str) -> str:
    """A medium's name in pinyin without tones or hyphens.

    Characters that are not Han pass through, spaces and ``·`` among them, because
    the published category pages have them (SOURCES.md 1.3).
    """
    return str(_pinyin().get_pinyin(medium)).replace("-", "")


@cache
def _pinyin() -> Any:
    # Reading its dictionary takes a tenth of a second: only who needs it pays.
    from xpinyin import Pinyin

    return Pinyin()
