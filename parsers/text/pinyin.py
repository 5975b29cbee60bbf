"""Category slugs of finews: the name of a medium in pinyin."""

from __future__ import annotations

from functools import cache
from typing import Any


def category_slug(medium: str) -> str:
    """Return a medium's name in pinyin without tones or hyphens.

    Other characters are kept, also spaces and ``·``, as on the published category pages.
    """
    return str(_pinyin().get_pinyin(medium)).replace("-", "")


@cache
def _pinyin() -> Any:
    # Loading its dictionary takes 0.1 s.
    from xpinyin import Pinyin

    return Pinyin()
