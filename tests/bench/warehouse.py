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
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from warehouse_peers import LOADERS  # noqa: E402

from warehouse import (  # noqa: E402
    ArticleRow,
    Observation,
    connect,
    observe,
    transaction,
    upsert_articles,
)

Row = dict[str, Any]
OURS = "copydesk"
BATCH = 1000
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


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


def build(path: Path, count: int) -> None:
    """A warehouse of so many short articles, made by SQL: their keys are MD5, see `known`."""
    columns = {
        "article_key": "md5('a' || i)::UUID",
        "content_key": "md5('c' || i)::UUID",
        "record_key": "md5('r' || i)::UUID",
        "seen": "TIMESTAMPTZ '2024-01-01' + to_seconds(i)",
    }
    article, content, record, seen = columns.values()
    tag = "('0x' || md5('{}' || i)[:{}])::{}"
    source = f"FROM range({count}) t(i)"
    with connect(path) as db:
        db.execute(f"""
            INSERT INTO _store.article_versions BY NAME
            SELECT {tag.format("a", 8, "UINTEGER")} AS article_tag,
                   {tag.format("r", 16, "UBIGINT")} AS record_tag, {article} AS article_key,
                   {content} AS content_key, {record} AS record_key, {seen} AS seen_at,
                   i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.sightings BY NAME
            SELECT {article} AS article_key, {content} AS content_key, 'emnews' AS channel,
                   {seen} AS first_seen_at, {seen} AS last_seen_at, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.contents BY NAME
            SELECT {tag.format("c", 8, "UINTEGER")} AS content_tag, {content} AS content_key,
                   'c1:' || md5('c' || i) || md5('d' || i) AS content_hash,
                   {content} AS body_key, 'x' AS body_html, 'x' AS text,
                   {seen} AS first_seen_at, i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.article_records BY NAME
            SELECT {record} AS record_key, {article} AS article_key, {content} AS content_key,
                   's' AS "source", 'i' || i AS source_article_id,
                   'https://example.org/' || i AS url, 'https://example.org/' || i AS canonical_url,
                   'title ' || i AS title, [] AS authors, {seen} AS published_at,
                   '' AS published_raw, 'second' AS published_precision,
                   'value' AS published_timezone_source, [] AS categories, [] AS tags,
                   'p' AS "parser", '1' AS parser_version, '' AS provenance, 'r' AS run_id
            {source}""")
        db.execute("CHECKPOINT")


def half_known(batch: int, stored: int) -> list[ArticleRow]:
    known = [str((batch * 7919 + i * 9973) % stored) for i in range(1, BATCH, 2)]
    MADE.clear()
    MADE.update((f"i{number}", made_keys(number)) for number in known)
    fresh = [row(f"new-{batch}-{i}", batch) for i in range(0, BATCH, 2)]
    return [
        one
        for pair in zip(fresh, known, strict=True)
        for one in (pair[0], row(f"i{pair[1]}", batch))
    ]


def row(number: str, batch: int) -> ArticleRow:
    return ArticleRow(
        article_id=f"s:{number}",
        source="s",
        source_article_id=number,
        url=f"https://example.org/{number}",
        canonical_url=f"https://example.org/{number}",
        title=f"title {number}",
        body_html="x",
        text="x",
        content_hash="c1:" + sha256(number.encode()).hexdigest(),
        parser="p",
        parser_version="1",
        channel="emnews",
        fetched_at=SINCE + timedelta(minutes=batch),
    )


def observed(one: ArticleRow) -> Observation:
    """Observe a row; a made article gets its made keys, after the real ones are computed."""
    found = observe(one)
    made = MADE.get(one.source_article_id)
    return found if made is None else Observation(found.row, found.at, *made)


MADE: dict[str, tuple[bytes, bytes, bytes]] = {}


def made_keys(number: str) -> tuple[bytes, bytes, bytes]:
    article, content, record = (md5(letter + number) for letter in "acr")
    return article, content, record


def md5(text: str) -> bytes:
    return hashlib.md5(text.encode()).digest()  # noqa: S324 - DuckDB has no SHA-256 prefix as fast


def grow(stored: int, batches: int = 12) -> Row:
    """CPU and wall time of a batch, and of a cycle of opening, one batch and closing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "project.duckdb"
        build(path, stored)
        hot, cold = [], []
        with connect(path) as db:
            for batch in range(batches + 1):
                rows = half_known(batch, stored)
                hot.append(timed(lambda rows=rows: upsert(db, rows)))
        for batch in range(batches + 1, batches + 8):
            rows = half_known(batch, stored)
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
