"""Numbers in words."""

from __future__ import annotations


def pluralize(count: int, one: str, several: str = "") -> str:
    """A number and its noun: ``1 page``, ``2 pages``; an irregular plural is given."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def humanize_duration(seconds: float) -> str:
    """A time that is left, as people say it: 45 seconds, 12 minutes, 3.5 hours."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
