"""The writer's lock: an flock on a file beside the warehouse, and what was committed.

DuckDB locks its file with a POSIX lock, and a process loses that as soon as anything in
it opens and closes the same file (a copy, a hash, a backup). An flock belongs to the
open file and survives. Within one process all connections to a file share one lock, as
they share DuckDB's instance.

The file also says how far the warehouse had come, so that a lost write-ahead log, which
DuckDB takes for an empty one, is noticed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID

from warehouse.duckdb_errors import busy_error, translate_errors

_POLL_SECONDS = 0.05


@dataclass(slots=True)
class HeldLock:
    """A lock this process holds, shared by its connections to one file."""

    path: Path
    fd: int
    users: int = 1
    notes: tuple[str, int] | None = None

    def note(self, warehouse_id: UUID, n: int) -> None:
        """Remembers the last commit that was acknowledged."""
        self.notes = (str(warehouse_id), n)
        _write(self.fd, {"pid": os.getpid(), "warehouse_id": str(warehouse_id), "n": n})


_held: dict[Path, HeldLock] = {}
_by_warehouse: dict[UUID, HeldLock] = {}
_mutex = Lock()


def lock_file(path: Path) -> Path:
    """The lock file of a warehouse."""
    return path.with_name(path.name + ".lock")


def acquire(path: Path, *, wait_seconds: float, on_wait: Callable[[str], None] | None) -> HeldLock:
    """The lock of a warehouse, after waiting for other processes.

    Raises:
        WarehouseBusy: Another process still holds it after ``wait_seconds``.
        WarehouseReadOnly: The lock file may not be written.
    """
    with _mutex:
        if held := _held.get(path):
            held.users += 1
            return held
        with translate_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            wait_for(path, lambda: _try(fd), fd, wait_seconds=wait_seconds, on_wait=on_wait)
        except BaseException:
            os.close(fd)
            raise
        held = _held[path] = HeldLock(path, fd)
        _write(fd, _read(fd) | {"pid": os.getpid()})
        return held


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Keeps writers out while this process reads; a snapshot has no writers and no lock.

    Raises:
        WarehouseBusy: A writer holds the file; perhaps this very process.
    """
    with _mutex:
        if path in _held:
            raise busy_error(path, os.getpid(), "this process: read through the connection it has")
    try:
        fd = os.open(lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if not _try(fd, fcntl.LOCK_SH):
            raise busy_error(path, _holder(fd))
        yield
    finally:
        os.close(fd)


def wait_for(
    path: Path,
    is_free: Callable[[], bool],
    fd: int | None,
    *,
    wait_seconds: float,
    on_wait: Callable[[str], None] | None,
) -> None:
    """Returns as soon as ``is_free``; tells ``on_wait`` once when it has to wait."""
    end = time.monotonic() + wait_seconds
    has_told = False
    while not is_free():
        pid = _holder(fd) if fd is not None else None
        if time.monotonic() >= end:
            raise busy_error(path, pid)
        if on_wait and not has_told:
            has_told = True
            name = f"process {pid}" if pid else "another process"
            on_wait(f"{path}: held by {name}, waiting up to {wait_seconds:g} seconds")
        time.sleep(_POLL_SECONDS)


def release(held: HeldLock) -> None:
    """Lets go; the last user of a file frees it for other processes."""
    with _mutex:
        held.users -= 1
        if held.users:
            return
        del _held[held.path]
        for key in [key for key, one in _by_warehouse.items() if one is held]:
            del _by_warehouse[key]
        _write(held.fd, {**_read(held.fd), "pid": None})
        os.close(held.fd)


def is_shared(path: Path) -> bool:
    """Whether this process has the warehouse open more than once."""
    with _mutex:
        held = _held.get(path)
        return held is not None and held.users > 1


def last_commit(held: HeldLock) -> tuple[str, int] | None:
    """Which warehouse the lock file knows, and how far it had come."""
    found = _read(held.fd)
    try:
        return str(found["warehouse_id"]), int(found["n"])
    except (KeyError, TypeError, ValueError):
        return None


def warehouse_of(path: Path) -> str | None:
    """The id of the warehouse at a path, as its lock file knows it; needs no lock."""
    with suppress(OSError):
        fd = os.open(lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = _read(fd).get("warehouse_id")
        finally:
            os.close(fd)
        return found if isinstance(found, str) else None
    return None


def clear_commit_log(held: HeldLock) -> None:
    """Empties the lock file's memory, for a new warehouse in the old one's place."""
    _write(held.fd, {"pid": os.getpid()})


def register(warehouse_id: UUID, held: HeldLock) -> None:
    """Lets ``record_commit`` find the lock of a warehouse."""
    with _mutex:
        _by_warehouse[warehouse_id] = held


def record_commit(warehouse_id: UUID, n: int) -> None:
    """Remembers an acknowledged commit; nothing for a warehouse without a lock."""
    with _mutex:
        if held := _by_warehouse.get(warehouse_id):
            held.note(warehouse_id, n)


def _try(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> int | None:
    """The PID the kernel lists, or the one the last writer wrote."""
    pid = _listed(fd)
    if pid is None:
        noted = _read(fd).get("pid")
        pid = noted if isinstance(noted, int) else None
    return pid


def _listed(fd: int) -> int | None:
    """Who has an flock on this file, from /proc/locks; ``None`` where that is not known."""
    inode = f":{os.fstat(fd).st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if "FLOCK" in words and any(word.endswith(inode) for word in words):
            pid = int(words[words.index("FLOCK") + 3])
            if pid > 0 and pid != os.getpid():
                return pid
    return None


def _read(fd: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(fd: int, notes: dict[str, Any]) -> None:
    # Padded, so that one write replaces what was there and no reader sees a mixture.
    os.pwrite(fd, json.dumps(notes).encode().ljust(256) + b"\n", 0)
