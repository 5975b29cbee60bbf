"""Graceful shutdown: the first SIGINT or SIGTERM asks a run to stop, the next one ends it at once.

Signals within half a second are one request: GNU ``timeout`` and service managers signal both the
process and its group.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from flows.callbacks import Notify

SAME_REQUEST_SECONDS = 0.5

_requested_at: WeakKeyDictionary[threading.Event, float] = WeakKeyDictionary()
"""When a signal set each event. Two handlers, one inside the other, may share an event."""


@contextmanager
def graceful_shutdown(
    stop: threading.Event, notify: Notify, *, within: float | None = None, hangup: bool = False
) -> Iterator[None]:
    """Set ``stop`` at the first SIGINT or SIGTERM; raise KeyboardInterrupt at a later one.

    Args:
        stop: The event that the run checks.
        notify: Called at the first signal.
        within: Seconds after which the run is interrupted without a second signal.
        hangup: Handle SIGHUP too, unless it is ignored, as under ``nohup``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_late = threading.Event()
    timer = threading.Timer(within or 0.0, _interrupt, (is_late,))
    timer.daemon = True

    def handle(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if stop.is_set():
            if not is_late.is_set() and now < _requested_at.get(stop, -1.0) + SAME_REQUEST_SECONDS:
                return
            raise KeyboardInterrupt
        _requested_at[stop] = now
        stop.set()
        if within is not None and not timer.is_alive():  # a signal may interrupt this handler
            timer.start()
        notify("stopping after the current batch; press Ctrl-C again to stop at once")

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in numbers
    }
    try:
        yield
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(is_late: threading.Event) -> None:
    is_late.set()
    os.kill(os.getpid(), signal.SIGTERM)
