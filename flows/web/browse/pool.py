"""Connections to the current snapshot, shared by the requests of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from duckdb import DuckDBPyConnection

from warehouse import current_snapshot
from warehouse.care.snapshot import Snapshot
from warehouse.db import opened
from warehouse.duckdb_errors import translate_errors
from warehouse.location import Location
from warehouse.migrate import check_version

Result = TypeVar("Result")

LIMITS = {"memory_limit": "96MB", "threads": "2"}
"""Of DuckDB, for all requests together."""

MAX_READERS = 4


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection for one request, and the snapshot that it reads."""

    db: DuckDBPyConnection
    snapshot: Snapshot
    _remembered: dict[str, Any] = field(default_factory=dict)

    def remember(self, read: Callable[[DuckDBPyConnection], Result]) -> Result:
        """Return what a function reads; once only, because a snapshot never changes."""
        name = read.__qualname__
        if name not in self._remembered:
            self._remembered[name] = read(self.db)
        found: Result = self._remembered[name]
        return found


class SnapshotPool:
    """Reads the current snapshot; changes to a newer one between two requests.

    A request keeps the snapshot that it began with. A snapshot that was replaced is closed at the
    end of its last request, so that its file can be removed.
    """

    def __init__(self, link: Path, warehouse: Location) -> None:
        """Open no file yet.

        Args:
            link: The snapshot.
            warehouse: What it is a copy of; or the lake, in place of a snapshot.
        """
        self._link = link
        self._warehouse = warehouse
        self._turns = threading.BoundedSemaphore(MAX_READERS)
        self._opening = threading.Lock()
        self._mutex = threading.Lock()
        self._current: _Opened | None = None
        self._readers: set[DuckDBPyConnection] = set()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A connection to the current snapshot; at most ``MAX_READERS`` at once, the others wait.

        Raises:
            WarehouseMissing: No snapshot was published yet.
            WarehouseTooOld: An earlier copydesk published it.
            WarehouseError: It cannot be read.
        """
        with self._turns, self._lease() as used, used.db.cursor() as db:
            with self._mutex:
                self._readers.add(db)
            try:
                with translate_errors(used.snapshot.path):
                    db.execute("USE copydesk")
                    db.execute("SET TimeZone = 'UTC'")
                    yield Reader(db, used.snapshot, used.remembered)
            finally:
                with self._mutex:
                    self._readers.discard(db)

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that was read last; ``None`` if it cannot be read."""
        used = self._current
        return used.snapshot if used else None

    def refresh(self) -> None:
        """Open the current snapshot, unless it is open; close the one before.

        Raises:
            WarehouseError: As ``reader``.
        """
        with self._opening:
            try:
                snapshot = current_snapshot(self._link, of=self._warehouse)
                if self._current and self._current.snapshot.path == snapshot.path:
                    return
                fresh = _Opened(snapshot)
            except BaseException:
                self._replace(None)
                raise
            self._replace(fresh)

    def close(self) -> None:
        """Interrupt every request, and close the snapshot."""
        with self._mutex:
            for db in self._readers:
                db.interrupt()
        with self._opening:
            self._replace(None)

    @contextmanager
    def _lease(self) -> Iterator[_Opened]:
        """The current snapshot, which stays open inside the context."""
        used = None
        while used is None:  # it may be replaced, and closed, before it is marked as in use
            self.refresh()
            with self._mutex:
                used = self._current
                if used:
                    used.users += 1
        try:
            yield used
        finally:
            with self._mutex:
                used.users -= 1
                is_last = used is not self._current and not used.users
            if is_last:
                used.close()

    def _replace(self, fresh: _Opened | None) -> None:
        with self._mutex:
            before, self._current = self._current, fresh
            is_free = before is not None and not before.users
        if before and is_free:
            before.close()


class _Opened:
    """An open snapshot, and how many requests read it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.users = 0
        self.remembered: dict[str, Any] = {}
        with ExitStack() as stack:
            self.db = stack.enter_context(opened(snapshot.path, LIMITS))
            check_version(self.db, snapshot.path)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()
