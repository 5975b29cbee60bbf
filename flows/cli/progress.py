"""Progress of a command: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flows.callbacks import Notify, OnProgress, no_progress
from flows.cli.console import Console
from flows.text import humanize_duration, pluralize

LINE_SECONDS = 30.0
LINES = 10
MAX_SOURCES = 20
"""Of more sources, the progress is shown for the first ones."""


@contextmanager
def show_progress(console: Console) -> Iterator[OnProgress]:
    """A callback ``(source, done, total)`` that shows the progress of each source on stderr."""
    if console.verbosity < 0:
        yield no_progress
    elif console.is_terminal:
        with _bars() as on_progress:
            yield on_progress
    else:
        lines = ProgressLines(console.notify)
        try:
            yield lines.advance
        finally:
            lines.end()


@contextmanager
def _bars() -> Iterator[OnProgress]:
    from rich import progress
    from rich.console import Console as Terminal

    columns = (
        progress.TextColumn("{task.description:<16}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    tasks: dict[str, progress.TaskID] = {}
    with progress.Progress(*columns, console=Terminal(stderr=True), transient=True) as bars:

        def on_progress(source: str, done: int, total: int) -> None:
            if source not in tasks:
                if len(tasks) >= MAX_SOURCES:
                    return
                tasks[source] = bars.add_task(source)
            bars.update(tasks[source], completed=done, total=total)

        yield on_progress


class ProgressLines:
    """Log lines of progress: the first at once, the last, and at most ten between them.

    Args:
        notify: Writes one line.
        clock: Monotonic seconds.
    """

    def __init__(self, notify: Notify, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._notify = notify
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}
        self._last: dict[str, tuple[int, int]] = {}
        self._logged: dict[str, tuple[float, int, int]] = {}
        self._others: set[str] = set()

    def advance(self, source: str, done: int, total: int) -> None:
        """Log the progress of a source, if 30 seconds and a tenth of its entries have passed."""
        if source not in self._first and len(self._first) >= MAX_SOURCES:
            self._others.add(source)
            return
        now = self._clock()
        self._first.setdefault(source, (now, done))
        self._last[source] = done, total
        if not total:
            return
        logged_at, logged, _ = self._logged.get(source, (-LINE_SECONDS, -total, 0))
        if now - logged_at >= LINE_SECONDS and (done >= total or (done - logged) * LINES >= total):
            self._log(source, now)

    def end(self) -> None:
        """Log the last progress of each source, unless it is logged already."""
        for source, (done, total) in self._last.items():
            if total and self._logged[source][1:] != (done, total):
                self._log(source, self._clock())
        if self._others:
            self._notify(f"and {pluralize(len(self._others), 'other source')}")

    def _log(self, source: str, now: float) -> None:
        done, total = self._last[source]
        self._logged[source] = now, done, total
        started_at, first = self._first[source]
        line = f"{source}: {done} of {total}"
        if done > first and now > started_at:
            rate = (done - first) / (now - started_at)
            line += f", {rate:.1f} a second"
            if done < total:
                line += f", {humanize_duration((total - done) / rate)} left"
        self._notify(line)
