"""The demo site: recorded pages of every built-in source, served over HTTP on loopback.

``pages.jsonl`` holds one line per address: ``target`` (path and query), ``content_type``,
``charset`` and ``body``. ``python -m tests.site.record`` writes it from the test site, which
also has later editions and faults.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread

HOST = "127.0.0.1"
BASE_URL = "http://demo-site.invalid"
"""The placeholder in the recorded pages for the address of the site."""

BROKEN_ENTRIES = 3
"""How many entries of the listings are broken on purpose, to show the quarantine."""

_LISTINGS = ("/CATList-", "/__api/", "/newmarket/", "/ofweek/", "/web/", "/woshipm/")
"""How the targets of listings and feeds begin."""

_LAST_MODIFIED = "Fri, 27 May 2022 00:00:00 GMT"
_HOST_HEADER = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPage:
    """One recorded response.

    Attributes:
        body: Encoded in ``charset``, with ``BASE_URL`` for the site's own address.
        etag: Changes with the content only.
    """

    content_type: str
    body: bytes
    etag: str


@contextmanager
def serve(port: int = 0) -> Iterator[str]:
    """Serve the demo site on loopback while inside; yield its base URL.

    Args:
        port: The port; 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    server = ThreadingHTTPServer((HOST, port), _Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,), name="demo-site", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@cache
def pages() -> Mapping[str, RecordedPage]:
    """Every recorded page by its target (path and query)."""
    lines = files(__name__).joinpath("pages.jsonl").read_text("utf-8").splitlines()
    return {record["target"]: _page(record) for record in map(json.loads, lines)}


@cache
def index() -> RecordedPage:
    """Make the page at ``/``: links to every listing and feed of the site."""
    links = [escape(target) for target in pages() if target.startswith(_LISTINGS)]
    rows = "".join(f'<li><a href="{one}">{one}</a></li>\n' for one in links)
    body = (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Demo site</title>\n'
        "<h1>Demo site of copydesk</h1>\n<p>Its listings and feeds:</p>\n"
        f"<ul>\n{rows}</ul>\n</html>\n"
    )
    return _page({"body": body, "charset": "utf-8", "content_type": "text/html; charset=utf-8"})


def _page(record: Mapping[str, str]) -> RecordedPage:
    body = record["body"].encode(record["charset"])
    etag = sha256(record["content_type"].encode() + b"\n" + body).hexdigest()[:32]
    return RecordedPage(content_type=record["content_type"], body=body, etag=f'W/"{etag}"')


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "copydesk-demo-site"
    timeout = 60.0
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one segment

    def do_GET(self) -> None:
        page = index() if self.path == "/" else pages().get(self.path)
        if page is None:
            self._send(HTTPStatus.NOT_FOUND, b"not found\n", {"Content-Type": "text/plain"})
            return
        headers = {"ETag": page.etag, "Last-Modified": _LAST_MODIFIED}
        if page.etag in self.headers.get("If-None-Match", ""):
            self._send(HTTPStatus.NOT_MODIFIED, b"", headers)
            return
        headers["Content-Type"] = page.content_type
        body = page.body.replace(BASE_URL.encode(), f"http://{self._host()}".encode())
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, mtime=0)
            headers["Content-Encoding"] = "gzip"
        self._send(HTTPStatus.OK, body, headers)

    do_HEAD = do_GET  # noqa: N815

    def _host(self) -> str:
        host = self.headers.get("Host", "")
        port = self.connection.getsockname()[1]
        return host if _HOST_HEADER.fullmatch(host) else f"{HOST}:{port}"

    def _send(self, status: HTTPStatus, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
