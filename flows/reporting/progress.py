"""The progress artifact of a long run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.reporting.artifacts import SERVER_ERRORS

UPDATE_SECONDS = 2.0


class LiveProgress:
    """One progress artifact of the current flow run.

    Args:
        key: Small letters, digits and dashes.
        title: What progresses.
        clock: Monotonic seconds.
    """

    def __init__(
        self, key: str, title: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = key
        self._title = title
        self._clock = clock
        self._id: UUID | None = None
        self._next_at = 0.0

    def show(self, done: int, total: int, *, is_last: bool = False) -> None:
        """Update the artifact, at most every two seconds and at the end."""
        now = self._clock()
        if now < self._next_at and not is_last:
            return
        self._next_at = now + UPDATE_SECONDS
        percent = 100.0 * done / total if total else 100.0 if is_last else 0.0
        text = f"{self._title}: {done} of {total}"
        with suppress(*SERVER_ERRORS):
            if self._id is None:
                made: Any = create_progress_artifact(percent, key=self._key, description=text)
                self._id = made
            else:
                update_progress_artifact(self._id, progress=percent, description=text)
