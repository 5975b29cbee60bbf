"""The test site's HTTP server: loopback only, HTTP/1.1, keep-alive, gzip, validators.

Beside the sources' own paths it has three of its own, which the request log leaves out:

* ``POST /__test_site__/edition`` with a number as body moves to that edition; ``GET`` returns it.
* ``GET /__test_site__/oracle`` is the expected result (see ``oracle.py``).
* ``GET /__test_site__/requests`` is the log of requests.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from flows.demo_site import BASE_URL as BASE
from tests.site.editions import check_edition
from tests.site.faults import Fault, Faults
from tests.site.oracle import oracle
from tests.site.router import Representation, represent

HOST = "127.0.0.1"
OWN = "/__test_site__/"
IDLE_SECONDS = 60.0
JOIN_SECONDS = 5.0
MAX_LOGGED = 100_000
MAX_POSTED = 64
GZIP_FROM = 512
HOST_HEADER = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the test site saw it.

    Attributes:
        target: Path and query.
        status: The status of the answer.
        at: Aware UTC, when the answer was ready.
        is_conditional: It carried If-None-Match or If-Modified-Since.
        user_agent: As sent.
    """

    method: str
    target: str
    status: int
    at: datetime
    is_conditional: bool
    user_agent: str = ""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Server(HTTPServer):
    """Threads that are all gone when the server is closed.

    Unlike ``ThreadingHTTPServer`` it remembers its connections, so that closing it ends
    those a client keeps alive.
    """

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, edition: int, faults: Faults | None, last_edition: int) -> None:
        self.last_edition = last_edition
        self.edition = check_edition(edition, last_edition)
        self.faults = faults
        self.requests: deque[Request] = deque(maxlen=MAX_LOGGED)
        self.closing = threading.Event()
        self._turns: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__((HOST, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="news_site", daemon=True
        )
        with self._lock:
            self._open[thread] = request
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away, or the test site is closing
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._open.pop(threading.current_thread(), None)

    def server_close(self) -> None:
        """Close the listening socket and every connection; wait for their threads."""
        super().server_close()
        self.closing.set()
        with self._lock:
            left = dict(self._open)
        for connection in left.values():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already closed by its own thread
        for thread in left:
            thread.join(JOIN_SECONDS)

    def fault(self, target: str) -> Fault | None:
        """The fault of this request, if it has one."""
        if self.faults is None:
            return None
        with self._lock:
            self._turns[target] += 1
            turn = self._turns[target]
        return self.faults(target, turn)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "news_site"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one segment

    def do_GET(self) -> None:
        """Answer with a page."""
        if self.path.startswith(OWN):
            self._own()
        else:
            self._page()

    def do_HEAD(self) -> None:
        """Answer as for GET, without the body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Move to another edition; nothing else can be posted."""
        length = self.headers.get("Content-Length", "")
        if self.path != OWN + "edition" or not length.isdigit() or int(length) > MAX_POSTED:
            self.close_connection = True  # the body stays unread
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"", {"Allow": "GET, HEAD"})
            return
        posted = self.rfile.read(int(length)).decode("utf-8", "replace").strip()
        try:
            self.server.edition = check_edition(int(posted), self.server.last_edition)
        except ValueError as error:
            self._send(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), _plain())
            return
        self._own()

    def _own(self) -> None:
        documents: dict[str, Any] = {
            "edition": lambda: {"edition": self.server.edition},
            "oracle": lambda: oracle(self.server.edition).as_json(),
            "requests": lambda: [asdict(request) for request in list(self.server.requests)],
        }
        document = documents.get(self.path.removeprefix(OWN))
        if document is None:
            self._send(HTTPStatus.NOT_FOUND, b"not found\n", _plain())
            return
        body = json.dumps(document(), ensure_ascii=False, default=datetime.isoformat).encode()
        self._send(HTTPStatus.OK, body, {"Content-Type": "application/json; charset=utf-8"})

    def _page(self) -> None:
        found = represent(self.path, self.server.edition)
        if fault := self.server.fault(self.path):
            self._broken(found, fault)
            return
        if found.answer.status != HTTPStatus.OK:
            self._log(found.answer.status)
            self._send(found.answer.status, found.answer.body, _plain())
            return
        if self._is_current(found):
            self._log(HTTPStatus.NOT_MODIFIED)
            self._send(HTTPStatus.NOT_MODIFIED, b"", _validators(found))
            return
        self._whole(found)

    def _whole(self, found: Representation) -> None:
        body = self._based(found.answer.body)
        headers = _validators(found) | {
            "Content-Type": found.answer.content_type,
            "Vary": "Accept-Encoding",
        }
        if len(body) >= GZIP_FROM and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, mtime=0)
            headers["Content-Encoding"] = "gzip"
        self._log(HTTPStatus.OK)
        self._send(HTTPStatus.OK, body, headers)

    def _broken(self, found: Representation, fault: Fault) -> None:
        answer = found.answer
        self.server.closing.wait(fault.delay_seconds)
        body = fault.changed(self._based(answer.body))
        status = fault.status or answer.status
        headers = {"Content-Type": answer.content_type}
        if fault.has_validators:
            headers |= _validators(found)
        if fault.retry_after:
            headers["Retry-After"] = fault.retry_after
        if fault.location:
            headers["Location"] = fault.location
        self._log(status)
        self._send(status, body, headers, cut_at=fault.cut_at)

    def _is_current(self, found: Representation) -> bool:
        """Whether the client's copy is still good (RFC 9110, 13.2.2)."""
        if tags := self.headers.get("If-None-Match"):
            return tags.strip() == "*" or found.etag in re.findall(r'"([^"]*)"', tags)
        if since := self.headers.get("If-Modified-Since"):
            try:
                return found.last_modified <= parsedate_to_datetime(since)
            except (ValueError, TypeError):
                return False  # not a date, or one without a zone: send the page
        return False

    def _based(self, body: bytes) -> bytes:
        host = self.headers.get("Host", "")
        if not HOST_HEADER.fullmatch(host):
            host = f"{HOST}:{self.server.server_port}"
        return body.replace(BASE.encode(), f"http://{host}".encode())

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], *, cut_at: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and status != HTTPStatus.NOT_MODIFIED:
            self.wfile.write(body[:cut_at])
        self.wfile.flush()
        if cut_at is not None:
            self.close_connection = True

    def _log(self, status: int) -> None:
        asked = "If-None-Match" in self.headers or "If-Modified-Since" in self.headers
        self.server.requests.append(
            Request(
                method=self.command,
                target=self.path,
                status=int(status),
                at=datetime.now(UTC),
                is_conditional=asked,
                user_agent=self.headers.get("User-Agent", ""),
            )
        )

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: ``Server.requests`` is the log."""


def _validators(found: Representation) -> dict[str, str]:
    # Weak, because the same tag names the plain and the gzip form.
    return {
        "ETag": f'W/"{found.etag}"',
        "Last-Modified": format_datetime(found.last_modified, usegmt=True),
    }


def _plain() -> dict[str, str]:
    return {"Content-Type": "text/plain; charset=utf-8"}
