"""One connection to the warehouse for the threads of a run, opened for moments."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from duckdb import DuckDBPyConnection

MAX_OPEN_SECONDS = 1.0
"""The warehouse is open for this long at most without a pause for other processes."""

PAUSE_SECONDS = 0.1
"""A pause that other processes notice: they look for the warehouse every 0.05 seconds."""


class SharedConnection:
    """Opens the warehouse for one thread at a time, and closes it when no other thread waits.

    To open it costs as much CPU as many small queries. To keep it open would exclude other
    processes.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[DuckDBPyConnection]]) -> None:
        self._connect = connect
        self._turn = threading.RLock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._opened = ExitStack()
        self._db: DuckDBPyConnection | None = None
        self._closed_at = self._busy_since = -math.inf

    @contextmanager
    def use(self) -> Iterator[DuckDBPyConnection]:
        """The connection; other threads of the run wait until the block ends.

        A block inside another one of its thread uses the same connection.

        Raises:
            WarehouseError: It cannot be opened.
        """
        with (
            self._next_turn(),
            # An error inside closes the connection: nothing of a failed block is left in it.
            self._opened.pop_all() as opened,
        ):
            if self._db is None:
                self._pause()
                opened.callback(self._forget)
                self._db = opened.enter_context(self._connect())
            yield self._db
            is_due = time.monotonic() - self._busy_since > MAX_OPEN_SECONDS
            if self._waiting and not is_due:
                self._opened = opened.pop_all()

    @contextmanager
    def _next_turn(self) -> Iterator[None]:
        with self._counting:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def _pause(self) -> None:
        """Wait for the end of a pause, if the warehouse was open for long without one."""
        began = time.monotonic()
        rest = self._closed_at + PAUSE_SECONDS - began
        if rest > 0 and began - self._busy_since <= MAX_OPEN_SECONDS:
            return
        if rest > 0:
            time.sleep(rest)
        self._busy_since = time.monotonic()

    def _forget(self) -> None:
        self._db = None
        self._closed_at = time.monotonic()
