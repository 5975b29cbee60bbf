"""Progress of runs: a bar with rate and remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.console import Console
from flows.text import humanize_duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from flows.callbacks import OnProgress

WINDOW_SECONDS = 30.0
"""The rate is that of the last so many seconds: what a resumed run passes over at once says
nothing about the rest."""

EVERY_SECONDS = 30.0
STEPS = 10


@contextmanager
def showing_progress(console: Console) -> Iterator[OnProgress]:
    """A callback ``(source, done, total)`` that shows how far each source is, and how fast."""
    if console.verbosity < 0:
        yield lambda _source, _done, _total: None
    elif console.is_terminal:
        with _bars() as progress:
            yield _Bars(progress).advance
    else:
        lines = RateLines(console.note)
        try:
            yield lines.advance
        finally:
            lines.end()


def _bars() -> Progress:
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>10}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=Terminal(stderr=True),
        transient=True,
    )


class _Bars:
    """One bar a source."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._rates: dict[str, Rate] = {}

    def advance(self, source: str, done: int, total: int) -> None:
        if source not in self._tasks:
            self._tasks[source] = self._progress.add_task(
                source, total=total, completed=done, rate="", left=""
            )
            self._rates[source] = Rate(done)
        per_second, left = self._rates[source].at(done, total)
        self._progress.update(
            self._tasks[source],
            completed=done,
            total=total,
            rate=f"{per_second:.1f}/s" if per_second else "",
            left=f"{_clock(left)} left" if left is not None else "",
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Rate:
    """How fast a run is; what was done before it began is no part of that.

    Args:
        first: What was done before.
        clock: Seconds that never go back.
    """

    def __init__(self, first: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps = deque([(clock(), first)])

    def at(self, done: int, total: int) -> tuple[float, float | None]:
        """How many a second, and how many seconds are left; 0 and ``None`` while unknown."""
        now = self._clock()
        while len(self._steps) > 1 and self._steps[1][0] <= now - WINDOW_SECONDS:
            self._steps.popleft()
        began, first = self._steps[0]
        self._steps.append((now, done))
        seconds, fresh = now - began, done - first
        if seconds <= 0 or fresh <= 0:
            return 0.0, None
        per_second = fresh / seconds
        return per_second, (total - done) / per_second


class RateLines:
    """Lines for logs: the first at once, the last, and between them few.

    A source is told of again when ``EVERY_SECONDS`` have passed and a ``STEPS``th of all is
    done since, whichever takes longer.
    """

    def __init__(
        self, notify: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say = notify
        self._clock = clock
        self._rates: dict[str, Rate] = {}
        self._said: dict[str, tuple[float, int, int]] = {}
        self._last: dict[str, tuple[int, int, str]] = {}

    def advance(self, source: str, done: int, total: int) -> None:
        """Say how far a source is, if it is time to."""
        if source not in self._rates:
            self._rates[source] = Rate(done, clock=self._clock)
        per_second, left = self._rates[source].at(done, total)
        how = f", {per_second:.1f} a second" if per_second else ""
        if left:
            how += f", {humanize_duration(left)} left"
        self._last[source] = done, total, how
        if self._is_due(source, done, total):
            self._tell(source)

    def end(self) -> None:
        """Say how far each source came that had something to do, where that was not said."""
        for source, (done, total, _) in self._last.items():
            if total and self._said[source][1:] != (done, total):
                self._tell(source)

    def _is_due(self, source: str, done: int, total: int) -> bool:
        if source not in self._said:
            return total > 0  # before, nobody knows what there is to do
        at, before, _ = self._said[source]
        is_far = (done - before) * STEPS >= total or done >= total
        return self._clock() - at >= EVERY_SECONDS and is_far

    def _tell(self, source: str) -> None:
        done, total, how = self._last[source]
        self._said[source] = self._clock(), done, total
        self._say(f"{source}: {done} of {total}{how}")
