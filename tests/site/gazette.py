"""A second test site: one invented publication, whose listings a test chooses.

``GazetteSite`` serves pages by path. ``story`` makes article pages, and ``sitemap``, ``index``,
``news_sitemap``, ``feed`` and ``list_page`` make listings of them. Bodies may contain ``BASE``
for the address of the site.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

BASE = "http://gazette.invalid"
HTML, XML, TEXT = "text/html; charset=utf-8", "application/xml", "text/plain"

SENTENCES = (
    "The harbour office reported on {day} that {what} will take until the end of the month.",
    "Work number {number} began in the early morning, when the tide was at its lowest point.",
    "A crew of {number} people repaired the eastern quay, which the storm of last winter broke.",
    "The next report follows in a week, after the council of the town has seen the figures.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer; ``is_zipped`` sends its body as a gzip file."""

    body: bytes
    content_type: str = HTML
    status: int = 200
    is_zipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One article; its number makes its words."""

    number: int
    at: datetime
    note: str = ""

    @property
    def path(self) -> str:
        return f"/{self.at:%Y/%m/%d}/harbour-report-{self.number}"

    @property
    def title(self) -> str:
        return f"Harbour report {self.number}: repairs of quay {self.number} continue"

    def page(self) -> Page:
        """The article page, among a menu and teasers."""
        fields = {"day": f"{self.at:%A}", "what": f"repair {self.number}", "number": self.number}
        texts = "".join(f"<p>{text.format(**fields)}</p>" for text in (*SENTENCES, self.note))
        return html(
            f"<nav><a href='/'>Home</a></nav><article><h1>{self.title}</h1>"
            f'<p class="by">By Mara Quill</p><time datetime="{self.at.isoformat()}">'
            f'{self.at:%d %B %Y}</time><div class="story">{texts}</div></article>'
            f"<aside><p>Buy the printed gazette at every kiosk of the town.</p></aside>",
            title=f"{self.title} - Gazette",
        )


@dataclass(slots=True)
class GazetteSite:
    """The pages of a site by path and query; may be changed while it runs.

    Attributes:
        requests: The target of every request, oldest first.
        conditional: Targets that were answered 304.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    conditional: list[str] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{self.host}"

    def put(self, stories: Iterable[Story]) -> None:
        """Serve the pages of some stories."""
        self.pages |= {story.path: story.page() for story in stories}

    def __enter__(self) -> GazetteSite:
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    site: ClassVar[Any]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one segment

    def do_GET(self) -> None:
        self.site.requests.append(self.path)
        page = self.site.pages.get(
            self.path, Page(body=b"not found", content_type=TEXT, status=404)
        )
        body = page.body.replace(BASE.encode(), self.site.url.encode())
        body = gzip.compress(body, mtime=0) if page.is_zipped else body
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        if page.status == 200 and self.headers.get("If-None-Match") == etag:
            self.site.conditional.append(self.path)
            self._send(304, {"ETag": etag}, b"")
        else:
            self._send(page.status, {"ETag": etag, "Content-Type": page.content_type}, body)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: ``GazetteSite.requests`` is the log."""


def html(body: str, *, title: str = "Gazette", head: str = "") -> Page:
    """An HTML page."""
    text = f"<!doctype html><html lang='en'><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    return Page(body=text.encode())


def sitemap(stories: Iterable[Story], *, changed: Mapping[int, str] | None = None) -> Page:
    """A urlset; ``changed`` has the ``lastmod`` of stories by number, else their own time."""
    items = "".join(
        f"<url><loc>{BASE}{one.path}</loc>"
        f"<lastmod>{(changed or {}).get(one.number) or one.at.isoformat()}</lastmod></url>"
        for one in stories
    )
    return _xml(f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</urlset>')


def news_sitemap(stories: Iterable[Story]) -> Page:
    """A sitemap of the news protocol."""
    items = "".join(
        f"<url><loc>{BASE}{one.path}</loc><news:news><news:publication><news:name>Gazette"
        "</news:name><news:language>en</news:language></news:publication>"
        f"<news:publication_date>{one.at.isoformat()}</news:publication_date>"
        f"<news:title>{escape(one.title)}</news:title></news:news></url>"
        for one in stories
    )
    return _xml(
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">{items}</urlset>'
    )


def index(files: Mapping[str, datetime | None]) -> Page:
    """An index of sitemaps, by path, with the time of their last change."""
    items = "".join(
        f"<sitemap><loc>{BASE}{path}</loc>{f'<lastmod>{at.isoformat()}</lastmod>' if at else ''}</sitemap>"
        for path, at in files.items()
    )
    return _xml(
        f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{items}</sitemapindex>'
    )


def feed(stories: Iterable[Story]) -> Page:
    """An RSS feed with teasers."""
    items = "".join(
        f"<item><title>{escape(one.title)}</title><link>{BASE}{one.path}</link>"
        f"<pubDate>{format_datetime(one.at)}</pubDate><description>A teaser.</description></item>"
        for one in stories
    )
    return _xml(
        f"<rss version='2.0'><channel><title>Gazette</title><link>{BASE}/</link>{items}</channel></rss>"
    )


def list_page(stories: Iterable[Story], *, older: str = "") -> Page:
    """A page of teasers: a link, a day and a line each, and a link to older ones."""
    items = "".join(
        f'<div class="teaser"><h2><a href="{one.path}">{escape(one.title)}</a></h2>'
        f"<time>{one.at:%d %B %Y}</time><p>The quay number {one.number} is under repair.</p></div>"
        for one in stories
    )
    more = f'<a class="older" rel="next" href="{older}">Older reports</a>' if older else ""
    menu = (
        "<nav><a href='/'>Home</a><a href='/about'>About us</a><a href='/contact'>Contact</a></nav>"
    )
    return html(f"{menu}<main>{items}{more}</main>")


def zipped(page: Page) -> Page:
    """The page as a gzip file."""
    return Page(body=page.body, content_type="application/gzip", is_zipped=True)


def _xml(markup: str) -> Page:
    return Page(body=f'<?xml version="1.0" encoding="UTF-8"?>\n{markup}'.encode(), content_type=XML)
