"""Serve the pages on loopback until asked to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flows.settings import Settings
from flows.web.browse.app import Browse, make_app
from flows.web.server import serve_until


def run_server(
    settings: Settings, *, port: int, stop: threading.Event, on_ready: Callable[[str], None]
) -> None:
    """Answer requests until ``stop`` is set; then end what is running at once.

    Args:
        settings: Which snapshot, and the sources of the configuration.
        port: On 127.0.0.1; 0 takes a free one.
        stop: Ends it.
        on_ready: Called with the address once it answers.

    Raises:
        RunFailed: The port cannot be used, or the server ended by itself.
        WarehouseMissing: No snapshot was published yet.
        WarehouseTooOld: An earlier copydesk published it.
    """
    browse = Browse(settings)
    browse.pool.refresh()
    try:
        serve_until(
            lambda own_port: make_app(browse, port=own_port),
            port=port,
            stop=stop,
            on_ready=on_ready,
            on_stop=browse.close,
        )
    finally:
        browse.close()
