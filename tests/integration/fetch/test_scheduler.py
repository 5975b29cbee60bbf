"""The threads of the scheduler are woken only when they have work."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from flows.fetch.scheduler import FetchScheduler

SLOTS, WORKERS, PAGES = 4, 16, 400


class OneHost:
    """A host with some slots; counts the requests for a slot when all were taken."""

    def __init__(self) -> None:
        self.free = SLOTS
        self.refused = 0
        self._lock = threading.Lock()

    def acquire(self, _key):
        with self._lock:
            if not self.free:
                self.refused += 1
                return None
            self.free -= 1
            return 0.0

    def available(self, _key):
        return 0.0 if self.free else None

    def begin(self, number):
        return SimpleNamespace(key="host", number=number)

    def step(self, state):
        time.sleep(0.002)
        with self._lock:
            self.free += 1
        return state


def test_thread_is_not_woken_for_a_host_that_takes_no_more() -> None:
    host = OneHost()
    scheduler = FetchScheduler(
        range(PAGES),
        handler=host,
        throttle=host,
        clock=lambda: 0.0,  # a host that was full is not looked at again by the clock
        halt=threading.Event(),
        cancel=lambda threads: None,
        workers=WORKERS,
    )

    done = list(scheduler.run())

    assert sorted(state.number for state in done) == list(range(PAGES))
    assert host.free == SLOTS
    assert host.refused < PAGES / 10, "each takes the other threads' time"
