"""The test site: pages shaped like those of the built-in sources, over HTTP on loopback.

``serve()`` is for tests, ``run()`` for ``python -m tests.site``. Every source's
base URL can be the test site's ``url``. The content moves on in editions (1 to 3, and then
generated ones where they are asked for); ``oracle(edition)`` is the expected result
after each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.site.editions import check_edition
from tests.site.faults import Fault, Faults
from tests.site.oracle import ExpectedArticle, Oracle, Version, comparable_text, oracle
from tests.site.server import Request, Server
from tests.site.stories import LAST_EDITION, anomalies

__all__ = [
    "ExpectedArticle",
    "Fault",
    "Faults",
    "NewsSite",
    "Oracle",
    "Request",
    "Version",
    "anomalies",
    "comparable_text",
    "oracle",
    "run",
    "serve",
]

POLL_SECONDS = 0.05


class NewsSite:
    """A running test site; leaving its ``with`` block stops it and all its threads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(POLL_SECONDS,), name="news_site-accept", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The base of every source: ``http://127.0.0.1:PORT``, no slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    @property
    def edition(self) -> int:
        """The edition it serves; can be set."""
        return self._server.edition

    @edition.setter
    def edition(self, edition: int) -> None:
        self._server.edition = check_edition(edition, self._server.last_edition)

    def advance(self) -> int:
        """Move to the next edition and return its number.

        Raises:
            ValueError: There is none.
        """
        self.edition += 1
        return self.edition

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, oldest first; its own addresses are left out."""
        return tuple(self._server.requests)

    def clear_requests(self) -> None:
        """Empty the log of requests."""
        self._server.requests.clear()

    def close(self) -> None:
        """Stop listening, end every connection, wait for the threads. May be repeated."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> NewsSite:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(
    port: int = 0,
    edition: int = 1,
    *,
    faults: Faults | None = None,
    last_edition: int = LAST_EDITION,
) -> NewsSite:
    """A running test site on 127.0.0.1; port 0 takes a free one.

    Args:
        port: Where.
        edition: The first one to serve.
        faults: The fault of a request, if it has one.
        last_edition: How far it can move on; those after the third are generated.

    Raises:
        OSError: The port is taken.
        ValueError: There is no such edition.
    """
    return NewsSite(Server(port, edition, faults, last_edition))


def run(
    port: int = 0,
    edition: int = 1,
    *,
    port_file: Path | None = None,
    ready: Callable[[NewsSite], None] = lambda _news_site: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until ``stop`` is set or Ctrl-C; ``ready`` is called once it listens.

    ``port_file`` gets the port number as text, complete at the moment it appears.
    KeyboardInterrupt is passed on after everything is closed.
    """
    ended = stop or threading.Event()
    with serve(port, edition) as news_site:
        if port_file is not None:
            _write_whole(port_file, f"{news_site.port}\n")
        ready(news_site)
        while not ended.wait(3600):
            pass


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_text(text, encoding="ascii")
    draft.replace(path)
