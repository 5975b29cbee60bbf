"""Ctrl-C and SIGTERM: the first asks to end in order, the next one ends at once.

So does a terminal that is closed (SIGHUP), for those who ask for it, unless it is ignored,
as under ``nohup``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from flows.progress import Say


@contextmanager
def stopping_on_signals(
    stop: threading.Event, say: Say, *, within: float | None = None, hangup: bool = False
) -> Iterator[None]:
    """The first SIGINT or SIGTERM sets ``stop``; the next one interrupts at once.

    Args:
        stop: Looked at by what is under way.
        say: Told about the first one.
        within: Seconds after which the next one comes by itself.
        hangup: SIGHUP is one, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    late: threading.Timer | None = None
    if within is not None:
        late = threading.Timer(within, os.kill, (os.getpid(), signal.SIGTERM))
        late.daemon = True

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if late is not None:
            late.start()
        say("stopping after what is under way; once more to stop at once")

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
