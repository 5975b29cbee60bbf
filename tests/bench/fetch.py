"""Measures the fetcher against bare requests, urllib3, aiohttp and Scrapy, on loopback.

    python tests/bench/fetch.py [--pages N] [--rounds N] [--peers PYTHON] [--json FILE]

nginx serves 72 KB pages, gzipped, at once and with 5 and 50 ms of latency; every client runs
in a process of its own, checks the length of every body and prints its costs. ``--peers``
names a Python that has aiohttp and Scrapy (never the project's own environment). What is
missing is left out and named, with what to install.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fetch_clients import CLIENTS, PAGES, PEERS, SIZE

NGINX = """
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log crit;
{modules}
events {{ worker_connections 2048; }}
http {{
  types {{ text/html html; }}
  access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000; gzip_static always;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
  uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  server {{
    listen 127.0.0.1:{port} backlog=2048; root {root}/www;
    location = /robots.txt {{ return 404; }}
    {delays}
  }}
}}
"""


# --------------------------------------------------------------------------- the server


def write_pages(root: Path) -> None:
    """Pages of one length and different words, compressed; nginx serves them as they are."""
    chance = random.Random(72)  # noqa: S311 - the same pages each time
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(6000)]
    paragraphs = [
        f"<p class='text'>{' '.join(chance.choices(words, weights=range(6000, 0, -1), k=170))}</p>"
        for _ in range(600)
    ]
    folder = root / "www" / "0"
    folder.mkdir(parents=True)
    for number in range(PAGES):
        text = "\n".join(chance.choices(paragraphs, k=90))
        body = f"<!doctype html><html><body><h1>{number}</h1>{text}"[: SIZE - 14]
        data = gzip.compress(f"{body}</body></html>".encode(), 6, mtime=0)
        (folder / f"{number}.html.gz").write_bytes(data)


@contextmanager
def server(latencies: list[int]) -> Iterator[tuple[str, list[int]]]:
    """An nginx on loopback: its base address, and the latencies it can do."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        sys.exit("expected nginx, found none; install it with: apt-get install nginx-light")
    echo = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
    if not echo.exists() and latencies != [0]:
        print("no latency without nginx's echo module; apt-get install libnginx-mod-http-echo")
        latencies = [0]
    with tempfile.TemporaryDirectory(prefix="bench-fetch-") as name, socket.socket() as probe:
        root = Path(name)
        root.chmod(0o755)
        write_pages(root)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        delays = "\n".join(
            f"location ~ ^/{ms}/(.*)$ {{ echo_sleep {ms / 1000}; echo_exec /0/$1; }}"
            for ms in latencies
            if ms
        )
        config = NGINX.format(
            root=root,
            port=port,
            delays=delays,
            modules=f"load_module {echo};" if echo.exists() else "",
        )
        (root / "nginx.conf").write_text(config)
        process = subprocess.Popen([nginx, "-p", str(root), "-c", str(root / "nginx.conf")])
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}", latencies
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("nginx did not start")


# --------------------------------------------------------------------------- one client


def client_main(options: argparse.Namespace) -> None:
    """One client, measured from inside its own process."""
    with tempfile.TemporaryDirectory(prefix="bench-archive-") as folder:
        archive = folder if "archive" in options.client else None
        run = CLIENTS[options.client]
        if options.client != "scrapy tuned":  # its reactor runs once
            run(options.base, 0, 50, options.width, None)
        before = resource.getrusage(resource.RUSAGE_SELF)
        began = time.perf_counter()
        good = run(options.base, options.latency, options.pages, options.width, archive)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {
                "good": good,
                "seconds": seconds,
                "cpu_ms": 1000 * cpu / options.pages,
                "rss_mb": after.ru_maxrss / 1024,
            }
        )
    )


# --------------------------------------------------------------------------- the table


def measure(
    python: str, client: str, base: str, latency: int, pages: int, width: int
) -> dict[str, float] | None:
    """One run of one client in its own process."""
    command = [python, __file__, "--client", client, "--base", base]
    command += ["--latency", str(latency), "--pages", str(pages), "--width", str(width)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        print(f"{client}: failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["good"] != pages:
        print(f"{client}: only {found['good']:.0f} of {pages} bodies were right", file=sys.stderr)
    return found


def pages_for(client: str, latency: int, width: int, pages: int) -> int:
    """Enough pages for about two seconds."""
    rate = 300 if "scrapy" in client else PAGES
    if latency:
        rate = min(rate, int(1000 / latency * width))
    return max(100, min(pages, PAGES, rate * 2))


def table(options: argparse.Namespace, base: str, latencies: list[int]) -> list[dict[str, object]]:
    """Every client at every latency and width; rounds are interleaved, the median counts."""
    rows: list[dict[str, object]] = []
    missing: set[str] = set()
    for latency in latencies:
        for width in options.widths:
            found: dict[str, list[dict[str, float]]] = {client: [] for client in CLIENTS}
            for _ in range(options.rounds):
                for client in CLIENTS:
                    python = options.peers if client in PEERS else sys.executable
                    if client in missing or not _has(python, PEERS.get(client)):
                        missing.add(client)
                        continue
                    count = pages_for(client, latency, width, options.pages)
                    result = measure(python, client, base, latency, count, width)
                    if result is not None:
                        found[client].append({**result, "rate": count / result["seconds"]})
            rows += [_row(client, latency, width, runs) for client, runs in found.items() if runs]
            _print_rows(rows[-len(CLIENTS) :], latency, width)
    for client in sorted(missing):
        print(
            f"left out: {client}; make a virtual environment elsewhere, pip install "
            f"{PEERS[client]} in it, and name its python with --peers"
        )
    return rows


def _has(python: str | None, module: str | None) -> bool:
    if module is None:
        return True
    if not python:
        return False
    return (
        subprocess.run(
            [python, "-c", f"import {module}"], capture_output=True, check=False
        ).returncode
        == 0
    )


def _row(client: str, latency: int, width: int, runs: list[dict[str, float]]) -> dict[str, object]:
    return {
        "client": client,
        "latency_ms": latency,
        "width": width,
        "rate": statistics.median(run["rate"] for run in runs),
        "best": max(run["rate"] for run in runs),
        "cpu_ms": statistics.median(run["cpu_ms"] for run in runs),
        "rss_mb": max(run["rss_mb"] for run in runs),
    }


def _print_rows(rows: list[dict[str, object]], latency: int, width: int) -> None:
    print(f"\n{latency} ms, {width} connections")
    print("| client | pages/s | best | CPU ms/page | peak RSS MB |\n|---|---|---|---|---|")
    for row in rows:
        if (row["latency_ms"], row["width"]) == (latency, width):
            print(
                f"| {row['client']} | {row['rate']:.0f} | {row['best']:.0f} | {row['cpu_ms']:.2f} "
                f"| {row['rss_mb']:.0f} |"
            )
    sys.stdout.flush()


def ratios(rows: list[dict[str, object]]) -> None:
    """Print each goal with the measured value."""
    rate = {(row["client"], row["latency_ms"], row["width"]): row["rate"] for row in rows}
    goals = [
        ("ours", "requests + threads", 0.75),
        ("ours, archive on", "requests + threads", 0.6),
        ("ours", "scrapy tuned", 4.0),
        ("ours", "aiohttp", 0.75),
    ]
    print("\n| ratio | latency | connections | found | goal |\n|---|---|---|---|---|")
    for client, other, goal in goals:
        for name, latency, width in rate:
            if name != other or (client, latency, width) not in rate:
                continue
            found = rate[client, latency, width] / rate[other, latency, width]  # type: ignore[operator]
            is_asked = other != "aiohttp" or (latency, width) == (50, 64)
            print(
                f"| {client} / {other} | {latency} ms | {width} | {found:.2f} "
                f"| {goal if is_asked else '-'} |"
            )


def flat_memory(base: str) -> None:
    """Peak memory against the number of addresses."""
    print("\n| addresses | peak RSS MB (goal: under 150, whatever the number) |\n|---|---|")
    for count in (500, 5000, 40_000):
        found = measure(sys.executable, "ours", base, 0, count, 16)
        if found is not None:
            print(f"| {count} | {found['rss_mb']:.0f} |")


def main() -> None:
    """Runs the table, or one client of it."""
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__ or ""), formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=PAGES, help="at most so many for one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 5, 50])
    parser.add_argument("--peers", help="a Python with aiohttp and Scrapy")
    parser.add_argument("--json", help="write the rows there")
    for hidden in ("--client", "--base"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--latency", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--width", type=int, default=16, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client_main(options)
        return
    from fetch_trouble import bad_hosts, faults  # a client's process has no need of it

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with server(options.latencies) as (base, latencies):
        rows = table(options, base, latencies)
        ratios(rows)
        flat_memory(base)
    bad_hosts()
    faults()
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
