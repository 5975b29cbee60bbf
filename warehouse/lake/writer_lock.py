"""The lock of the writers of a lake: one transaction at a time, on all machines.

It is acquired before a transaction begins, so no work is lost to another writer. Behind it is
the row of the write sequence: a second writer that changes it all the same is refused by DuckLake.
A catalog in a file needs no more than the lock of that file, which its process holds.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warehouse import lock
from warehouse.lake import advisory_lock
from warehouse.location import Lake
from warehouse.process import this_process

NAME = "writer"
"""Of the lock; sources have names of other forms."""

Check = Callable[[], None]


@contextmanager
def hold(
    lake: Lake | None, *, wait_seconds: float, notify: Callable[[str], None] | None = None
) -> Iterator[Check]:
    """Hold the lock for a transaction; yield what checks, before the commit, that it still does.

    A warehouse in a file, ``None``, needs nothing.

    Raises:
        WarehouseBusy: Another writer still holds it after ``wait_seconds``.
        WarehouseUnreachable: PostgreSQL cannot be reached.
        LockLost: From the check: the connection was lost, so nothing may be committed.
    """
    if lake is None or lake.postgres is None:
        yield lambda: None
        return
    with advisory_lock.opened(lake.postgres, NAME) as one:
        owner = _owner()
        lock.wait_for(
            lake,
            lambda: one.try_acquire(owner),
            lambda: holder(one.read_owner()),
            wait_seconds=wait_seconds,
            notify=notify,
        )
        yield one.check


def _owner() -> dict[str, Any]:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"command": command, "since": since, "process": asdict(this_process())}


def holder(owner: dict[str, Any] | None) -> tuple[int | None, str]:
    """Return the PID of a writer, and its command, machine and time for messages."""
    if not owner:
        return None, ""
    process = owner["process"]
    return process["pid"], f"{owner['command']} on {process['host']} since {owner['since']}"
