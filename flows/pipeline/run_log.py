"""The log of a run: the logger ``copydesk``, and the time that steps take.

``PREFECT_LOGGING_EXTRA_LOGGERS=copydesk`` shows it with the run in the Prefect UI.
"""

from __future__ import annotations

import logging
import time

logger = logging.getLogger("copydesk")


class Stopwatch:
    """Seconds since the last lap, by a clock that never goes back."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap, or since the start."""
        before, self._last = self._last, time.monotonic()
        return self._last - before
