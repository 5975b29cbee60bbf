"""Source locks: at most one run writes a source at a time.

For a warehouse of one machine a lock is a file in ``locks/`` beside it (``file_lock``). For a
lake on PostgreSQL it is an advisory lock there, so it holds for all machines (``warehouse.lake``).
Both end with the process that has them, so a killed run leaves nothing to clean up.

A run that waits for a lock holds a place in its queue meanwhile. So a long run that releases its
lock between two chunks gets it back only after the run that waited.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from flows.callbacks import Notify
from flows.errors import Interrupted, RunFailed
from flows.pipeline import file_lock
from flows.settings import Settings
from warehouse.lake import advisory_lock
from warehouse.location import Lake
from warehouse.process import Process, this_process

LONG_WAIT_SECONDS = 3600.0
"""How long a run of hours waits for another run of a source, between two of its parts."""

_NAME = "source {}"  # of an advisory lock; that of writers has another form
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
        where = f" on {self.process.host}" if self.is_elsewhere else ""
        pid = self.process.pid
        return f"{self.flow} run {self.run_id} (process {pid}{where}, since {self.since})"

    @property
    def is_elsewhere(self) -> bool:
        """Whether its process is on another machine."""
        return self.process.host != this_process().host


class _Lock(Protocol):
    """A lock of a file or of PostgreSQL."""

    def try_acquire(self, owner: dict[str, Any]) -> bool: ...

    def read_owner(self) -> dict[str, Any] | None: ...


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
    started, has_notified, process = time.monotonic(), False, this_process()

    def owner() -> dict[str, Any]:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return asdict(LockOwner(flow=flow, run_id=run_id, since=since, process=process))

    with _opened(settings, name) as lock:
        while not lock.try_acquire(owner()):
            waited = time.monotonic() - started
            if waited >= max(wait_seconds, _MIN_WAIT_SECONDS):
                raise _locked_error(name, _owner(lock.read_owner()))
            if waited > _NOTIFY_SECONDS and not has_notified:
                has_notified = True
                notify(f"{name}: waiting for {_message(_owner(lock.read_owner()))}")
            if (stop or threading.Event()).wait(_POLL_SECONDS):
                raise Interrupted(f"{name}: stopped while waiting for another run")
        yield


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
    if server := postgres_of(settings):
        return _owner(advisory_lock.read_owner(server, _NAME.format(name)))
    return _owner(file_lock.read_owner(_lock_file(settings, name)))


def _opened(settings: Settings, name: str) -> AbstractContextManager[_Lock]:
    if server := postgres_of(settings):
        return advisory_lock.opened(server, _NAME.format(name))
    return file_lock.opened(_lock_file(settings, name))


def postgres_of(settings: Settings) -> str | None:
    """The connection string of the server that has the locks; ``None`` if they are files."""
    location = settings.warehouse.location
    return location.postgres if isinstance(location, Lake) else None


def _lock_file(settings: Settings, name: str) -> Path:
    safe = "".join(one if one.isalnum() or one in "-_." else f"%{ord(one):x}" for one in name)
    location = settings.warehouse.location
    catalog = location.file if isinstance(location, Lake) else None
    return (catalog.parent if catalog else settings.warehouse.folder) / "locks" / f"{safe}.lock"


def _owner(found: dict[str, Any] | None) -> LockOwner | None:
    with suppress(TypeError, KeyError):
        return LockOwner(**{**found, "process": Process(**found["process"])}) if found else None
    return None


def owner_message(found: dict[str, Any]) -> str:
    """The run that has an advisory lock, for messages; ``found`` is what it wrote."""
    return _message(_owner(found))


def _message(owner: LockOwner | None) -> str:
    return owner.message() if owner else "another run"


def _locked_error(name: str, owner: LockOwner | None) -> SourceLocked:
    command = f" or stop it (kill {owner.process.pid})" if owner else ""
    if owner and owner.is_elsewhere:
        command = f" or stop it (kill {owner.process.pid} on {owner.process.host})"
    return SourceLocked(
        f"{name}: {_message(owner)} is running, and two runs never have one source or host at a "
        f"time. Wait for it{command}: what it has stored stays stored."
    )
