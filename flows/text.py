"""Numbers and durations as text, and the text that names copydesk to a server."""

from __future__ import annotations

PRODUCT = "copydesk/0.2"
DEFAULT_USER_AGENT = f"{PRODUCT} (+https://example.org/contact)"


def pluralize(count: int, singular: str, plural: str = "") -> str:
    """A number and its noun: ``1 page``, ``2 pages``. An irregular plural is an argument."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def humanize_duration(seconds: float) -> str:
    """A duration in its largest useful unit: 45 seconds, 12 minutes, 3.5 hours."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
