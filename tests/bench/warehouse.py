"""Measures the warehouse: against other loaders, and as it grows.

    python tests/bench/warehouse.py [--peers PYTHON] [--articles N] [--rounds N]
                                    [--stored N ...] [--plot FILE] [--json FILE]

Part one loads the same articles, given as dicts, with every loader, each in a process of its
own: all new, then all known. ``--peers`` names a Python that has the others (never the
project's own environment): dlt[duckdb,parquet], sqlite-utils, pandas, matplotlib; with
``duckdb==1.5.5``. What is missing is left out and named.

Part two upserts batches of 1000 articles, half of them known and spread over all that is
stored, into warehouses of ``--stored`` articles (10 million take 3 GB of disk and minutes to
make). Read ratios: absolute times depend on the machine and on who else uses it.
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
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from warehouse_peers import LOADERS  # noqa: E402

from warehouse import ArticleRow, connect, sights, transaction, upsert_articles  # noqa: E402

Row = dict[str, Any]
OURS = "copydesk"
BATCH = 1000
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


# --- part one: other loaders -----------------------------------------------------------------


def compare(python: str | None, count: int, rounds: int) -> list[Row]:
    """The medians of every loader that can be started."""
    found = []
    for name in LOADERS:
        interpreter = sys.executable if name == OURS else python
        if not interpreter:
            print(f"left out: {name} (give --peers a Python that has it)")
            continue
        runs = [one for _ in range(rounds) if (one := measured(interpreter, name, count))]
        if runs:
            found.append(
                {"name": name}
                | {k: statistics.median(run[k] for run in runs) for k in runs[0] if k != "name"}
            )
    return found


def measured(interpreter: str, name: str, count: int) -> Row | None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [interpreter, str(HERE / "warehouse_peers.py"), name, str(count), folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        print(f"left out: {name}: {done.stderr.strip().splitlines()[-1]}")
        return None
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def show_loaders(rows: list[Row], count: int) -> None:
    ours = next(row for row in rows if row["name"] == OURS)
    print(f"\n{count} articles as dicts: all new, then all known")
    print(
        f"{'loader':26}{'new/s':>9}{'ours is':>9}{'known/s':>10}{'ours is':>9}{'peak MB':>9}{'file MB':>9}"
    )
    for row in rows:
        first, second = (count / row[f"{run}_seconds"] for run in ("first", "second"))
        faster = [row[f"{run}_seconds"] / ours[f"{run}_seconds"] for run in ("first", "second")]
        print(
            f"{row['name']:26}{first:9.0f}{faster[0]:8.1f}x{second:10.0f}{faster[1]:8.1f}x"
            f"{row['peak_mb']:9.0f}{row['file_mb']:9.1f}"
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
            INSERT INTO _store.versions BY NAME
            SELECT {tag.format("a", 8, "UINTEGER")} AS article_tag,
                   {tag.format("r", 16, "UBIGINT")} AS record_tag, {article} AS article_key,
                   {content} AS content_key, {record} AS record_key, {seen} AS seen_at,
                   i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.seen BY NAME
            SELECT {article} AS article_key, {content} AS content_key, 'emnews' AS channel,
                   {seen} AS first_seen_at, {seen} AS last_seen_at, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.contents BY NAME
            SELECT {tag.format("c", 8, "UINTEGER")} AS content_tag, {content} AS content_key,
                   'c1:' || md5('c' || i) || md5('d' || i) AS content_hash,
                   {content} AS body_key, 'x' AS body_html, 'x' AS text,
                   {seen} AS first_seen_at, i AS seq, 'r' AS run_id {source}""")
        db.execute(f"""
            INSERT INTO _store.records BY NAME
            SELECT {record} AS record_key, {article} AS article_key, {content} AS content_key,
                   's' AS "source", 'i' || i AS source_article_id,
                   'https://example.org/' || i AS url, 'https://example.org/' || i AS canonical_url,
                   'title ' || i AS title, [] AS authors, {seen} AS published_at,
                   '' AS published_raw, 'second' AS published_precision,
                   'value' AS published_zone_from, [] AS categories, [] AS tags,
                   'p' AS "parser", '1' AS parser_version, '' AS provenance, 'r' AS run_id
            {source}""")
        db.execute("CHECKPOINT")


def half_known(batch: int, stored: int) -> list[ArticleRow]:
    return [
        row(f"i{(batch * 7919 + i * 9973) % stored}" if i % 2 else f"new-{batch}-{i}", batch)
        for i in range(BATCH)
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


def with_made_keys(plain: Any) -> Any:
    """The keys of made articles, at the cost of the real ones, which are computed too."""
    made = {}

    def sight(one: ArticleRow) -> sights.Sight:
        found = plain(one)
        if not one.source_article_id.startswith("i"):
            return found
        number = one.source_article_id[1:]
        keys = made.get(number) or [md5(letter + number) for letter in "acr"]
        made[number] = keys
        return found._replace(article_key=keys[0], content_key=keys[1], record_key=keys[2])

    return sight


def md5(text: str) -> bytes:
    import hashlib

    return hashlib.md5(text.encode()).digest()  # noqa: S324 - DuckDB has no SHA-256 prefix as fast


def grow(stored: int, batches: int = 12) -> Row:
    """CPU and wall time of a batch, and of a cycle of opening, one batch and closing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "desk.duckdb"
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
        done = upsert_articles(db, rows, run_id="bench")["s"]
    assert (done.new, done.unmodified) == (BATCH // 2, BATCH // 2), done


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


def plot(python: str | None, rows: list[Row], path: str) -> None:
    code = (
        "import sys, json; import matplotlib; matplotlib.use('Agg')\n"
        "import matplotlib.pyplot as plt\n"
        "rows = json.loads(sys.argv[1]); x = [r['stored'] for r in rows]\n"
        "for key, name in (('batch_cpu_ms', 'batch, CPU'), ('cycle_cpu_ms', 'open + batch + close, CPU')):\n"
        "    plt.plot(x, [r[key] for r in rows], marker='o', label=name)\n"
        "plt.xscale('log'); plt.ylim(bottom=0); plt.xlabel('articles stored'); plt.ylabel('ms')\n"
        "plt.title('1,000 articles, half of them known'); plt.legend(); plt.grid(alpha=0.3)\n"
        "plt.savefig(sys.argv[2], dpi=110)\n"
    )
    command = [python or sys.executable, "-c", code, json.dumps(rows), path]
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
    sights._sight = with_made_keys(sights._sight)
    growth = [grow(stored) for stored in asked.stored]
    if growth:
        show_growth(growth)
        plot(asked.peers, growth, asked.plot)
    if asked.json:
        Path(asked.json).write_text(json.dumps({"loaders": loaders, "growth": growth}, indent=1))


if __name__ == "__main__":
    main()
