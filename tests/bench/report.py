"""Measures the report of a synthetic newsroom: time and size.

``python tests/bench/report.py [--articles 100000] [--rounds 3]`` makes eight sources with 180 days of
articles of 400 characters, their runs, fetches and failures, and reports on the snapshot.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path[0] = str(Path(__file__).parents[2])

from flows.web.report import make_report  # noqa: E402
from tests.newsroom import END, fill  # noqa: E402
from warehouse import connect, connect_for_queries, publish  # noqa: E402


def main() -> None:
    """Make the newsroom, report on it a few times, and print the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with connect(Path(folder) / "bench.duckdb") as db:
            fill(db, given.articles)
            path = publish(db, Path(folder) / "bench.read.duckdb").path
        seconds = []
        for _ in range(given.rounds):
            wall, cpu = time.perf_counter(), time.process_time()
            with connect_for_queries(path) as db:
                page = make_report(db, at=END, zone=ZoneInfo("Asia/Shanghai")).html.encode()
            seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = (statistics.median(column) for column in zip(*seconds, strict=True))
    print(f"{given.articles:,} articles: {wall:.2f} s, {cpu:.2f} s of CPU")
    print(f"{len(page):,} bytes, {len(gzip.compress(page)):,} compressed")


if __name__ == "__main__":
    main()
