"""copydesk in ``search.py``: load the corpus as a run does, search snapshots, add small batches."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from tests.bench.rows import article_row
from tests.bench.search_corpus import FIRST_DAY, SOURCES, Document, Query
from warehouse import (
    Observation,
    connect,
    connect_for_queries,
    observe,
    publish,
    transaction,
    upsert_articles,
)
from warehouse.care.compact import compact
from warehouse.search import index
from warehouse.upsert import articles, insert

SINCE = FIRST_DAY + timedelta(days=500)
BATCH = 1000
INDEX_TABLES = ("postings", "fresh", "runs", "docs", "articles")
_SMALL = (0, 1, 20)
_ROUNDS = 9
_TOP = "SELECT article_id FROM search(?, source := ?, since := ?, top := 10) ORDER BY rank"
_FULL = "SELECT * FROM search(?, source := ?, since := ?, top := 10)"

Span = tuple[float, float]


@contextmanager
def timed_index() -> Iterator[list[Span]]:
    """Collect the wall and CPU seconds of everything that an upsert does for the index."""
    spans: list[Span] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = function(*args, **kwargs)
            spans.append((time.perf_counter() - wall, time.process_time() - cpu))
            return result

        return call

    with _index_calls(*map(timed, (index.add_contents, articles.index_missing, _index_articles))):
        yield spans


@contextmanager
def no_index() -> Iterator[None]:
    """Store articles without an index: what everything else costs."""
    with _index_calls(lambda *_: {}, lambda *_, **__: 0, lambda *_: None):
        yield


_index_articles = insert.PendingInserts._index_articles


@contextmanager
def _index_calls(add: Any, missing: Any, index_articles: Any) -> Iterator[None]:
    before = index.add_contents, articles.index_missing
    index.add_contents = add
    articles.index_missing = missing  # type: ignore[attr-defined]
    insert.PendingInserts._index_articles = index_articles  # type: ignore[method-assign]
    try:
        yield
    finally:
        index.add_contents, articles.index_missing = before  # type: ignore[attr-defined]
        insert.PendingInserts._index_articles = _index_articles  # type: ignore[method-assign]


def measure(
    folder: Path, queries: list[Query], documents: list[Document]
) -> tuple[list[dict[str, Any]], dict[int, float]]:
    """Load, search, compact, search again.

    Returns:
        The results before and after the compaction, and what the index costs a transaction of
        0, 1 and 20 new articles, in milliseconds of CPU.
    """
    path, snapshot = folder / "bench.duckdb", folder / "bench.read.duckdb"
    build = _load(path, documents)
    with connect(path) as db:
        publish(db, snapshot)
    unmerged = {
        "engine": "copydesk, not compacted",
        **build,
        **search(snapshot, queries),
    }
    began = time.process_time()
    compact(path)
    print(f"compact: {time.process_time() - began:.1f} s of CPU", flush=True)
    with connect(path) as db:
        publish(db, snapshot)
    raw = sum(len((one.title + one.text).encode()) for one in documents)
    merged = {"engine": "copydesk", **build, **search(snapshot, queries)}
    merged["index / text"] = _index_bytes(path, folder) / raw
    with connect(path) as db:
        small = _small_batches(db, documents)
    return [unmerged, merged], small


def _load(path: Path, documents: list[Document]) -> dict[str, float]:
    batches = []
    with connect(path) as db:
        for start in range(0, len(documents), BATCH):
            rows = [_observed(one) for one in documents[start : start + BATCH]]
            with timed_index() as spans, transaction(db):
                upsert_articles(db, rows, run_id="bench")
            batches.append([sum(one) for one in zip(*spans, strict=True)])
    wall, cpu = ([one[i] * 1e3 for one in batches] for i in (0, 1))
    return {
        "ms per article": sum(cpu) / len(documents),
        "add 1000, ms": statistics.median(wall),
        "add 1000, cpu": statistics.median(cpu),
        "add 1000, worst cpu": max(cpu),
    }


def _small_batches(db: DuckDBPyConnection, documents: list[Document]) -> dict[int, float]:
    """Return the CPU of a transaction with the index minus that of one without it, medians.

    Contents that one transaction leaves out are indexed before the next.
    """
    numbers = iter(range(10**9, 10**10))
    known = [_observed(one) for one in documents[:20]]

    def rows(count: int) -> list[Observation]:
        fresh = [replace(one, number=next(numbers)) for one in documents[:count]]
        return [_observed(replace(one, text=f"{one.text} {one.number}")) for one in fresh] or known

    found: dict[tuple[int, bool], list[float]] = {}
    for _ in range(_ROUNDS):
        for count in _SMALL:
            found.setdefault((count, True), []).append(_transaction(db, rows(count)))
            with no_index():
                found.setdefault((count, False), []).append(_transaction(db, rows(count)))
            with transaction(db):
                index.index_missing(db, limit=100)
    medians = {key: statistics.median(values) for key, values in found.items()}
    return {count: medians[count, True] - medians[count, False] for count in _SMALL}


def _transaction(db: DuckDBPyConnection, rows: list[Observation]) -> float:
    began = time.process_time()
    with transaction(db):
        upsert_articles(db, rows, run_id="bench")
    return (time.process_time() - began) * 1e3


def _observed(one: Document) -> Observation:
    return observe(
        article_row(
            one.source,
            one.number,
            title=one.title,
            text=one.text,
            published_at=one.published_at,
            fetched_at=one.published_at,
        )
    )


def _index_bytes(path: Path, folder: Path) -> int:
    """Return the size of a file that holds nothing but the tables of the index."""
    copy = folder / "index.duckdb"
    copy.unlink(missing_ok=True)
    with duckdb.connect(config={"threads": "1"}) as db:
        db.execute(f"ATTACH '{path}' AS bench (READ_ONLY)")
        db.execute(f"ATTACH '{copy}' AS copy (STORAGE_VERSION 'v1.5.0')")
        for table in INDEX_TABLES:
            db.execute(f"CREATE TABLE copy.{table} AS FROM bench._store.search_{table}")
        db.execute("CHECKPOINT copy")
    return copy.stat().st_size


def search(file: Path, queries: Sequence[Query]) -> dict[str, Any]:
    """Run every query without and with filters, and with snippets: the best of three.

    Returns:
        Milliseconds of wall and CPU, the time of planning, and the numbers found.
    """
    numbers: list[list[int]] = []
    times: dict[str, list[Span]] = {"top": [], "filtered": [], "rows": []}
    kinds: dict[str, list[float]] = {}
    with connect_for_queries(file) as db:

        def run(sql: str, *values: object) -> tuple[list[Any], Span]:
            took = []
            for _ in range(3):
                wall, cpu = time.perf_counter(), time.process_time()
                rows = db.execute(sql, list(values)).fetchall()
                took.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
            return rows, (min(one for one, _ in took), min(one for _, one in took))

        for i, query in enumerate(queries):
            rows, span = run(_TOP, query.text, None, None)
            numbers.append([_number(one) for (one,) in rows])
            times["top"].append(span)
            kinds.setdefault(query.kind, []).append(span[1])
            source = SOURCES[i % len(SOURCES)]
            times["filtered"].append(run(_TOP, query.text, source, SINCE)[1])
            times["rows"].append(run(_FULL, query.text, None, None)[1])
        plans = [run(f"EXPLAIN {_TOP}", query.text, None, None)[1] for query in queries[:5]]
    print({kind: round(statistics.median(one), 1) for kind, one in kinds.items()}, "ms of CPU")
    wall, cpu = zip(*times["top"], *times["filtered"], strict=True)
    return {
        "median": statistics.median(wall),
        "p95": p95(wall),
        "cpu median": statistics.median(cpu),
        "cpu p95": p95(cpu),
        "with snippets, cpu median": statistics.median(one for _, one in times["rows"]),
        "explain, cpu": statistics.median(one for _, one in plans),
        "kinds": {kind: max(values) for kind, values in kinds.items()},
        "numbers": numbers,
    }


def _number(article_id: str) -> int:
    """Return the number of a document, or of the one that it is a copy of."""
    return int(article_id.partition(":")[2].partition("-")[0])


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile, by the nearest rank."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
