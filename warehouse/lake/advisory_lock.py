"""Locks of a lake: advisory locks of PostgreSQL, which end with the connection that holds them.

All locks of a process in one database share a connection. It is the heartbeat: when it is lost,
PostgreSQL frees the locks, and ``check`` refuses every commit of this process until their holders
have ended. A killed process and a vanished machine leave nothing to clean up.

A table names the owners, for messages. Its row counts only while PostgreSQL has the lock.

A process that waits holds a second lock meanwhile, the queue. So a process that releases and
acquires again and again gets its lock only after the one that waits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from warehouse.errors import LockLost, WarehouseError
from warehouse.lake import postgres

if TYPE_CHECKING:
    from psycopg import Connection

TABLE = "public.copydesk_locks"
_CREATION = 4_915_107_250  # any number that is no other lock's

_HELD = f"""
    FROM {TABLE} t JOIN pg_locks l
      ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = t.backend
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.classid = ((t.key >> 32) & 4294967295)::oid AND l.objid = (t.key & 4294967295)::oid
"""  # noqa: S608
# Two processes that create one table at once get an error of PostgreSQL's own tables.
_CREATE = f"""
    DO $$ BEGIN
        PERFORM pg_advisory_xact_lock({_CREATION});
        CREATE TABLE IF NOT EXISTS {TABLE} (
            key bigint PRIMARY KEY, name text NOT NULL, backend integer NOT NULL,
            owner jsonb NOT NULL);
    END $$
"""
_OWN_LOCKS = """
    SELECT classid::bigint, objid::bigint FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A lock and the owner that its holder wrote."""

    name: str
    owner: dict[str, Any]


class AdvisoryLock:
    """One lock, tried by ``try_acquire`` and held until the end of ``opened``."""

    def __init__(self, session: _Session, name: str) -> None:
        self._session = session
        self._name = name
        self._key = _key(name)
        self._queue = _key(f"{name}\0queue")
        self._has = dict.fromkeys((self._queue, self._key), False)

    def try_acquire(self, owner: dict[str, Any]) -> bool:
        """Acquire the lock if it is free and no other process waits longer; write its owner.

        Raises:
            LockLost: The connection to PostgreSQL was lost.
        """
        for key in self._has:
            if not self._has[key]:
                self._has[key] = self._session.try_lock(key)
            if not self._has[key]:
                return False
        self._has[self._queue] = False
        self._session.unlock(self._queue)
        self._session.execute(
            f"INSERT INTO {TABLE} (key, name, backend, owner) "  # noqa: S608
            "VALUES (%s, %s, pg_backend_pid(), %s) ON CONFLICT (key) DO UPDATE "
            "SET backend = excluded.backend, owner = excluded.owner",
            [self._key, self._name, json.dumps(owner)],
        )
        return True

    def check(self) -> None:
        """Check that PostgreSQL still has every lock of this process; before a commit.

        Raises:
            LockLost: It does not, so another process may be writing.
        """
        with _mutex:
            is_lost = any(one.conninfo == self._session.conninfo and one.held for one in _lost)
        if is_lost or self._session.is_short():
            raise _lost_error("PostgreSQL has freed a lock of this process")

    def read_owner(self) -> dict[str, Any] | None:
        """Return what the present holder wrote; ``None`` if the lock is free."""
        sql = f"SELECT t.owner {_HELD} WHERE t.key = %s"
        rows = self._session.execute(sql, [self._key])
        return rows[0][0] if rows else None

    def release(self) -> None:
        """Release what is held; nothing is left to do if the connection was lost."""
        with suppress(LockLost):
            try:
                if self._has[self._key]:
                    self._session.execute(f"DELETE FROM {TABLE} WHERE key = %s", [self._key])  # noqa: S608
            finally:
                for key, is_held in self._has.items():
                    if is_held:
                        self._session.unlock(key)


@contextmanager
def opened(conninfo: str, name: str) -> Iterator[AdvisoryLock]:
    """Yield a lock that this process may acquire; release it at the end.

    Raises:
        WarehouseError: PostgreSQL cannot be reached.
    """
    with _session(conninfo) as session:
        _create_table(session)
        lock = AdvisoryLock(session, name)
        try:
            yield lock
        finally:
            lock.release()


def read_owner(conninfo: str, name: str) -> dict[str, Any] | None:
    """Return the owner of a lock; ``None`` if it is free.

    Raises:
        WarehouseError: PostgreSQL cannot be reached.
    """
    with _session(conninfo) as session:
        if not _has_table(session):
            return None
        return AdvisoryLock(session, name).read_owner()


def list_held(conninfo: str) -> list[HeldBy]:
    """Return every lock of a lake that a process holds now, by name.

    Raises:
        WarehouseError: PostgreSQL cannot be reached.
    """
    with _session(conninfo) as session:
        if not _has_table(session):
            return []
        rows = session.execute(f"SELECT t.name, t.owner {_HELD} ORDER BY 1")
    return [HeldBy(*row) for row in rows]


# --- the connection that holds the locks of this process -----------------------------------


class _Session:
    """A connection and the locks that it holds."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.users = 0
        self.held: set[int] = set()
        self.is_lost = False
        self._mutex = RLock()
        self._db: Connection[Any] = postgres.connect(conninfo)

    def try_lock(self, key: int) -> bool:
        """Lock a key; PostgreSQL would also give it to a second thread of this process."""
        with self._mutex:
            if key in self.held:
                return False
            if is_free := bool(self.execute("SELECT pg_try_advisory_lock(%s)", [key])[0][0]):
                self.held.add(key)
            return is_free

    def unlock(self, key: int) -> None:
        with self._mutex:
            self.execute("SELECT pg_advisory_unlock(%s)", [key])
            self.held.discard(key)

    def execute(self, sql: Any, parameters: list[Any] | None = None) -> list[Any]:
        import psycopg

        with self._mutex:
            if self.is_lost:
                raise _lost_error("the connection was lost")
            try:
                cursor = self._db.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                raise _lost_error(postgres.reason(error)) from None
            except psycopg.Error as error:
                raise WarehouseError(f"PostgreSQL: {postgres.reason(error)}") from None

    def is_short(self) -> bool:
        """Whether PostgreSQL has freed a lock that this process did not release."""
        with self._mutex:
            found = {(high << 32 | low) for high, low in self.execute(_OWN_LOCKS)}
            return not {key & 0xFFFF_FFFF_FFFF_FFFF for key in self.held} <= found

    def close(self) -> None:
        self.is_lost = True
        with suppress(Exception):
            self._db.close()


_sessions: dict[tuple[int, str], _Session] = {}
_lost: list[_Session] = []
_mutex = Lock()


@contextmanager
def _session(conninfo: str) -> Iterator[_Session]:
    """Yield the connection of this process; its last user closes it."""
    session = _join(conninfo)
    try:
        yield session
    finally:
        with _mutex:
            session.users -= 1
            if not session.users:
                session.close()
                key = (os.getpid(), conninfo)
                if _sessions.get(key) is session:
                    del _sessions[key]
                _lost[:] = [one for one in _lost if one is not session]


def _join(conninfo: str) -> _Session:
    """Return the connection of this process; another one if it was lost."""
    key = (os.getpid(), conninfo)
    with _mutex:
        session = _sessions.get(key)
        if session is not None and not _answers(session):
            if session.users:
                _lost.append(session)
            session = None
        if session is None:
            session = _sessions[key] = _Session(conninfo)
        session.users += 1
        return session


def _answers(session: _Session) -> bool:
    with suppress(LockLost):
        session.execute("SELECT 1")
        return True
    return False


def _create_table(session: _Session) -> None:
    if not _has_table(session):
        session.execute(_CREATE)


def _has_table(session: _Session) -> bool:
    return session.execute("SELECT to_regclass(%s)", [TABLE])[0][0] is not None


def _key(name: str) -> int:
    """Return the number of a lock. Each database of PostgreSQL has its own, and one lake."""
    digest = sha256(f"copydesk\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _lost_error(why: str) -> LockLost:
    return LockLost(
        f"the connection to PostgreSQL that holds the locks of this process was lost ({why}): "
        "another process may be writing, so nothing more is stored. Stored batches are complete: "
        "run the same command again"
    )
