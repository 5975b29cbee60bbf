"""Prefect for one command: where its home is, and a server for as long as the run lasts.

The server is a child with a session of its own, so that Ctrl-C in the terminal reaches
only us, and it ends when we end, even by kill -9 (see ``flows.serving.server``).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.callbacks import Notify
from flows.errors import RunFailed

if TYPE_CHECKING:
    from flows.serving.place import Served
    from flows.settings import Settings

API_URL = "PREFECT_API_URL"
AWAIT_SECONDS = 20.0
TERMINAL = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
TERMINAL_LEVELS = {-1: "CRITICAL", 0: "CRITICAL", 1: "INFO"}


@contextmanager
def prefect_ready(
    settings: Settings, *, stop: threading.Event, notify: Notify, verbosity: int = 0
) -> Iterator[None]:
    """Inside, flows can run: against the server that is there, or one of our own.

    Raises:
        RunFailed: A server of our own cannot be started here.
    """
    home = _prepare(settings, verbosity)
    from flows.serving.leaving import drain
    from flows.serving.place import (
        find_served,
        know_own_password,
        named_server,
        own_server_environment,
    )
    from flows.serving.server import PrefectServer

    if named_server(os.environ) or "prefect" in sys.modules:
        yield
        return
    if served := find_served(home):
        if served.is_own:
            know_own_password(os.environ, served.api_url)
        _await(served, stop=stop, notify=notify)
        notify(f"using the Prefect server of `copydesk serve` at {served.api_url}")
        os.environ[API_URL] = served.api_url
        yield
        return
    is_new = not (home / "prefect.db").exists()
    took = "the first time takes up to half a minute" if is_new else "a few seconds"
    notify(f"starting Prefect for this run ({took}; set {API_URL} to use a server)")
    know_own_password(os.environ)
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    server = PrefectServer(home, url=url, host="127.0.0.1", port=port)
    try:
        told = own_server_environment(settings, home) | dict(os.environ)
        told |= {"PREFECT_UI_ENABLED": "0", "PREFECT_SERVER_API_PORT": str(port)}
        if level := told.pop(TERMINAL, None):  # its own words are kept in its log
            told["PREFECT_LOGGING_LEVEL"] = level
        if not server.start(told, stop=stop, notify=notify):
            raise KeyboardInterrupt
        os.environ[API_URL] = url
        yield
    finally:
        os.environ.pop(API_URL, None)
        drain()  # while its server is there
        server.stop()


def _await(served: Served, *, stop: threading.Event, notify: Notify) -> None:
    """Wait a while for the server of a ``serve`` that may be starting.

    Raises:
        RunFailed: It does not answer.
    """
    from flows.serving.health import is_answering

    end, has_told = time.monotonic() + AWAIT_SECONDS, False
    while not is_answering(served.api_url):
        if not has_told:
            notify(f"waiting for the Prefect server of `copydesk serve` at {served.api_url}")
            has_told = True
        if stop.wait(0.2):
            raise KeyboardInterrupt
        if time.monotonic() > end:
            raise RunFailed(
                f"the Prefect server {served.api_url} of `copydesk serve` (process {served.pid}) "
                "does not answer: if that is only just starting, try again in a minute; if it "
                "stays so, end it and start it again"
            )


def _prepare(settings: Settings, verbosity: int) -> Path:
    """Set what Prefect reads at import, where the user has not set it; its home.

    The home lies beside the warehouse, telemetry is off, and Prefect's own words reach the
    terminal with ``--verbose`` only, for ours say the same.
    """
    from flows.serving.place import prefect_home, spare_loopback, trust_own_authority

    home = prefect_home(settings)
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
        "PREFECT_LOGGING_INTERNAL_LEVEL": TERMINAL_LEVELS.get(verbosity, "DEBUG"),
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "2",  # a server that is away is not waited for
    }
    if "PREFECT_LOGGING_LEVEL" not in os.environ:
        # The page of the run has its log; the terminal has our words, which say the same.
        chosen["PREFECT_LOGGING_LEVEL"] = "DEBUG" if verbosity > 1 else "INFO"
        chosen[TERMINAL] = TERMINAL_LEVELS.get(verbosity, "DEBUG")
    for name, value in chosen.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str(home)  # whatever way it was written
    spare_loopback(os.environ)
    trust_own_authority(os.environ)
    return home


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
