"""What ``copydesk serve`` tells: what is served and where, and what went wrong in one line."""

from __future__ import annotations

from collections.abc import Sequence

from flows.serving.deployments import Registered
from flows.serving.place import Served


def why(error: BaseException | None) -> str:
    """An error in one line, the innermost of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0] if error else "nobody knows why"


def announcement(served: Served, registered: Sequence[Registered]) -> str:
    """What is served, where to look, what can be asked for."""
    width = max(len(one.name) for one in registered)
    timed = [
        f"  {one.name:<{width}}  {one.when}{', paused in the UI' if one.is_paused else ''}"
        for one in registered
        if one.when
    ]
    other = [one.name for one in registered if not one.when]
    return "\n".join(
        [
            f"Prefect UI: {served.ui_url}",
            "on schedule:" if timed else "on schedule: nothing (no source has a schedule)",
            *timed,
            f"on demand, in the UI or with `prefect deployment run NAME`: {', '.join(other)}",
            "Ctrl-C ends everything; started again, it goes on",
        ]
    )
