"""A publisher on loopback: a feed, article pages, and a second feed that lists all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flows import settings
from flows.pipeline.stats import RunReport
from flows.serve.run_local import sync_without_prefect
from tests import empty_warehouse
from warehouse import connect, connect_read_only

TOPICS = ("harbour", "railway", "orchard", "museum", "bakery", "theatre", "bridge", "reservoir")
SQL = """[alerts.queries.titles]\nsql = "SELECT article_id, title, last_seen_at FROM articles"\n"""


@dataclass
class Press:
    """A publisher with a feed of its newest three articles and a witness with all of them."""

    folder: Path
    url: str = ""
    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    def write(self, count: int = 5, day: int = 1) -> None:
        """Publish some articles, one a day in March 2026."""
        numbers = range(day, day + count)
        for number in numbers:
            self.answers[f"/a{number}"] = (200, "text/html", _page(number))
        self.list_in("/feed.xml", *list(numbers)[-3:])
        self.list_in("/all.xml", *numbers)

    def list_in(self, path: str, *numbers: int, suffix: str = "") -> None:
        """Make a feed of some articles, the newest first."""
        items = "".join(
            f"<item><title>The {TOPICS[n % 8]}</title><link>{self.url}/a{n}{suffix}</link>"
            f"<pubDate>{date(2026, 3, n):%a, %d %b %Y} 10:00:00 +0000</pubDate></item>"
            for n in sorted(numbers, reverse=True)
        )
        head = f"<title>Press</title><link>{self.url}/</link>"
        self.answers[path] = (
            200, "application/rss+xml", f'<rss version="2.0"><channel>{head}{items}</channel></rss>',
        )  # fmt: skip

    def configure(self, more: str = "") -> None:
        host = self.url.removeprefix("http://")
        (self.folder / "copydesk.toml").write_text(
            f'[warehouse]\npath = "copydesk.duckdb"\n[archive]\npath = "archive"\n'
            f'[fetch]\nallow_private_hosts = ["{host}"]\ndeadline_seconds = 3\n'
            f'[sources.press]\nparser = "feed"\nurl = "{self.url}/feed.xml"\nfull_text = true\n'
            f'witness = "{self.url}/all.xml"\n{more}',
            encoding="utf-8",
        )

    @property
    def settings(self) -> settings.Settings:
        return settings.load(self.folder / "copydesk.toml", {})

    def sync(self) -> RunReport:
        return sync_without_prefect(self.settings, ["press"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with connect_read_only(self.settings.warehouse.path) as db:
            return db.execute(sql).fetchall()

    def change(self, sql: str) -> None:
        with connect(self.settings.warehouse.path) as db:
            db.execute(sql)


def _page(number: int) -> str:
    topic = TOPICS[number % 8]
    text = "".join(
        f"<p>The council of town {number} discussed the {topic} for {number + part} hours, and the "
        f"plan of the {topic} costs {part * 7 + number} million this year, the mayor said.</p>"
        for part in range(6)
    )
    return (
        f"<html><head><title>The {topic}</title></head><body><article><h1>The {topic}</h1>{text}"
        "</article></body></html>"
    )


@contextmanager
def publishing(folder: Path) -> Iterator[Press]:
    """A publisher whose configuration lies in a folder."""
    made = Press(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = made.answers.get(self.path, (404, "text/plain", "none"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        made.configure()
        empty_warehouse.place(made.settings.warehouse.path)
        made.write()
        yield made
        server.shutdown()
        thread.join()


def alerts(*addresses: str, queries: str = "") -> str:
    return f"[alerts]\nto = {list(addresses)!r}\n{queries}"
