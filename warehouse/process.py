"""Identity of a process, so that another process can check later whether it still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process, distinct from every later one with its PID.

    Attributes:
        boot: The kernel's id of this boot; empty where there is none.
        started: When it started, in the kernel's own count; empty where unknown.
    """

    host: str
    boot: str
    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a process of another machine counts as alive."""
        me = this_process()
        if self.host != me.host:
            return True
        if self.boot != me.boot:
            return False
        return process_exists(self.pid) and self.started == _started(self.pid)


def this_process() -> Process:
    """Return the identity of the calling process."""
    pid = os.getpid()
    return Process(socket.gethostname(), _boot(), pid, _started(pid))


def process_exists(pid: int) -> bool:
    """Return whether a process exists and has not ended; a zombie has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _stat(pid)[:1] not in (["Z"], ["X"])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Return /proc/PID/stat from field 3 on; nothing where there is none."""
    try:
        # The name in parentheses may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""
