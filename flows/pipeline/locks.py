"""Leases: at most one run works on a source at a time, in any process of this machine.

A lease is an flock on a file beside the warehouse: the kernel frees it when its process
ends, however that happens, so that nothing has to be cleaned up after a kill. What the
file says (who, since when, which run) is for the message. Where the kernel's lock is gone
but the file still names somebody, that process is dead and the lease is taken over.

A lease is asked for at a turnstile: whoever waits holds it, so that a long run that lets
go between two chunks gets its lease back only after those who came meanwhile. Neither a
backfill nor the schedule can starve the other.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.callbacks import Notify
from flows.errors import Interrupted, RunFailed
from flows.pipeline.lock_probe import is_marked, mark, unmark
from flows.settings import Settings
from warehouse.process import Process, this_process

_POLL_SECONDS = 0.05
_TELL_SECONDS = 1.0


class SourceLocked(RunFailed):
    """Another run works on the source; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """Who has a lease.

    Attributes:
        since: RFC 3339.
    """

    flow: str
    run_id: str
    since: str
    process: Process

    def words(self) -> str:
        """The run, its process and since when, for a message."""
        return f"{self.flow} run {self.run_id} (process {self.process.pid}, since {self.since})"


@contextmanager
def acquire(
    settings: Settings,
    name: str,
    *,
    flow: str,
    run_id: str,
    wait_seconds: float = 0.0,
    notify: Notify = lambda _words: None,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """The lease of a source (or of anything with a name), let go at the end.

    Raises:
        SourceBusy: Another run has it, and still has it after ``wait_seconds``.
        Interrupted: ``stop`` was set while it waited.
    """
    stop = stop or threading.Event()
    folder = settings.warehouse.path.parent / "leases"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{_safe(name)}.lease"
    end = time.monotonic() + wait_seconds
    with (
        _locked(file.with_suffix(".turn"), file, name, end, notify, stop) as turnstile,
        _locked(file, file, name, end, notify, stop) as fd,
    ):
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        _write(fd, LockOwner(flow=flow, run_id=run_id, since=_now(), process=this_process()))
        mark(fd)
        try:
            yield
        finally:
            unmark(fd)
            os.ftruncate(fd, 0)


def lock_owner(settings: Settings, name: str) -> LockOwner | None:
    """Who has a lease now; ``None`` when nobody has, whatever a dead process left behind.

    Looking takes no lock: a run that begins in that moment does not find the lease taken.
    """
    file = settings.warehouse.path.parent / "leases" / f"{_safe(name)}.lease"
    return _read(file) if is_marked(file) else None


@contextmanager
def _locked(
    file: Path, named_in: Path, name: str, end: float, notify: Notify, stop: threading.Event
) -> Iterator[int]:
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        began, has_told = time.monotonic(), False
        while not _try(fd):
            if time.monotonic() >= end:
                raise _busy(name, named_in)
            if not has_told and time.monotonic() - began > _TELL_SECONDS:
                has_told = True
                found = _read(named_in)
                notify(f"{name}: waiting for {found.words() if found else 'another run'}")
            if stop.wait(_POLL_SECONDS):
                raise Interrupted(f"{name}: stopped while it waited for another run")
        yield fd
    finally:
        os.close(fd)


def _busy(name: str, file: Path) -> SourceLocked:
    found = _read(file)
    who = found.words() if found else "another run"
    stop = f"kill {found.process.pid}" if found else "its process"
    return SourceLocked(
        f"{name}: {who} is under way, and two runs of one source never overlap; wait for it, or "
        f"end it ({stop}): what it has stored stays"
    )


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(fd: int, held: LockOwner) -> None:
    data = json.dumps(asdict(held)).encode()
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)


def _read(file: Path) -> LockOwner | None:
    # A holder writes its name after it has the lock: for a moment there may be none.
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(file.read_bytes())
        return LockOwner(**{**found, "process": Process(**found["process"])})
    return None


def _safe(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_." else f"%{ord(one):x}" for one in name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


_PATIENCE_SECONDS: Mapping[str, float] = {"backfill": 900.0, "replay": 300.0}
"""How long the schedule waits for runs that let go between two pieces of work."""

_PATIENCE_UNATTENDED_SECONDS = 300.0
"""How long a run waits that nobody looks at: for another sync, too."""


@contextmanager
def acquire_for_sync(
    settings: Settings,
    slug: str,
    *,
    run_id: str,
    is_attended: bool = True,
    notify: Notify = lambda _words: None,
    stop: threading.Event | None = None,
) -> Iterator[None]:
    """The lease of a source for a sync: it waits for a chunk of a backfill.

    For another sync it waits where nobody is there to be told of it: a run of a deployment
    that comes upon one, of all sources or typed by hand, is no failure.

    Raises:
        SourceBusy: Another sync of the source is under way.
        Interrupted: ``stop`` was set while it waited.
    """
    found = lock_owner(settings, slug)
    wait_seconds = _PATIENCE_SECONDS.get(found.flow, 0.0) if found else 1.0
    if not is_attended:
        wait_seconds = max(wait_seconds, _PATIENCE_UNATTENDED_SECONDS)
    with acquire(
        settings,
        slug,
        flow="sync",
        run_id=run_id,
        wait_seconds=wait_seconds,
        notify=notify,
        stop=stop,
    ):
        yield
