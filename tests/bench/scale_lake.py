"""A batch in a lake against a batch in a file: CPU, files, statements, requests; and its readers.

    python tests/bench/scale_lake.py [--batches 8] [--rounds 3] [--json FILE]
    python tests/bench/scale_lake.py --grow ARTICLES

A batch has 200 articles of 1.3 KB of Chinese, half of them known. Each place is a process of its
own, and the places take turns. PostgreSQL and the server of the bucket are other processes, so
their work is not in the CPU of the writer: that of PostgreSQL has its own column. Exits with 4
when a lake needs more than four times the CPU of the file. ``--grow`` measures batches into a
lake that has so many articles, which have no words in the index of the search.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

sys.path[0] = str(Path(__file__).parents[2])

from tests.bench.rows import article_row  # noqa: E402
from tests.bench.stored_articles import build, half_known, observed  # noqa: E402
from warehouse import ArticleRow, connect, observe, transaction, upsert_articles  # noqa: E402
from warehouse.db import opened  # noqa: E402
from warehouse.instance import NAME  # noqa: E402
from warehouse.location import Lake, Location  # noqa: E402
from warehouse.records import runs  # noqa: E402

Figures = dict[str, Any]
logging.getLogger("werkzeug").setLevel(logging.ERROR)

GOAL = 4.0
BATCH = 200
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
FILE, DUCKDB, POSTGRES, S3 = "file", "lake, DuckDB", "lake, PostgreSQL", "lake, PostgreSQL, S3"
PLACES = (FILE, DUCKDB, POSTGRES, S3)
QUERIES = {
    "count": "SELECT count(*) FROM articles",
    "newest": "SELECT title, url FROM articles ORDER BY published_at DESC LIMIT 20",
    "article": "SELECT title, text FROM articles WHERE article_id = 'bench:150'",
}
_CHARACTERS = (
    "新华社记者示例城市公司工程项目建设发展经济市场产业技术企业投资增长季度报告数据能源交通港口"
)
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure every place, print the table; return 4 when the goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--grow", type=int, help="articles stored before, in a lake on DuckDB")
    parser.add_argument("--small", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(_measure_here(_location(given.child), given.batches, given.small)))
        return 0
    if given.grow:
        with tempfile.TemporaryDirectory() as folder:
            place = _location([f"{folder}/news.ducklake", f"{folder}/data"])
            print(json.dumps(grow(place, given.grow, given.batches)))
        return 0
    figures = measure(given.batches, given.rounds)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print_table(figures)
    worst = max(one["cpu_ms"] for one in figures.values()) / figures[FILE]["cpu_ms"]
    print(f"worst lake / file: {worst:.1f} (goal: at most {GOAL:g})")
    return 4 if worst > GOAL else 0


def measure(batches: int, rounds: int) -> dict[str, Figures]:
    """Return the medians of each place; the places take turns."""
    runs: dict[str, list[Figures]] = {name: [] for name in PLACES}
    with _servers() as (server, bucket):
        for number in range(rounds):
            for name in PLACES:
                runs[name].append(_run(name, number, batches, server, bucket))
    return {
        name: {key: _middle([one[key] for one in found]) for key in found[0]}
        for name, found in runs.items()
    }


def _middle(values: list[Any]) -> Any:
    """Return the median of figures, or all members of lists."""
    if isinstance(values[0], list):
        return [one for some in values for one in some]
    return statistics.median(values)


def grow(place: Location, stored: int, batches: int) -> Figures:
    """Return the CPU of batches into a warehouse that has so many articles."""
    build(place, stored)
    used = []
    with connect(place) as db:
        for number in range(1 + batches):
            given = half_known(number, stored, BATCH)
            used.append(_cpu(lambda given=given: _upsert(db, given)))  # type: ignore[misc]
    return {"stored": stored, "batch_cpu_ms": statistics.median(used[1:])}


def print_table(figures: dict[str, Figures]) -> None:
    """Print one line a place."""
    print(
        "| 200 articles, half known | CPU ms | / file | PostgreSQL ms | statements | rows | files | KB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, one in figures.items():
        ratio = one["cpu_ms"] / figures[FILE]["cpu_ms"]
        sizes = "- | -" if name == S3 else f"{one['files']:.1f} | {one['kilobytes']:.0f}"
        print(
            f"| {name} | {one['cpu_ms']:.0f} | {ratio:.1f} | {one['postgres_ms']:.0f} | "
            f"{one['statements']:.0f} | {one['catalog_rows']:.0f} | {sizes} |"
        )
    print(
        "\n| a reader, ms of CPU (wall) | open | " + " | ".join(QUERIES) + " | open again, writer |"
    )
    print("|---|" + "---|" * (len(QUERIES) + 2))
    for name, one in figures.items():
        cells = [
            f"{one[f'{key}_ms']:.0f} ({one[f'{key}_wall_ms']:.0f})" for key in ("open", *QUERIES)
        ]
        print(f"| {name} | {' | '.join(cells)} | {one['reopen_ms']:.0f} |")
    merged = figures[POSTGRES]
    print(
        f"\nmerging, a batch: {merged['merge_ms']:.0f} ms of CPU, {merged['merged_kilobytes']:.0f} KB, "
        f"{merged['merged_files']:.0f} files in all"
    )
    print(
        f"a transaction with one row: {merged['small_cpu_ms']:.0f} ms of CPU, PostgreSQL "
        f"{merged['small_postgres_ms']:.0f} ms, {merged['small_statements']:.0f} statements, "
        f"{merged['small_catalog_rows']:.0f} rows"
    )
    print(
        f"requests of a batch to S3: {figures[S3]['requests']:.1f}, of these PUT {figures[S3]['puts']:.1f}"
    )


# --- one place, in a process of its own ------------------------------------------------------


def _measure_here(place: Location, batches: int, small: int) -> Figures:
    with connect(place) as db:
        for number in range(2):
            _load(db, number)
        before = _size(place)
        used = [_cpu(lambda one=number: _load(db, one)) for number in range(2, 2 + batches)]  # type: ignore[misc]
        files, size = (after - first for after, first in zip(_size(place), before, strict=True))
        used_by_small = [_cpu(lambda: _begin_run(db)) for _ in range(small)]
    found = {
        "cpu_ms": statistics.mean(used),
        "each_cpu_ms": [round(one) for one in used],
        "small_cpu_ms": statistics.mean(used_by_small),
        "files": files / batches,
        "kilobytes": size / 1000 / batches,
        "reopen_ms": _cpu(lambda: _reopen(place)),
    }
    found |= _merge(place, 2 + batches)
    with ExitStack() as stack:
        _timed(found, "open", lambda: stack.enter_context(opened(place)), 1)
        db = stack.enter_context(opened(place))
        for key, sql in QUERIES.items():
            _timed(found, key, lambda sql=sql: db.execute(sql).fetchall(), 5)  # type: ignore[misc]
    return found


def _merge(place: Location, batches: int) -> Figures:
    """Merge the files of a lake in a folder, as maintenance does; the figures are those of a batch."""
    if not isinstance(place, Lake):
        return dict.fromkeys(("merge_ms", "merged_kilobytes", "merged_files"), 0.0)
    with connect(place) as db:
        began = time.process_time()
        db.execute(f"CALL ducklake_flush_inlined_data('{NAME}')")
        db.execute(f"CALL ducklake_merge_adjacent_files('{NAME}')")
        db.execute(f"CALL ducklake_expire_snapshots('{NAME}', older_than => now())")
        db.execute(f"CALL ducklake_cleanup_old_files('{NAME}', cleanup_all => true)")
        merge = time.process_time() - began
    files, size = _size(place)
    return {
        "merge_ms": merge * 1000 / batches,
        "merged_kilobytes": size / 1000 / batches,
        "merged_files": float(files),
    }


def _upsert(db: Any, given: list[ArticleRow]) -> None:
    with transaction(db):
        upsert_articles(db, map(observed, given), run_id="bench")


def _cpu(work: Callable[[], Any]) -> float:
    """Milliseconds of CPU of this process that a work takes."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _reopen(place: Location) -> None:
    with connect(place):
        pass


def _begin_run(db: Any) -> None:
    """Store one row, as a run does at its begin."""
    with transaction(db):
        runs.start_run(db, flow="sync", sources=["bench"], code_version="bench")


def _timed(found: Figures, key: str, work: Callable[[], Any], times: int) -> None:
    cpu, wall = [], []
    for _ in range(times):
        cpu_began, wall_began = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - cpu_began)
        wall.append(time.perf_counter() - wall_began)
    found[f"{key}_ms"] = statistics.median(cpu) * 1000
    found[f"{key}_wall_ms"] = statistics.median(wall) * 1000


def _load(db: Any, number: int) -> None:
    """Store a batch: the second half of the one before, and as many new articles."""
    rows = [_row(BATCH // 2 * number + i) for i in range(BATCH)]
    with transaction(db):
        upsert_articles(db, map(observe, rows), run_id="bench")


def _row(number: int) -> ArticleRow:
    chance = Random(number)  # noqa: S311 - the same on every machine
    text = "".join(chance.choices(_CHARACTERS, k=433))
    at = SINCE + timedelta(minutes=number)
    return article_row(
        "bench",
        number,
        title=text[:20],
        text=text,
        published_at=at,
        fetched_at=at + timedelta(hours=1),
    )


def _size(place: Location) -> tuple[int, int]:
    """The number of files and bytes of a place; a bucket is counted by its requests."""
    if isinstance(place, Lake):
        files = list(Path(place.data).rglob("*.parquet"))
        return len(files), sum(one.stat().st_size for one in files)
    return 0, place.stat().st_size


def _location(given: list[str]) -> Location:
    catalog, data = given
    return Lake(catalog, data) if data else Path(catalog)


# --- the servers -----------------------------------------------------------------------------


@contextmanager
def _servers() -> Iterator[tuple[str, Any]]:
    from tests.scale import buckets, postgres

    with postgres.serving() as server, buckets.serving() as (endpoint, faults):
        buckets.client(endpoint).create_bucket(Bucket=buckets.NAME)
        yield server, (endpoint, faults)


def _run(name: str, number: int, batches: int, server: str, bucket: Any) -> Figures:
    """Measure a place in another process, and what the servers did for it."""
    from tests.scale import buckets, postgres

    endpoint, faults = bucket
    environment = os.environ | buckets.ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint}
    # Opening and reading cost the same in all: the differences are those of the transactions.
    counts = {"first": (1, 1), "batches": (1 + batches, 1), "small": (1, 1 + 4 * batches)}
    found: dict[str, tuple[Figures, Figures]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, (batch_count, small_count) in counts.items():
            if name in {FILE, DUCKDB} and kind != "batches":
                continue
            catalog, data = f"{folder}/{kind}.duckdb", ""
            if name != FILE:
                data = f"{folder}/{kind}" if name != S3 else f"s3://{buckets.NAME}/{number}/{kind}"
            if name in {POSTGRES, S3}:
                database = f"bench_{len(name)}_{number}_{kind}"
                catalog = f"postgres:{postgres.new_database(server, database)}"
            command = [sys.executable, __file__, "--child", catalog, data]
            command += ["--batches", str(batch_count), "--small", str(small_count)]
            with _servers_at_work(server, catalog, faults) as used:
                done = subprocess.run(
                    command, env=environment, stdout=subprocess.PIPE, text=True, check=True
                )
            found[kind] = json.loads(done.stdout), used
    figures, used = found["batches"]
    _, first = found.get("first", found["batches"])
    _, small = found.get("small", found["batches"])
    figures |= {key: (used[key] - first[key]) / batches for key in used}
    return figures | {f"small_{key}": (small[key] - first[key]) / 4 / batches for key in used}


@contextmanager
def _servers_at_work(server: str, catalog: str, faults: Any) -> Iterator[Figures]:
    """Yield what the servers did during the block, filled at its end."""
    before, used = _postgres_figures(server, catalog), Figures()
    faults.reset()
    yield used
    after = _postgres_figures(server, catalog)
    used |= {key: after[key] - before[key] for key in after}
    used["requests"] = len(faults.requests)
    used["puts"] = sum(one[0] == "PUT" for one in faults.requests)


def _postgres_figures(server: str, catalog: str) -> Figures:
    """CPU of all processes of the server, and the work of a database so far."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as db:
        data, log = db.execute(
            "SELECT current_setting('data_directory'), current_setting('unix_socket_directories')"
        ).fetchall()[0]
        db.execute("ALTER SYSTEM SET log_statement = 'all'")
        db.execute("SELECT pg_reload_conf()")
    found = {
        "postgres_ms": _cpu_of(int((Path(data) / "postmaster.pid").read_text().split()[0])) * 1000
    }
    text = (Path(log) / "log").read_text(errors="replace")
    found["statements"] = text.count("LOG:  statement: ") + text.count("LOG:  execute ")
    found["catalog_rows"] = found["catalog_kilobytes"] = 0.0
    if catalog.startswith("postgres:"):
        with psycopg.connect(catalog.removeprefix("postgres:"), autocommit=True) as db:
            found["catalog_rows"], size = db.execute(
                "SELECT sum(n_tup_ins)::float8, pg_database_size(current_database())::float8 "
                "FROM pg_stat_user_tables"
            ).fetchall()[0]
            found["catalog_rows"] = found["catalog_rows"] or 0.0
            found["catalog_kilobytes"] = size / 1000
    return found


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process and its children, the ended ones included."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if stat.parent.name == str(pid):
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13]))
    return total / _TICKS


if __name__ == "__main__":
    sys.exit(main())
