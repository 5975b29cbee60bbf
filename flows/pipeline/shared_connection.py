"""One connection to the warehouse for the threads of a run, opened for moments."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from duckdb import DuckDBPyConnection

MAX_OPEN_SECONDS = 1.0
"""Our threads hand the open warehouse on for this long at most; then others get a turn."""

PAUSE_SECONDS = 0.1
"""How long they leave it closed then: other processes look for it every 0.05 seconds."""


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
        self._opened_at = 0.0

    @contextmanager
    def use(self) -> Iterator[DuckDBPyConnection]:
        """The connection; other threads of the run wait until the block ends.

        A block inside another one of its thread uses the same connection.

        Raises:
            WarehouseError: It cannot be opened.
        """
        with self._next_turn():
            # An error inside closes the connection: nothing of a failed block is left in it.
            with self._opened.pop_all() as opened:
                if self._db is None:
                    self._db = opened.enter_context(self._connect())
                    opened.callback(self._forget)
                    self._opened_at = time.monotonic()
                yield self._db
                is_due = time.monotonic() - self._opened_at > MAX_OPEN_SECONDS
                if self._waiting and not is_due:
                    self._opened = opened.pop_all()
            if is_due:
                self._pause()

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
        """Leave the warehouse closed for other processes, where it is closed and threads wait."""
        if self._db is None and self._waiting:
            time.sleep(PAUSE_SECONDS)

    def _forget(self) -> None:
        self._db = None
