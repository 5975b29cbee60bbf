"""A mark on a file that its holder has for as long as it lives, and anybody can look at.

An flock can only be looked at by taking it, and whoever starts in that moment takes the
looker for a holder. So who holds a lock also marks its file, with a lock of the kind that can
be asked after (fcntl(2), F_OFD_GETLK): it belongs to the open file, goes with its process
however that ends, and is seen from other containers, too.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

_LOCK = "hhqqi4x"
_SET = getattr(fcntl, "F_OFD_SETLK", None)
_ASK = getattr(fcntl, "F_OFD_GETLK", None)


def mark(fd: int) -> None:
    """Mark a file that this process has open for writing and has an flock on."""
    if _SET is not None:
        with suppress(OSError):  # no such locks on this file system: the flock is what counts
            fcntl.fcntl(fd, _SET, struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def unmark(fd: int) -> None:
    """Take the mark away before the file is closed."""
    if _SET is not None:
        with suppress(OSError):
            fcntl.fcntl(fd, _SET, struct.pack(_LOCK, fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))


def is_marked(file: Path) -> bool:
    """Whether a living process marks the file; nothing is locked or made to find that out."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _is_asked(fd) if _ASK is not None else _is_locked(fd)
    finally:
        os.close(fd)


def _is_asked(fd: int) -> bool:
    question = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(fd, _ASK or 0, question)
    except OSError:
        return _is_locked(fd)
    return bool(struct.unpack(_LOCK, answer)[0] != fcntl.F_UNLCK)


def _is_locked(fd: int) -> bool:
    """Where there are no such locks: shared, so that lookers do not see each other."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
