"""How a run tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, int, int], None]
"""Called with a source, how many of its entries are done, and how many there are."""

Notify = Callable[[str], None]
"""Called with one line of words for the person at the keyboard."""


def no_progress(_source: str, _done: int, _total: int) -> None:
    """Tell nobody."""
