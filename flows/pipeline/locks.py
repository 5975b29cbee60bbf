"""Source locks: at most one run of this machine writes a source at a time.

A lock is an ``flock(2)`` on ``locks/<name>.lock`` beside the warehouse. The kernel releases it
when its process ends, so a killed run leaves nothing to clean up. The file contains the owner as
JSON, for messages.

A run that waits for a lock holds ``locks/<name>.queue.lock`` meanwhile. So a long run that releases
its lock between two chunks gets it back only after the run that waited.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.callbacks import Notify
from flows.errors import Interrupted, RunFailed
from flows.settings import Settings
from warehouse.process import Process, this_process

LONG_WAIT_SECONDS = 3600.0
"""How long a run of hours waits for another run of a source, between two of its parts."""

_POLL_SECONDS = 0.05
_MIN_WAIT_SECONDS = 0.2  # longer than ``lock_owner`` looks, which takes a shared lock
_NOTIFY_SECONDS = 1.0


class SourceLocked(RunFailed):
    """Another run has the lock; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """The run that has a lock, since an RFC 3339 time."""

    flow: str
    run_id: str
    since: str
    process: Process

    def message(self) -> str:
        """The run, its process and since when."""
        return f"{self.flow} run {self.run_id} (process {self.process.pid}, since {self.since})"


@contextmanager
def acquire(
    settings: Settings,
    name: str,
    *,
    flow: str,
    run_id: str,
    wait_seconds: float = 0.0,
    notify: Notify = lambda _text: None,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """Hold the lock of a source, or of anything with a name, for the ``with`` block.

    Args:
        settings: Where the warehouse is.
        name: A source, or the name of a job.
        flow: The flow of the owner, for messages of other runs.
        run_id: The run of the owner.
        wait_seconds: How long to wait for another run.
        notify: Called once when the wait takes longer than a second.
        stop: Ends the wait.

    Raises:
        SourceLocked: Another run still has it after ``wait_seconds``.
        Interrupted: ``stop`` was set during the wait.
    """
    file = _lock_file(settings, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    started, has_notified = time.monotonic(), False
    with _open(file) as lock, _open(file.with_suffix(".queue.lock")) as queue:
        for fd in (queue, lock):
            while not _try_lock(fd):
                waited = time.monotonic() - started
                if waited >= max(wait_seconds, _MIN_WAIT_SECONDS):
                    raise _locked_error(name, file)
                if waited > _NOTIFY_SECONDS and not has_notified:
                    has_notified = True
                    notify(f"{name}: waiting for {_owner_message(file)}")
                if (stop or threading.Event()).wait(_POLL_SECONDS):
                    raise Interrupted(f"{name}: stopped while waiting for another run")
        fcntl.flock(queue, fcntl.LOCK_UN)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        owner = LockOwner(flow=flow, run_id=run_id, since=since, process=this_process())
        os.ftruncate(lock, 0)
        with suppress(OSError):  # a full disk: only messages of other runs need the owner
            os.pwrite(lock, json.dumps(asdict(owner)).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(lock, 0)


@contextmanager
def acquire_all(settings: Settings, names: Iterable[str], **options: Any) -> Iterator[None]:
    """Hold the locks of several sources; the options are those of ``acquire``.

    They are acquired in one order, so that two runs never wait for each other. Nothing that
    another run needs may be held meanwhile, such as the warehouse.
    """
    with ExitStack() as held:
        for name in sorted(set(names)):
            held.enter_context(acquire(settings, name, **options))
        yield


def lock_owner(settings: Settings, name: str) -> LockOwner | None:
    """The run that has a lock now; ``None`` when the lock is free, also after a killed run."""
    file = _lock_file(settings, name)
    with suppress(FileNotFoundError), _open(file, os.O_RDONLY) as fd:
        if not _try_lock(fd, fcntl.LOCK_SH):
            return _read_owner(file)
    return None


def _lock_file(settings: Settings, name: str) -> Path:
    safe = "".join(one if one.isalnum() or one in "-_." else f"%{ord(one):x}" for one in name)
    return settings.warehouse.folder / "locks" / f"{safe}.lock"


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


def _read_owner(file: Path) -> LockOwner | None:
    # The owner writes the file after it has the lock: the file may be empty for a moment.
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(file.read_bytes())
        return LockOwner(**{**found, "process": Process(**found["process"])})
    return None


def _owner_message(file: Path) -> str:
    owner = _read_owner(file)
    return owner.message() if owner else "another run"


def _locked_error(name: str, file: Path) -> SourceLocked:
    owner = _read_owner(file)
    command = f" or stop it (kill {owner.process.pid})" if owner else ""
    return SourceLocked(
        f"{name}: {_owner_message(file)} is running, and two runs never write one source at a "
        f"time. Wait for it{command}: what it has stored stays stored."
    )
