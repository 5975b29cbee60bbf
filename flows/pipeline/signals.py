"""Ctrl-C and SIGTERM: the first asks to end in order, the next one ends at once.

So does a terminal that is closed (SIGHUP), for those who ask for it, unless it is ignored,
as under ``nohup``.

Signals within half a second of the first are the same request: GNU ``timeout`` and service
managers signal a process and its group, which the process is in, too. Half a second and not
more, for a person who presses Ctrl-C twice means it; once more is enough in any case.
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

_asked_at: WeakKeyDictionary[threading.Event, float] = WeakKeyDictionary()
"""When each was set by a signal: the next may be heard by another handler for the same one."""


@contextmanager
def graceful_shutdown(
    stop: threading.Event, notify: Notify, *, within: float | None = None, hangup: bool = False
) -> Iterator[None]:
    """The first SIGINT or SIGTERM sets ``stop``; a later one interrupts at once.

    Args:
        stop: Looked at by what is under way.
        notify: Told about the first one.
        within: Seconds after which the next one comes by itself.
        hangup: SIGHUP is one, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_late = threading.Event()
    late: threading.Timer | None = None
    if within is not None:
        late = threading.Timer(within, _end_late, (is_late,))
        late.daemon = True

    def handle(_number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if stop.is_set():
            if not is_late.is_set() and now < _asked_at.get(stop, -1.0) + SAME_REQUEST_SECONDS:
                return
            raise KeyboardInterrupt
        _asked_at[stop] = now
        stop.set()
        if late is not None and not late.is_alive():  # a signal may come into this one
            late.start()
        notify("stopping after what is under way; once more to stop at once")

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in numbers
    }
    try:
        yield
    finally:
        if late is not None:
            late.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_late(is_late: threading.Event) -> None:
    is_late.set()
    os.kill(os.getpid(), signal.SIGTERM)
