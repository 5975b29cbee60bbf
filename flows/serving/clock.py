"""Whether the system's clock was set back: schedules then wait for a time that was already.

Prefect makes each scheduled run once. After the clock was set back by a day, those of the
day to come exist and are over, and nothing would run until the day has passed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

NOTICED_SECONDS = 60.0


class Clock:
    """Compares the clock on the wall with one that never goes back.

    Args:
        wall: Seconds since the epoch.
        steady: Seconds that never go back.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._seen = (wall(), steady())

    def went_back(self) -> float:
        """By how many seconds since the last look; 0 when it did not, or hardly.

        A clock that goes forward needs nobody: of the runs that are late then, one stands
        for all.
        """
        before, self._seen = self._seen, (self._wall(), self._steady())
        behind = (self._seen[1] - before[1]) - (self._seen[0] - before[0])
        return behind if behind > NOTICED_SECONDS else 0.0
