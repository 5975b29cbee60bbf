"""A lock of one machine: an ``flock(2)`` on a file, which contains the owner as JSON.

The kernel releases it when its process ends, so a killed run leaves nothing to clean up. A process
that waits locks ``<name>.queue.lock`` meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class FileLock:
    """One lock, tried by ``try_acquire`` and held until the end of ``opened``."""

    file: Path
    lock_fd: int
    queue_fd: int
    is_next: bool = False
    is_held: bool = False

    def try_acquire(self, owner: dict[str, Any]) -> bool:
        """Acquire the lock if it is free and no other process waits longer; write its owner."""
        self.is_next = self.is_next or _try_lock(self.queue_fd)
        self.is_held = self.is_next and _try_lock(self.lock_fd)
        if not self.is_held:
            return False
        fcntl.flock(self.queue_fd, fcntl.LOCK_UN)
        os.ftruncate(self.lock_fd, 0)
        with suppress(OSError):  # a full disk: only messages of other runs need the owner
            os.pwrite(self.lock_fd, json.dumps(owner).encode(), 0)
        return True

    def read_owner(self) -> dict[str, Any] | None:
        """Return what the present holder wrote; ``None`` if that cannot be read."""
        return _read(self.file)


@contextmanager
def opened(file: Path) -> Iterator[FileLock]:
    """Yield a lock that this process may acquire; release it at the end."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _open(file) as lock_fd, _open(file.with_suffix(".queue.lock")) as queue_fd:
        lock = FileLock(file, lock_fd, queue_fd)
        try:
            yield lock
        finally:
            if lock.is_held:
                os.ftruncate(lock_fd, 0)


def read_owner(file: Path) -> dict[str, Any] | None:
    """Return the owner of a lock; ``None`` when it is free, also after a killed run."""
    with suppress(FileNotFoundError), _open(file, os.O_RDONLY) as fd:
        if not _try_lock(fd, fcntl.LOCK_SH):
            return _read(file)
    return None


@contextmanager
def _open(file: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    fd = os.open(file, flags | os.O_CLOEXEC, 0o666)
    try:
        yield fd
    finally:
        os.close(fd)


def _try_lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path) -> dict[str, Any] | None:
    # The owner writes the file after it has the lock: the file may be empty for a moment.
    with suppress(OSError, ValueError):
        found = json.loads(file.read_bytes())
        return found if isinstance(found, dict) else None
    return None
