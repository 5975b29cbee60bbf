"""Measures what Prefect costs: the same sync with it and without it, on loopback.

    python tests/bench/orchestration.py [--pages N] [--rounds N] [--idle SECONDS] [--json FILE]

A site in this process serves N article pages behind one feed. A fresh process each reads them
into a fresh warehouse: through Prefect (a server of its own, as under `copydesk serve`) and by
the same steps called plainly. Then a run that finds nothing new, and `copydesk serve` idle.
Targets: 0.9 of the pages/s, 20 task runs and 100 KB of database a run of
1,000 pages, 3 s of CPU when nothing is new, serve idle under 400 MB and 2 % of a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# The folder of this file has a warehouse.py of its own.
sys.path[0] = str(Path(__file__).parents[2])

from flows.demo import free_port  # noqa: E402
from flows.serving.server import PrefectServer  # noqa: E402

PARAGRAPH = (
    "<p>这是一段用来测量的正文，长度与新闻相当，编号 {n}，共若干句。" + "内容平实。" * 60 + "</p>"
)
CHILD = """
import json, resource, sys, time
from pathlib import Path
way, config = sys.argv[1], Path(sys.argv[2])
from flows import launch, settings
from flows.fetch import Fetched
chosen = settings.load(config, {})
say = lambda words: None
advance = lambda *_: None
if way == "prefect":
    launch.prepare_prefect(chosen, say=say)
    from flows.sync import sync  # import before the clock starts, as for the plain way
    began = time.perf_counter()
    report = launch.run_sync(chosen, (), config=config, say=say, progress=advance)
else:
    from flows import discovering, steps
    from flows.run import Run
    began = time.perf_counter()
    with Run("sync", chosen, ["bench"]) as run:
        source = chosen.source("bench")
        for batch in discovering.discover(run, source).batches(chosen.run.batch_size):
            steps.store(run, source, steps.read(run, source, steps.fetch(run, source, batch)))
        report = run.finish()
        run.publish()
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime,
                  "new": report.totals()["new"], "fetched": report.totals()["fetched"]}))
"""


class Site(BaseHTTPRequestHandler):
    """One feed and its pages."""

    protocol_version = "HTTP/1.1"
    pages = 0

    def do_GET(self) -> None:
        if self.path == "/robots.txt":
            return self._send(404, b"", "text/plain")
        port = self.server.server_address[1]
        if self.path == "/feed.xml":
            items = "".join(
                f"<item><title>标题 {n}</title><link>http://127.0.0.1:{port}/{n}.html</link></item>"
                for n in range(self.pages)
            )
            body = f"<rss version='2.0'><channel><title>b</title>{items}</channel></rss>"
            return self._send(200, body.encode(), "application/rss+xml")
        n = self.path.strip("/").removesuffix(".html")
        body = (
            f"<!doctype html><html><head><title>标题 {n}</title></head><body><article><h1>标题 {n}"
            f"</h1>{PARAGRAPH.format(n=n) * 12}</article></body></html>"
        )
        return self._send(200, body.encode(), "text/html; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body)}"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def site(pages: int) -> Iterator[int]:
    Site.pages = pages
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def write_config(folder: Path, port: int, serve_port: int) -> Path:
    folder.mkdir(parents=True)
    file = folder / "copydesk.toml"
    file.write_text(
        f"""
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
        [sources.bench]
        parser = "feed"
        url = "http://127.0.0.1:{port}/feed.xml"
        full_text = true
        schedule = "every 1 day"
        """,
        encoding="utf-8",
    )
    return file


def child(way: str, config: Path, api: str, home: Path) -> dict[str, float]:
    environ = os.environ | {"PREFECT_API_URL": api, "PREFECT_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, way, str(config)],
        env=environ, cwd=sys.path[0], capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def size_of(home: Path) -> int:
    """Bytes of the database's pages in use, the write-ahead log folded in."""
    with sqlite3.connect(home / "prefect.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (pages,), (free,) = (
            db.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count")
        )
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    return int((pages - free) * size)


def task_runs(home: Path) -> int:
    with sqlite3.connect(home / "prefect.db") as db:
        (count,) = db.execute("SELECT count(*) FROM task_run").fetchone()
    db.close()
    return int(count)


def settled(measure: Any, *, seconds: float = 30) -> int:
    """A measure once it has not changed for two seconds: events arrive late."""
    value, since, end = measure(), time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and time.monotonic() - since < 2:
        time.sleep(0.25)
        if (now := measure()) != value:
            value, since = now, time.monotonic()
    return int(value)


def compare(args: argparse.Namespace, root: Path, port: int) -> dict[str, Any]:
    home = root / "prefect"
    home.mkdir()
    api_port = free_port(0)
    server = PrefectServer(
        home, url=f"http://127.0.0.1:{api_port}/api", host="127.0.0.1", port=api_port
    )
    environ = os.environ | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    server.start(dict(environ), stop=threading.Event(), say=print)
    try:
        rates: dict[str, list[float]] = {"plain": [], "prefect": []}
        found: dict[str, Any] = {}
        for number in range(args.rounds):
            for way in rates:
                config = write_config(root / f"{way}-{number}", port, api_port)
                tasks, size = task_runs(home), settled(lambda: size_of(home))
                done = child(way, config, server.url, home)
                if done["new"] != args.pages:
                    sys.exit(f"{way} stored {done['new']} of {args.pages} pages")
                rates[way].append(args.pages / done["seconds"])
                if way == "prefect":
                    found["database_kb"] = (settled(lambda: size_of(home)) - size) / 1000
                    found["task_runs"] = settled(lambda: task_runs(home)) - tasks
                    again = child(way, config, server.url, home)
                    found["nothing_new_cpu_seconds"] = again["cpu"]
        found["pages_per_second"] = {way: statistics.median(some) for way, some in rates.items()}
        found["ratio"] = found["pages_per_second"]["prefect"] / found["pages_per_second"]["plain"]
    finally:
        server.stop()
    return found


def idle(args: argparse.Namespace, root: Path, port: int) -> dict[str, float]:
    """Memory (PSS, shared pages counted once) and CPU of `copydesk serve` doing nothing."""
    import psutil

    config = write_config(root / "idle", port, free_port(0))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    command = [sys.executable, "-c", "from flows.cli import main; main()"]
    with (root / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--config", str(config), "serve"], env=environ, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + 120
        while "Prefect UI" not in (root / "serve.log").read_text() and time.monotonic() < end:
            time.sleep(0.5)
        time.sleep(10)  # what a start still has to do
        everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(True)]
        before = sum(sum(one.cpu_times()[:2]) for one in everyone)
        time.sleep(args.idle)
        spent = sum(sum(one.cpu_times()[:2]) for one in everyone) - before
        memory = sum(one.memory_full_info().pss for one in everyone)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return {"idle_mb": memory / 1e6, "idle_cpu_percent": 100 * spent / args.idle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, site(args.pages) as port:
        found = compare(args, Path(scratch), port) | idle(args, Path(scratch), port)
    targets = {
        "ratio": "at least 0.9",
        "task_runs": "at most 20 per 1,000 pages",
        "database_kb": "under 100",
        "nothing_new_cpu_seconds": "under 3",
        "idle_mb": "under 400",
        "idle_cpu_percent": "under 2",
    }
    for way, rate in found["pages_per_second"].items():
        print(f"{way:<26}{rate:10.1f} pages/s")
    for name, target in targets.items():
        print(f"{name:<26}{found[name]:10.2f}  ({target})")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
