"""Measures the warehouse: against other loaders, and as it grows.

    python tests/bench/warehouse.py [--peers PYTHON] [--articles N] [--rounds N]
                                    [--stored N ...] [--plot FILE] [--json FILE]

Part one loads the same articles, given as dicts, with every loader, each in a process of its
own and in turn: all new, then all known, seen an hour later. ``--peers`` names a Python that has
the others (never the project's own environment): see ``peers.txt``. What is missing is left out
and named. Every loader gets all articles in one call; the second line of ours shows what the
batches of a run cost.

Part two upserts batches of 1000 articles, half of them known and spread over all that is
stored, into warehouses of ``--stored`` articles (10 million take 3 GB of disk and minutes to
make). Read ratios, of CPU first: times depend on the machine and on who else uses it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from warehouse_peers import LOADERS  # noqa: E402

from tests.bench.stored_articles import build, half_known, observed  # noqa: E402
from warehouse import ArticleRow, connect, transaction, upsert_articles  # noqa: E402

Row = dict[str, Any]
OURS = "copydesk"
BATCH = 1000


# --- part one: other loaders -----------------------------------------------------------------


def compare(python: str | None, count: int, rounds: int) -> list[Row]:
    """The medians of every loader that can be started; the loaders take turns."""
    runs: dict[str, list[Row]] = {name: [] for name in LOADERS}
    missing: set[str] = set()
    for _ in range(rounds):
        for name in LOADERS:
            interpreter = sys.executable if name.startswith(OURS) else python
            if name not in missing and not run_one(interpreter, name, count, runs[name]):
                missing.add(name)
    return [
        {"name": name}
        | {key: statistics.median(run[key] for run in found) for key in found[0] if key != "name"}
        for name, found in runs.items()
        if found
    ]


def run_one(interpreter: str | None, name: str, count: int, runs: list[Row]) -> bool:
    """Add the measurements of one run of a loader; return whether it started."""
    if not interpreter:
        print(f"left out: {name} (give --peers a Python that has it)")
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [interpreter, str(HERE / "warehouse_peers.py"), name, str(count), folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        print(f"left out: {name}: {done.stderr.strip().splitlines()[-1]}")
        return False
    runs.append(json.loads(done.stdout.splitlines()[-1]))
    return True


def show_loaders(rows: list[Row], count: int) -> None:
    ours = next(row for row in rows if row["name"] == OURS)
    for run, title in (("first", "all new"), ("second", "all known")):
        print(f"\n{count} articles as dicts: {title}")
        print(f"{'loader':26}{'articles/s':>11}{'ours is':>9}{'CPU us each':>13}{'ours is':>9}")
        for row in rows:
            wall, cpu = row[f"{run}_seconds"], row[f"{run}_cpu"]
            print(
                f"{row['name']:26}{count / wall:11.0f}{wall / ours[f'{run}_seconds']:8.1f}x"
                f"{cpu / count * 1e6:13.1f}{cpu / ours[f'{run}_cpu']:8.1f}x"
            )
    print(f"\n{'loader':26}{'peak MB':>9}{'of it new':>11}{'file MB':>9}{'bytes/article':>15}")
    for row in rows:
        print(
            f"{row['name']:26}{row['peak_mb']:9.0f}{row['over_start_mb']:11.0f}"
            f"{row['file_mb']:9.1f}{row['file_mb'] * 1e6 / count:15.0f}"
        )


# --- part two: growth ------------------------------------------------------------------------


def grow(stored: int, batches: int = 12) -> Row:
    """CPU and wall time of a batch, and of a cycle of opening, one batch and closing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "project.duckdb"
        build(path, stored)
        hot, cold = [], []
        with connect(path) as db:
            for batch in range(batches + 1):
                rows = half_known(batch, stored, BATCH)
                hot.append(timed(lambda rows=rows: upsert(db, rows)))
        for batch in range(batches + 1, batches + 8):
            rows = half_known(batch, stored, BATCH)
            cold.append(timed(lambda rows=rows: cycle(path, rows)))
        size = path.stat().st_size / 1e6
    return {
        "stored": stored,
        "batch_cpu_ms": statistics.median(cpu for cpu, _ in hot[1:]),
        "batch_ms": statistics.median(wall for _, wall in hot[1:]),
        "cycle_cpu_ms": statistics.median(cpu for cpu, _ in cold),
        "cycle_ms": statistics.median(wall for _, wall in cold),
        "file_mb": size,
    }


def upsert(db: Any, rows: list[ArticleRow]) -> None:
    with transaction(db):
        done = upsert_articles(db, map(observed, rows), run_id="bench")["s"]
    assert (done.new, done.unchanged) == (BATCH // 2, BATCH // 2), done


def cycle(path: Path, rows: list[ArticleRow]) -> None:
    with connect(path) as db:
        upsert(db, rows)


def timed(work: Any) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def show_growth(rows: list[Row]) -> None:
    print(f"\na batch of {BATCH}, half known, into a warehouse of so many articles (ms)")
    print(f"{'stored':>10}{'batch cpu':>11}{'wall':>8}{'open+batch+close cpu':>22}{'wall':>8}")
    for one in rows:
        print(
            f"{one['stored']:>10}{one['batch_cpu_ms']:11.1f}{one['batch_ms']:8.1f}"
            f"{one['cycle_cpu_ms']:22.1f}{one['cycle_ms']:8.1f}"
        )


PLOT = """
import json, sys
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
rows = json.loads(sys.argv[1]); x = [row["stored"] for row in rows]
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
lines = (("cycle_cpu_ms", "open + batch + close", "s"), ("batch_cpu_ms", "batch", "o"))
for key, name, marker in lines:
    y = [row[key] for row in rows]
    axes.plot(x, y, marker=marker, label=name)
    for at, value in zip(x, y):
        axes.annotate(f"{value:.0f}", (at, value), (0, 8), textcoords="offset points", ha="center")
names = {10**3: "1 k", 10**4: "10 k", 10**5: "100 k", 10**6: "1 M", 10**7: "10 M"}
axes.set_xscale("log"); axes.set_xticks(x, [names.get(at, f"{at:,}") for at in x]); axes.minorticks_off()
axes.set_ylim(0, 1.15 * max(row["cycle_cpu_ms"] for row in rows))
axes.set_xlabel("articles stored"); axes.set_ylabel("CPU time, ms")
axes.set_title("A batch of 1,000 articles, half of them known"); axes.legend(loc="upper left")
axes.grid(alpha=0.3); axes.margins(x=0.06)
figure.savefig(sys.argv[2], dpi=110)
"""


def plot(python: str | None, rows: list[Row], path: str) -> None:
    command = [python or sys.executable, "-c", PLOT, json.dumps(rows), path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(f"\n{path}" if not done.returncode else f"\nno plot: {done.stderr.splitlines()[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--peers", help="a Python with dlt, sqlite-utils, pandas, matplotlib")
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stored", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--plot", default=str(HERE / "growth.png"))
    parser.add_argument("--json", help="write all numbers there")
    asked = parser.parse_args()

    print(
        f"DuckDB {__import__('duckdb').__version__}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    loaders = compare(asked.peers, asked.articles, asked.rounds)
    show_loaders(loaders, asked.articles)
    growth = [grow(stored) for stored in asked.stored]
    if growth:
        show_growth(growth)
        plot(asked.peers, growth, asked.plot)
    if asked.json:
        Path(asked.json).write_text(json.dumps({"loaders": loaders, "growth": growth}, indent=1))


if __name__ == "__main__":
    main()
