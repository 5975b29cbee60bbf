"""The site of the orchestration bench: feeds and pages, served in this process.

``/feed/K-N.xml`` lists N pages of the site K, ``/K/n.html`` is one of them. Pages have
validators and honour them, as a news site does: a run that finds nothing new asks for all
of them and gets none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PARAGRAPH = (
    "<p>这是一段用来测量的正文，长度与新闻相当，编号 {n}，共若干句。" + "内容平实。" * 60 + "</p>"
)
CONFIG = """
[warehouse]
path = "copydesk.duckdb"
snapshot = "copydesk.read.duckdb"
[archive]
path = "archive"
[fetch]
allow_private_hosts = ["127.0.0.1:{port}"]
per_host_concurrency = 8
[serve]
port = {serve_port}
maintenance_schedule = ""
"""
SOURCE = """
[sources.{slug}]
parser = "feed"
url = "http://127.0.0.1:{port}/feed/{slug}-{pages}.xml"
full_text = true
schedule = "every 1 day"
"""


@dataclass(slots=True)
class Site:
    """The site while it is served.

    Attributes:
        asked: How many requests came.
        slowly: Seconds that each answer takes.
    """

    port: int = 0
    asked: int = 0
    slowly: float = 0.0
    closing: threading.Event = field(default_factory=threading.Event)

    def write_config(
        self, folder: Path, serve_port: int, sources: Sequence[tuple[str, int]]
    ) -> Path:
        """A configuration that reads these feeds, each with so many pages."""
        folder.mkdir(parents=True)
        file = folder / "copydesk.toml"
        text = CONFIG.format(port=self.port, serve_port=serve_port)
        for slug, pages in sources:
            text += SOURCE.format(slug=slug, pages=pages, port=self.port)
        file.write_text(text, encoding="utf-8")
        return file


@contextmanager
def served() -> Iterator[Site]:
    """The site on a free port of loopback."""
    site = Site()

    class Handler(_Handler):
        of = site

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield site
        site.closing.set()
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Site

    def do_GET(self) -> None:
        self.of.asked += 1
        if self.of.slowly:
            self.of.closing.wait(self.of.slowly)
        if self.path.startswith("/feed/") and self.path.endswith(".xml"):
            slug, _, count = self.path.removeprefix("/feed/").removesuffix(".xml").rpartition("-")
            return self._send(self._feed(slug, int(count)), "application/rss+xml")
        if not self.path.endswith(".html"):
            return self._send(b"", "text/plain", status=404)
        return self._send(self._page(self.path), "text/html; charset=utf-8")

    def _feed(self, slug: str, count: int) -> bytes:
        at = f"http://127.0.0.1:{self.of.port}/{slug}"
        items = "".join(
            f"<item><title>标题 {slug} {n}</title><link>{at}/{n}.html</link></item>"
            for n in range(count)
        )
        text = f"<rss version='2.0'><channel><title>b</title>{items}</channel></rss>"
        return text.encode()

    def _page(self, name: str) -> bytes:
        slug, n = name.strip("/").removesuffix(".html").split("/")
        text = (
            f"<!doctype html><html><head><title>标题 {slug} {n}</title></head><body><article>"
            f"<h1>标题 {slug} {n}</h1>{PARAGRAPH.format(n=f'{slug} {n}') * 12}</article></body></html>"
        )
        return text.encode()

    def _send(self, body: bytes, kind: str, *, status: int = 200) -> None:
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        if status == 200 and self.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""
