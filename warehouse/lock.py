"""The writer's lock: an flock on a file beside the warehouse, which also records commits.

DuckDB locks its file with a POSIX lock, which a process loses as soon as anything in it opens
and closes the same file (a copy, a hash, a backup). An flock belongs to the open file and
stays. All connections of one process to a file share one lock, as they share DuckDB's instance.

The file records the last commit, because DuckDB takes a lost write-ahead log for an empty one.
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

from warehouse.checkpoint_log import CheckpointLog
from warehouse.duckdb_errors import busy_error, translate_errors
from warehouse.location import Location

_POLL_SECONDS = 0.05
Notify = Callable[[str], None]


@dataclass(slots=True)
class HeldLock:
    """A lock that this process holds, shared by its connections to one file."""

    path: Path
    fd: int
    users: set[object]
    checkpoints: CheckpointLog | None = None


_held: dict[Path, HeldLock] = {}
_by_warehouse: dict[UUID, HeldLock] = {}
_mutex = Lock()


def lock_file(path: Path) -> Path:
    """Return the lock file of a warehouse."""
    return path.with_name(path.name + ".lock")


@contextmanager
def hold(path: Path, *, wait_seconds: float, notify: Notify | None) -> Iterator[HeldLock]:
    """Hold the lock of a warehouse; wait for other processes. Its last user frees it.

    Raises:
        WarehouseBusy: Another process still holds it after ``wait_seconds``.
        WarehouseReadOnly: The lock file cannot be written.
    """
    user = object()  # made before the lock is held, so that an interrupt at any time frees it
    try:
        yield _acquire(path, user, wait_seconds=wait_seconds, notify=notify)
    finally:
        _release(path, user)


def _acquire(path: Path, user: object, *, wait_seconds: float, notify: Notify | None) -> HeldLock:
    with translate_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock_file(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        wait_for(
            path,
            lambda: _join(path, fd, user),
            lambda: (_owner(fd), ""),
            wait_seconds=wait_seconds,
            notify=notify,
        )
        return _held[path]
    finally:
        with _mutex:
            held = _held.get(path)
            if held is None or held.fd != fd:
                os.close(fd)


def _join(path: Path, fd: int, user: object) -> bool:
    """Add a user to the lock of this process, or else lock the file; return whether it is held."""
    with _mutex:
        if held := _held.get(path):
            held.users.add(user)
        elif _try(fd):
            _held[path] = HeldLock(path, fd, {user})
            _write(fd, _read(fd) | {"pid": os.getpid()})
        else:
            return False
        return True


def _release(path: Path, user: object) -> None:
    with _mutex:
        held = _held.get(path)
        if held is None or user not in held.users:
            return
        held.users.remove(user)
        if held.users:
            return
        del _held[path]
        try:
            for key in [key for key, one in _by_warehouse.items() if one is held]:
                del _by_warehouse[key]
            _close_log(held)
            _write(held.fd, {**_read(held.fd), "pid": None})
        finally:
            os.close(held.fd)


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Keep writers out while this process reads; a snapshot has no writers and no lock.

    Raises:
        WarehouseBusy: A process writes the file, perhaps this one.
    """
    with _mutex:
        if path in _held:
            raise busy_error(path, os.getpid(), "this process: read through its connection")
    try:
        fd = os.open(lock_file(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if not _try(fd, fcntl.LOCK_SH):
            raise busy_error(path, _owner(fd))
        yield
    finally:
        os.close(fd)


def wait_for(
    path: Location,
    is_free: Callable[[], bool],
    owner: Callable[[], tuple[int | None, str]],
    *,
    wait_seconds: float,
    notify: Notify | None,
) -> None:
    """Return as soon as ``is_free``; call ``notify`` once when that needs a wait.

    ``owner`` returns the PID of the holder and more about it, for messages.

    Raises:
        WarehouseBusy: It is not free after ``wait_seconds``.
    """
    end = time.monotonic() + wait_seconds
    while not is_free():
        if time.monotonic() >= end:
            raise busy_error(path, *owner())
        if notify:
            pid, who = owner()
            name = f"process {pid}" if pid else "another process"
            name = f"{name} ({who})" if who else name
            notify(f"{path}: held by {name}, waiting up to {wait_seconds:g} seconds")
            notify = None
        time.sleep(_POLL_SECONDS)


def is_shared(path: Path) -> bool:
    """Return whether this process has the warehouse open more than once."""
    with _mutex:
        held = _held.get(path)
        return held is not None and len(held.users) > 1


# --- the last commit -------------------------------------------------------------------


def last_commit(held: HeldLock) -> tuple[str, int] | None:
    """Return the warehouse and write sequence of the last recorded commit."""
    found = _read(held.fd)
    try:
        return str(found["warehouse_id"]), int(found["last_seq"])
    except (KeyError, TypeError, ValueError):
        return None


def write_commit(held: HeldLock, warehouse_id: UUID, last_seq: int) -> None:
    """Write the last commit to the lock file."""
    notes = {"pid": os.getpid(), "warehouse_id": str(warehouse_id), "last_seq": last_seq}
    _write(held.fd, notes)


def clear_commit_log(held: HeldLock) -> None:
    """Forget the last commit, for a new warehouse in the place of the old one."""
    _write(held.fd, {"pid": os.getpid()})


def register(warehouse_id: UUID, held: HeldLock) -> None:
    """Make the lock of a warehouse known to ``record_commit``."""
    with _mutex:
        _by_warehouse[warehouse_id] = held


def record_commit(warehouse_id: UUID, last_seq: int) -> None:
    """Record a commit, and its checkpoint; nothing for a warehouse without a lock."""
    with _mutex:
        if held := _by_warehouse.get(warehouse_id):
            known, last = last_commit(held) or ("", 0)
            if known != str(warehouse_id) or last < last_seq:  # not a later one of another thread
                write_commit(held, warehouse_id, last_seq)
            if held.checkpoints:
                held.checkpoints.record()


def open_log(held: HeldLock) -> None:
    """Open the log of checkpoints; again, where another file has taken the warehouse's place.

    While DuckDB has the file open, it has to be open in the log, too.
    """
    with _mutex, suppress(OSError):
        if held.checkpoints and held.checkpoints.is_of(held.path):
            return
        _close_log(held)
        held.checkpoints = CheckpointLog(held.path)


def checkpoints_of(path: Path) -> CheckpointLog | None:
    """Return the log of checkpoints of a warehouse that this process holds."""
    with _mutex:
        held = _held.get(path)
        return held.checkpoints if held else None


def warehouse_of(path: Path) -> str | None:
    """Return the id of the warehouse at a path, as its lock file has it; needs no lock."""
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads(lock_file(path).read_bytes()).get("warehouse_id")
        return found if isinstance(found, str) else None
    return None


def _close_log(held: HeldLock) -> None:
    if held.checkpoints:
        held.checkpoints.record()
        held.checkpoints.close()
        held.checkpoints = None


# --- the lock file ---------------------------------------------------------------------


def _try(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(fd: int) -> int | None:
    """Return the PID in /proc/locks, or else the one that the last writer wrote."""
    inode = f":{os.fstat(fd).st_ino}"
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            columns = line.split()
            if "FLOCK" in columns and any(column.endswith(inode) for column in columns):
                pid = int(columns[columns.index("FLOCK") + 3])
                if pid > 0 and pid != os.getpid():
                    return pid
    written = _read(fd).get("pid")
    return written if isinstance(written, int) else None


def _read(fd: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _write(fd: int, notes: dict[str, Any]) -> None:
    # Padded, so that one write replaces the old text and no reader sees a mixture.
    os.pwrite(fd, json.dumps(notes).encode().ljust(256) + b"\n", 0)
