"""Words to systemd (``Type=notify``), where it asked for them; nothing elsewhere."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(words: str) -> None:
    """Tell systemd ``READY=1`` or ``STOPPING=1``; see sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(words.encode())
