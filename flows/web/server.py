"""Listen on loopback until asked to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from flows.errors import RunFailed

HOST = "127.0.0.1"
_CHECK_SECONDS = 0.2


def serve_until(
    make_app: Callable[[int], ASGIApp],
    *,
    port: int,
    stop: threading.Event,
    on_ready: Callable[[str], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until ``stop`` is set; then end what is running at once.

    Args:
        make_app: Makes the application for a port.
        port: On 127.0.0.1; 0 takes a free one.
        stop: Ends it.
        on_ready: Called with the address once it answers.
        on_stop: Called once no new request is answered; it interrupts those that are running.

    Raises:
        RunFailed: The port cannot be used, or the server ended by itself.
    """
    with _listen(port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            make_app(port),
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        # In the main thread uvicorn would handle signals itself, and wait for requests.
        thread = threading.Thread(target=server.run, args=([listener],), name="server")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                stop.wait(0.01)
            if server.started:
                on_ready(f"http://{HOST}:{port}/")
            while thread.is_alive() and not stop.wait(_CHECK_SECONDS):
                pass
            if not stop.is_set():
                raise RunFailed("the server of the pages ended; its messages name the reason")
        finally:
            server.should_exit = True
            on_stop()
            thread.join()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise RunFailed(
            f"port {port} on {HOST} cannot be used: {error.strerror}. Name another one with --port; "
            "0 takes a free one"
        ) from error
    return listener
