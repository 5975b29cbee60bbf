"""Progress: a bar for each source on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.cli.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from flows.progress import Advance


@contextmanager
def showing_progress(console: Console) -> Iterator[Advance]:
    """A callback ``(source, done, total)`` that shows how far each source is."""
    if console.verbosity < 0:
        yield lambda _source, _done, _total: None
    elif console.is_terminal:
        with _bars() as progress:
            yield _Bars(progress).advance
    else:
        yield _Lines(console).advance


def _bars() -> Progress:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Terminal(stderr=True),
        transient=True,
    )


class _Bars:
    """One bar a source."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def advance(self, source: str, done: int, total: int) -> None:
        if source not in self._tasks:
            self._tasks[source] = self._progress.add_task(source, total=total)
        self._progress.update(self._tasks[source], completed=done, total=total)


class _Lines:
    """One line a source and stored batch."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def advance(self, source: str, done: int, total: int) -> None:
        self._console.note(f"{source}: {done} of {total}")
