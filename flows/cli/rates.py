"""Progress of long runs: a bar with rate and remaining time, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from flows.progress import Advance


@contextmanager
def showing_rate(console: Console) -> Iterator[Advance]:
    """A callback ``(source, done, total)`` that shows how far a long run is, and how fast."""
    if console.verbosity < 0:
        yield lambda _source, _done, _total: None
    elif console.is_terminal:
        with _bars() as progress:
            yield _Bars(progress).advance
    else:
        yield RateLines(console.note).advance


def _bars() -> Progress:
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>10}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Terminal(stderr=True),
        transient=True,
    )


class _Bars:
    """One bar a source; what an earlier run did is no part of the rate."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._rates: dict[str, Rate] = {}

    def advance(self, source: str, done: int, total: int) -> None:
        if source not in self._tasks:
            self._tasks[source] = self._progress.add_task(
                source, total=total, completed=done, rate=""
            )
            self._rates[source] = Rate(done)
        per_second, _ = self._rates[source].at(done, total)
        self._progress.update(
            self._tasks[source],
            completed=done,
            total=total,
            rate=f"{per_second:.1f}/s" if per_second else "",
        )


class Rate:
    """How fast a run is, counted from where it began.

    Args:
        first: What was done before.
        clock: Seconds that never go back.
    """

    def __init__(self, first: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._clock = clock
        self._started = clock()

    def at(self, done: int, total: int) -> tuple[float, float | None]:
        """How many a second, and how many seconds are left; 0 and ``None`` while unknown."""
        seconds, fresh = self._clock() - self._started, done - self._first
        if seconds <= 0 or fresh <= 0:
            return 0.0, None
        per_second = fresh / seconds
        return per_second, (total - done) / per_second


class RateLines:
    """One line a source and piece, for logs."""

    def __init__(
        self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = say
        self._clock = clock
        self._rates: dict[str, Rate] = {}

    def advance(self, source: str, done: int, total: int) -> None:
        """Say how far a source is."""
        if source not in self._rates:
            self._rates[source] = Rate(done, clock=self._clock)
        per_second, left = self._rates[source].at(done, total)
        how = f", {per_second:.1f} a second, {left:.0f} seconds left" if left is not None else ""
        self._say(f"{source}: {done} of {total}{how}")
