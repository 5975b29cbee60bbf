"""Which process this is, in a form that a later one can check for life."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from every later one with its number.

    Attributes:
        boot: The kernel's id of this boot; empty where there is none.
        started: When it started, in the kernel's own count; empty where unknown.
        space: The kernel's id of the space that the number counts in, as a container has
            one of its own; empty where unknown.
    """

    host: str
    boot: str
    pid: int
    started: str
    space: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a process of another machine counts as alive."""
        me = this_process()
        if self.host != me.host:
            return True
        if self.boot != me.boot:
            return False
        return process_exists(self.pid) and self.started == _started(self.pid)

    @property
    def is_known_alive(self) -> bool | None:
        """Whether it still runs; ``None`` when that cannot be told from here.

        Names of machines repeat, and so do numbers in containers: only a process under the
        same kernel that counts in the same space can be looked for.
        """
        me = this_process()
        if not self.space:  # written down by an earlier version
            return self.is_alive if self.host == me.host else None
        if (self.boot, self.space) != (me.boot, me.space):
            return None
        return process_exists(self.pid) and self.started == _started(self.pid)


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(socket.gethostname(), _boot(), pid, _started(pid), _space())


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _facts(pid: int) -> list[str]:
    """What the kernel tells of a process, from field 3 on; nothing where it tells nothing."""
    try:
        # The name in parentheses may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    facts = _facts(pid)
    return facts[19] if len(facts) > 19 else ""


def process_exists(pid: int) -> bool:
    """Whether that process is there and has not ended; one that nobody waited for has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _facts(pid)[:1] not in (["Z"], ["X"])
