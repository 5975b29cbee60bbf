"""Readiness messages to systemd (``Type=notify``)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def sd_notify(state: str) -> None:
    """Send ``READY=1`` or ``STOPPING=1`` where systemd listens (see the manual page)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())
