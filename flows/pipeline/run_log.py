"""The log of a run: the logger ``copydesk``, and the time that steps take.

``PREFECT_LOGGING_EXTRA_LOGGERS=copydesk`` shows it with the run in the Prefect UI. Prefect sets
no level there, and the level of the root logger would drop every line.
"""

from __future__ import annotations

import logging
import time

from parsers.text.characters import single_line

logger = logging.getLogger("copydesk")
logger.setLevel(logging.INFO)


def _in_one_line(record: logging.LogRecord) -> bool:
    """Escape what acts on a terminal: messages quote pages, addresses and errors of others."""
    record.msg, record.args = single_line(record.getMessage()), None
    return True


logger.addFilter(_in_one_line)


class Stopwatch:
    """Seconds since the last lap, by a clock that never goes back."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Seconds since the last lap, or since the start."""
        before, self._last = self._last, time.monotonic()
        return self._last - before
