"""What a run shows on its page in Prefect's UI: live progress, and its result as a table.

Progress is told seldom enough to cost nothing. What cannot be shown, because the server is
down, is no reason to end a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException

from flows.reporting.markdown import bullet_list
from flows.text import humanize_duration

SERVER_ERRORS = (httpx.HTTPError, PrefectException, OSError, RuntimeError)
"""What a server that is down, or too new, or too old, answers with."""

EVERY_SECONDS = 2.0


class LiveProgress:
    """One progress artifact of the flow run that is under way.

    Args:
        key: The artifact's key: small letters, digits and dashes.
        words: What is progressing.
        clock: Seconds that never go back.
    """

    def __init__(
        self, key: str, words: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = key
        self._words = words
        self._clock = clock
        self._artifact: UUID | None = None
        self._next = 0.0
        self._started = clock()
        self._first: int | None = None
        self.updates = 0

    def show(self, done: int, total: int, *, is_last: bool = False) -> None:
        """Say how far it is; at most every two seconds, but always at the end."""
        if self._first is None:
            self._first = done
        now = self._clock()
        if now < self._next and not is_last:
            return
        self._next = now + EVERY_SECONDS
        percent = 100.0 if is_last and done >= total else 100.0 * done / total if total else 0.0
        words = f"{self._words}: {done} of {total}{self._rate(done, total, now)}"
        with suppress(*SERVER_ERRORS):
            self._write(percent, words)
            self.updates += 1

    def _rate(self, done: int, total: int, now: float) -> str:
        seconds, fresh = now - self._started, done - (self._first or 0)
        if seconds <= 0 or fresh <= 0:
            return ""
        rate = f", {fresh / seconds:.1f} a second"
        return (
            rate
            if done >= total
            else f"{rate}, about {humanize_duration((total - done) * seconds / fresh)} left"
        )

    def _write(self, percent: float, words: str) -> None:
        if self._artifact is None:
            made: Any = create_progress_artifact(progress=percent, key=self._key, description=words)
            self._artifact = made
        else:
            update_progress_artifact(self._artifact, progress=percent, description=words)


def create_result_table(
    key: str, table: list[dict[str, Any]], words: str, lines: Iterable[str]
) -> None:
    """Show the result of a run: a table, and what else is worth knowing below it."""
    text = words + "\n\n" + bullet_list(lines)
    with suppress(*SERVER_ERRORS):
        create_table_artifact(key=key, table=table, description=text)
