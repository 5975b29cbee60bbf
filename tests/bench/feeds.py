"""What 294 feeds of one RSSHub instance cost a sync: first, with nothing new, not modified.

    python tests/bench/feeds.py [--feeds N] [--profile FILE]

The instance is served by this process, so that only the CPU (user + system) of the measured
process counts. The floor is a loop of requests and feedparser over the same feeds, which checks,
archives and stores nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEEDS = 294
NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
CONFIG = """
[warehouse]
path = "copydesk.duckdb"
[archive]
path = "archive"
[fetch]
allow_private_hosts = ["127.0.0.1:{port}"]
[rsshub]
instances = ["http://127.0.0.1:{port}"]
"""
SOURCE = """
[sources.site_{n}]
parser = "rsshub"
route = "/site{n}/latest"
categories = ["分类", "站点 {n}", "最新"]
"""
FLOOR = """
import sys, feedparser, requests
session, count = requests.Session(), 0
for n in range(int(sys.argv[2])):
    answer = session.get(f"http://127.0.0.1:{sys.argv[1]}/site{n}/latest", timeout=20)
    count += len(feedparser.parse(answer.content).entries)
print(count)
"""


@dataclass(slots=True)
class Instance:
    """An RSSHub instance while it is served.

    Attributes:
        version: Part of each feed outside of its items; another one makes another ETag.
        added: How many items each feed has at its top that it had not before.
    """

    port: int = 0
    version: int = 0
    added: int = 0

    def feed(self, number: int) -> bytes:
        """A feed of 5 to 10 items with their articles."""
        items = "".join(_item(number, n) for n in range(self.added, -5 - number % 6, -1))
        return (
            "<?xml version='1.0' encoding='UTF-8'?><rss version='2.0'><channel>"
            f"<title>站点 {number}</title><link>https://site{number}.example/</link>"
            f"<description>Made by RSSHub {self.version}</description><ttl>5</ttl>{items}</channel></rss>"
        ).encode()


def _item(feed: int, number: int) -> str:
    published = NOW + timedelta(minutes=number * 7)
    paragraph = f"<p>第{number}段，关于站点{feed}的报道。{'内容平实而具体。' * 20}</p>"
    return (
        f"<item><title><![CDATA[站点{feed}报道{number}]]></title>"
        f"<description><![CDATA[{paragraph * 8}]]></description>"
        f"<pubDate>{published:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
        f"<guid isPermaLink='false'>https://site{feed}.example/{number}</guid>"
        f"<link>https://site{feed}.example/{number}</link><author><![CDATA[记者]]></author></item>"
    )


@contextmanager
def served() -> Iterator[Instance]:
    """The instance on a free port of loopback."""
    instance = Instance()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not self.path.startswith("/site"):
                return self._send(404, b"")
            body = instance.feed(int(self.path.split("/")[1].removeprefix("site")))
            tag = f'"{sha256(body).hexdigest()[:16]}"'
            is_known = self.headers.get("If-None-Match") == tag
            return self._send(304 if is_known else 200, b"" if is_known else body, tag)

        def _send(self, status: int, body: bytes, tag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        instance.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield instance
        server.shutdown()


def measure(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Run a command; return the CPU seconds that it took, and its output.

    Raises:
        SystemExit: It failed.
    """
    out = folder / "output"
    with out.open("wb") as stream:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = os.posix_spawn(
            command[0],
            list(command),
            environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, stream.fileno(), 1)],
        )
        _, status, usage = os.wait4(process, 0)
    text = out.read_text(encoding="utf-8")
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed: {text[-2000:]}")
    return usage.ru_utime + usage.ru_stime, text


def main() -> None:
    """Print a line for each kind of run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=FEEDS)
    parser.add_argument(
        "--profile", type=Path, help="write a profile of each sync beside this file"
    )
    options = parser.parse_args()
    with served() as instance, tempfile.TemporaryDirectory(prefix="bench-feeds-") as scratch:
        folder = Path(scratch)
        config = folder / "copydesk.toml"
        sources = "".join(SOURCE.format(n=n) for n in range(options.feeds))
        config.write_text(CONFIG.format(port=instance.port) + sources, encoding="utf-8")

        def sync(name: str) -> None:
            run = [sys.executable, "-m", "flows.cli", "--config", str(config), "sync", "--json"]
            if options.profile:
                out = options.profile.with_name(f"{options.profile.name}-{name.replace(' ', '-')}")
                run[1:1] = ["-m", "cProfile", "-o", str(out)]
            seconds, text = measure(run, folder)
            new = text[text.rindex('"totals"') :].partition('"new": ')[2].partition(",")[0]
            print(f"{name:32} {seconds:6.1f} s CPU, {new} new", flush=True)

        sync("first")
        instance.version += 1
        sync("nothing new")
        sync("not modified")
        instance.added, instance.version = 1, instance.version + 1
        sync("one new entry in each")
        floor = [sys.executable, "-c", FLOOR, str(instance.port), str(options.feeds)]
        seconds, text = measure(floor, folder)
        print(f"{'floor: requests, feedparser':32} {seconds:6.1f} s CPU, {text.strip()} entries")


if __name__ == "__main__":
    main()
