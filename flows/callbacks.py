"""Callbacks of a run: progress and messages."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, int, int], None]
"""Called with a source, how many of its entries are done, and how many there are."""

Notify = Callable[[str], None]
"""Called with a one-line message to the person who started the run."""


def no_progress(_source: str, _done: int, _total: int) -> None:
    """Ignore progress."""
