"""The exit codes of ``copydesk``, and which error ends with which.

0    success
1    failed
2    usage or configuration error
3    completed with warnings (new quarantine, gaps, unhealthy source)
4    a check found a difference
130  interrupted, state kept
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

OK, FAILED, USAGE, WARNINGS, DIFFERENT, INTERRUPTED = 0, 1, 2, 3, 4, 130

_ADVICE: Mapping[int, str] = {
    errno.EROFS: "the disk is mounted read-only: mount it writable, or name another place "
    "(warehouse.path, archive.path)",
    errno.ENOSPC: "the disk is full: free some space and try again; what was stored stays stored",
    errno.EDQUOT: "the quota is used up: free some space and try again; what was stored stays",
    errno.EACCES: "this user may not use it: change its owner or its permissions, or name "
    "another place",
    errno.EIO: "the disk reports errors: check it with dmesg before the next run",
}
_OUT_OF_MEMORY = (
    "out of memory: stored batches are complete. Give this process more memory, or lower "
    "run.batch_size and fetch.concurrency, then run the same command again"
)


def exit_code_of(error: Exception) -> int | None:
    """The exit code of an expected error; ``None`` for a bug.

    The packages of these errors are slow to import, so they are imported only here.
    """
    from flows.archive import ArchiveError
    from flows.errors import ConfigurationError, Interrupted, RunFailed
    from flows.fetch import FetchError
    from parsers.errors import ParseError
    from warehouse.errors import BadQuery, NotFound, WarehouseError, WarehouseExists

    if isinstance(error, ConfigurationError | BadQuery | NotFound | WarehouseExists):
        return USAGE
    if isinstance(error, Interrupted):
        return INTERRUPTED
    expected = (
        MemoryError,
        RunFailed,
        FetchError,
        ArchiveError,
        ParseError,
        WarehouseError,
        OSError,
    )
    return FAILED if isinstance(error, expected) else None


def advice_for(error: Exception) -> str | None:
    """What to do about memory, or an error of the system; ``None`` where the text suffices."""
    if isinstance(error, MemoryError):
        return _OUT_OF_MEMORY
    return _ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None
