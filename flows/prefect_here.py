"""Prefect for one command: where its home is, and a server for as long as the run lasts.

The server is a child with a session of its own, so that Ctrl-C in the terminal reaches
only us, and it ends when we end, even by kill -9 (see ``flows.serving.server``).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import RunFailed
from flows.progress import Say

if TYPE_CHECKING:
    from flows.settings import Settings

API_URL = "PREFECT_API_URL"
LOG_LEVELS = {-1: "CRITICAL", 0: "CRITICAL", 1: "INFO"}


@contextmanager
def prefect_ready(
    settings: Settings, *, stop: threading.Event, say: Say, verbosity: int = 0
) -> Iterator[None]:
    """Inside, flows can run: against the server that is there, or one of our own.

    Raises:
        RunFailed: A server of our own cannot be started here.
    """
    home = _prepare(settings, verbosity)
    if API_URL in os.environ or "prefect" in sys.modules:
        yield
        return
    from flows.serving.place import find_served
    from flows.serving.server import PrefectServer

    if served := find_served(home):
        say(f"using the Prefect server of `copydesk serve` at {served.api_url}")
        os.environ[API_URL] = served.api_url
        yield
        return
    is_new = not (home / "prefect.db").exists()
    took = "the first time takes up to half a minute" if is_new else "a few seconds"
    say(f"starting Prefect for this run ({took}; set {API_URL} to use a server)")
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    server = PrefectServer(home, url=url, host="127.0.0.1", port=port)
    try:
        if not server.start({**os.environ, "PREFECT_UI_ENABLED": "0"}, stop=stop, say=say):
            raise KeyboardInterrupt
        os.environ[API_URL] = url
        yield
    finally:
        os.environ.pop(API_URL, None)
        _drain()
        server.stop()


def _prepare(settings: Settings, verbosity: int) -> Path:
    """Set what Prefect reads at import, where the user has not set it; its home.

    The home lies beside the warehouse, telemetry is off, and Prefect's own words are
    kept for ``--verbose``, for ours say the same.
    """
    home = Path(os.environ.get("PREFECT_HOME") or settings.warehouse.path.parent / "prefect")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailed(
            f"{home}: Prefect's folder cannot be made ({error.strerror}); "
            "give copydesk a folder it may write, or set PREFECT_HOME"
        ) from None
    chosen = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": LOG_LEVELS.get(verbosity, "DEBUG"),
        "PREFECT_LOGGING_INTERNAL_LEVEL": LOG_LEVELS.get(verbosity, "DEBUG"),
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "2",  # a server that is away is not waited for
    }
    for name, value in chosen.items():
        os.environ.setdefault(name, value)
    return home


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _drain() -> None:
    """Let Prefect send what it still has to tell, while its server is there."""
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=10)
