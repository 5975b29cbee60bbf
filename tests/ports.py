"""Ports for servers that are stopped and started again at the same address."""

from __future__ import annotations

import random
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def lasting_port() -> int:
    """A free port on loopback that the system gives to no outgoing connection.

    A port that was asked of the system (0) is one of those: for a minute after some client
    was given it, too, a server that comes back finds it taken. With many tests side by side
    that is one start in forty.
    """
    below = int(RANGE.read_text(encoding="ascii").split()[0]) if RANGE.exists() else 32_768
    for port in random.sample(range(_LOWEST, max(below, _LOWEST + 1_000)), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"no free port between {_LOWEST} and {below} on 127.0.0.1")
