"""Measures the pages of ``copydesk browse`` while a writer publishes snapshots.

``python tests/bench/browse.py [--articles 100000] [--rounds 40]`` makes a synthetic newsroom and asks for
every page in turn; each round searches another word and opens another article.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

import psutil  # noqa: E402
import requests  # noqa: E402

from tests.newsroom import articles, fill  # noqa: E402
from warehouse import connect, observe, publish, transaction, upsert_articles  # noqa: E402

WORDS = (
    "央行",
    "新能源汽车",
    "Harbour",
    "碳中和 公布",
    '"Fish prices"',
    "芯片",
    "Stadtrat",
    "人工智能 迎来",
)
SQL = "select source, count(*) from articles group by source"


def main() -> None:
    """Make the newsroom, serve it, and print the times of each page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copydesk.toml").write_text('[warehouse]\npath = "bench.duckdb"\n', "utf-8")
        with connect(folder / "bench.duckdb") as db:
            fill(db, given.articles, text_length=1000)
            publish(db, folder / "bench.read.duckdb")
        command = [sys.executable, "-m", "flows.cli", "--config", f"{folder}/copydesk.toml", "browse",
                   "--port", "0"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().split()[0].rstrip("/")
            stop = threading.Event()
            writer = threading.Thread(target=write, args=(folder, stop))
            writer.start()
            try:
                measure(url, psutil.Process(server.pid), given.rounds)
            finally:
                stop.set()
                writer.join()
                server.terminate()


def write(folder: Path, stop: threading.Event) -> None:
    """Store batches of 20 articles and publish them, as runs of several sources would."""
    rows = iter(articles(10_000, seed=time.time_ns()))
    while not stop.wait(2):
        with connect(folder / "bench.duckdb") as db:
            with transaction(db):
                upsert_articles(db, [observe(next(rows)) for _ in range(20)], run_id="run")
            publish(db, folder / "bench.read.duckdb")


def measure(url: str, server: psutil.Process, rounds: int) -> None:
    """Ask for the pages; print median and 95th percentile of each, and the memory."""
    rng = random.Random(7)  # noqa: S311  # the same requests each time
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    peak = 0
    with requests.Session() as session:
        session.trust_env = False
        ids = [one["article_id"] for one in session.get(f"{url}/articles.json").json()["articles"]]
        for _ in range(rounds):
            query, article = {"q": rng.choice(WORDS)}, {"id": rng.choice(ids)}
            for path, values in (
                ("/articles", {"page": rng.randint(1, 9)}), ("/articles", query),
                ("/article", article), ("/article/body", article), ("/sources", {}),
                ("/source", {"name": "finews"}), ("/quarantine", {}), ("/gaps", {}), ("/runs", {}),
                ("/sql", {"sql": SQL}),
            ):  # fmt: skip
                cpu, wall = cpu_seconds(server), time.perf_counter()
                session.get(url + path, params=values).raise_for_status()
                spent = time.perf_counter() - wall, cpu_seconds(server) - cpu
                times[f"{path}{'?q' if values is query else ''}"].append(spent)
                peak = max(peak, server.memory_info().rss)
    times["all"] = [one for found in times.values() for one in found]
    for name, found in times.items():
        wall, cpu = (sorted(1000 * one for one in column) for column in zip(*found, strict=True))
        at = int(0.95 * len(wall))
        print(f"{name:14} {statistics.median(wall):5.0f} ms, 95% {wall[at]:5.0f} ms;"
              f" CPU {statistics.median(cpu):4.0f}, {cpu[at]:4.0f} ms")  # fmt: skip
    print(f"memory {peak / 1e6:.0f} MB; load {psutil.getloadavg()[0]:.1f}")


def cpu_seconds(server: psutil.Process) -> float:
    """CPU time of the server, and of its process for statements."""
    return sum(
        one.cpu_times().user + one.cpu_times().system for one in (server, *server.children())
    )


if __name__ == "__main__":
    main()
