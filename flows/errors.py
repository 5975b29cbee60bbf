"""Which of the project's errors means which exit code; anything else is a bug."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from flows.archive import ArchiveError
from flows.fetch import FetchError
from flows.settings import ConfigurationError
from parsers.errors import ParseError
from warehouse.errors import WarehouseError


class RunFailed(Exception):
    """A run that could not do its work; the message says what to do."""


class ServerNotStarted(RunFailed):
    """A Prefect server of our own that does not come up; the message holds its last words."""


class Interrupted(Exception):
    """A run that was asked to stop; what it had committed stays."""


_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigurationError, 2),
    (Interrupted, 130),
    (RunFailed, 1),
    (FetchError, 1),
    (ArchiveError, 1),
    (ParseError, 1),
    (WarehouseError, 1),
    (OSError, 1),
)


_ADVICE: Mapping[int, str] = {
    errno.EROFS: "the disk is mounted read-only: mount it writable, or give copydesk another "
    "folder (warehouse.path, archive.path)",
    errno.ENOSPC: "the disk is full: free some space and try again; what was stored stays stored",
    errno.EDQUOT: "the quota is used up: free some space and try again; what was stored stays",
    errno.EACCES: "this user may not use it: change its owner or its permissions, or give "
    "copydesk another folder (warehouse.path, archive.path)",
    errno.EIO: "the disk reports errors: look at it (dmesg) before going on",
}


def advice(error: Exception) -> str | None:
    """What to do about an error of the machine whose own words do not say it."""
    return _ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected error; ``None`` for a bug."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), None)
