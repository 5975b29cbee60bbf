"""The log of a run, as Prefect keeps it beside the run: a line is a third of a kilobyte there."""

from __future__ import annotations

import time

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger


def log(words: str) -> None:
    """A line in the run's log; nothing where Prefect has no part in the run."""
    try:
        get_run_logger().info(words)
    except MissingContextError:
        return


class Clock:
    """Seconds since the last look, that never go back."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap, or the beginning."""
        before, self._last = self._last, time.monotonic()
        return self._last - before
