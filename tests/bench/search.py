"""Full-text search against SQLite FTS5 (trigram) and tantivy (bigrams), in one run.

``python tests/bench/search.py --peers .cache/peers/bin/python [--articles 100000]`` makes a synthetic
corpus with graded labels, loads it as a run does, searches the published snapshot before and
after a compaction, and prints one table. The peers get the same texts and queries, folded.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

sys.path[0] = str(Path(__file__).parents[2])

from tests.bench.search_corpus import FIRST_DAY, SOURCES, Document, Query, corpus  # noqa: E402
from warehouse import ArticleRow, connect, connect_for_queries, observe, publish, transaction  # noqa: E402
from warehouse.care.compact import compact  # noqa: E402
from warehouse.search import index  # noqa: E402
from warehouse.search.characters import LAST, fold  # noqa: E402
from warehouse.upsert import articles, insert  # noqa: E402

SINCE = FIRST_DAY + timedelta(days=500)
BATCH = 1000
_TOP = "SELECT article_id FROM search(?, source := ?, since := ?, top := 10) ORDER BY rank"
_FULL = "SELECT * FROM search(?, source := ?, since := ?, top := 10)"


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--peers", help="the Python with the packages to compare with")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    given = parser.parse_args()
    queries, documents = corpus(given.articles)
    raw = sum(len((one.title + one.text).encode()) for one in documents)
    print(
        f"{len(documents)} articles, {raw / len(documents):.0f} bytes each; {len(queries)} queries"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        results = _measure_own(folder, queries, documents, raw)
        if given.peers:
            results += _measure_peers(given.peers, folder, queries, documents, raw)
    _print(results, queries)


def _row(one: Document) -> ArticleRow:
    own_id = str(one.number)
    return ArticleRow(
        article_id=f"{one.source}:{own_id}",
        source=one.source,
        source_article_id=own_id,
        url=f"https://example.org/{own_id}",
        canonical_url=f"https://example.org/{own_id}",
        title=one.title,
        published_at=one.published_at,
        body_html="",
        text=one.text,
        content_hash="c1:" + sha256(f"{one.title}\n{one.text}".encode()).hexdigest(),
        parser="bench",
        parser_version="1",
        channel="bench",
        fetched_at=one.published_at,
    )


@contextmanager
def _timed() -> Iterator[list[tuple[float, float]]]:
    """Collect the wall and CPU seconds of everything that an upsert does for the index."""
    spans: list[tuple[float, float]] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            result = function(*args, **kwargs)
            spans.append((time.perf_counter() - wall, time.process_time() - cpu))
            return result

        return call

    add, missing = index.add_contents, articles.index_missing
    index_articles = insert.PendingInserts._index_articles
    index.add_contents = timed(add)  # type: ignore[assignment]
    articles.index_missing = timed(missing)  # type: ignore[attr-defined]
    insert.PendingInserts._index_articles = timed(index_articles)  # type: ignore[method-assign]
    try:
        yield spans
    finally:
        index.add_contents = add
        articles.index_missing = missing  # type: ignore[attr-defined]
        insert.PendingInserts._index_articles = index_articles  # type: ignore[method-assign]


def _measure_own(
    folder: Path, queries: list[Query], documents: list[Document], raw: int
) -> list[dict[str, Any]]:
    path, snapshot = folder / "bench.duckdb", folder / "bench.read.duckdb"
    batches = []
    with connect(path) as db:
        for start in range(0, len(documents), BATCH):
            rows = [observe(_row(one)) for one in documents[start : start + BATCH]]
            with _timed() as spans, transaction(db):
                articles.upsert_articles(db, rows, run_id="bench")
            batches.append((sum(one for one, _ in spans), sum(one for _, one in spans)))
        publish(db, snapshot)
    wall, cpu = ([one[i] * 1e3 for one in batches] for i in (0, 1))
    build = {
        "ms per article": sum(cpu) / len(documents),
        "add 1000, ms": statistics.median(wall),
        "add 1000, cpu": statistics.median(cpu),
        "add 1000, worst cpu": max(cpu),
    }
    print("index while loading:", {name: round(value, 3) for name, value in build.items()})
    unmerged = {
        "engine": "copydesk, not compacted",
        **build,
        **_search(snapshot, queries, documents),
    }
    began, cpu_began = time.perf_counter(), time.process_time()
    compact(path)
    print(
        f"compact: {time.perf_counter() - began:.1f} s, cpu {time.process_time() - cpu_began:.1f} s"
    )
    with connect(path) as db:
        publish(db, snapshot)
    merged = {"engine": "copydesk", **build, **_search(snapshot, queries, documents)}
    merged["index / text"] = _index_bytes(path, folder) / raw
    return [unmerged, merged]


def _index_bytes(path: Path, folder: Path) -> int:
    """Return the size of a file that holds nothing but the tables of the index."""
    copy = folder / "index.duckdb"
    copy.unlink(missing_ok=True)
    with duckdb.connect(config={"threads": "1"}) as db:
        db.execute(f"ATTACH '{path}' AS bench (READ_ONLY)")
        db.execute(f"ATTACH '{copy}' AS copy (STORAGE_VERSION 'v1.5.0')")
        for table in ("postings", "fresh", "runs", "docs", "articles"):
            db.execute(f"CREATE TABLE copy.{table} AS FROM bench._store.search_{table}")
        db.execute("CHECKPOINT copy")
    return copy.stat().st_size


def _search(snapshot: Path, queries: list[Query], documents: list[Document]) -> dict[str, Any]:
    numbers: list[list[int]] = []
    found: dict[str, list[float]] = {"wall": [], "cpu": [], "rows": [], "filtered": []}
    by_kind: dict[str, list[float]] = {}
    with connect_for_queries(snapshot) as db:

        def run(sql: str, *values: object) -> tuple[list[Any], float, float]:
            db.execute(sql, list(values)).fetchall()
            took = []
            for _ in range(2):
                wall, cpu = time.perf_counter(), time.process_time()
                rows = db.execute(sql, list(values)).fetchall()
                took.append((time.perf_counter() - wall, time.process_time() - cpu))
            return rows, min(one for one, _ in took), statistics.median(one for _, one in took)

        for i, query in enumerate(queries):
            rows, wall, cpu = run(_TOP, query.text, None, None)
            numbers.append([int(one.partition(":")[2]) for (one,) in rows])
            found["wall"].append(wall * 1e3)
            found["cpu"].append(cpu * 1e3)
            by_kind.setdefault(query.kind, []).append(cpu * 1e3)
            source = SOURCES[i % len(SOURCES)]
            found["filtered"].append(run(_TOP, query.text, source, SINCE)[1] * 1e3)
            found["rows"].append(run(_FULL, query.text, None, None)[1] * 1e3)
        plans = [run(f"EXPLAIN {_TOP}", query.text, None, None)[1] for query in queries[:10]]
    timed = sorted(found["wall"] + found["filtered"])
    print({kind: round(statistics.median(values), 1) for kind, values in by_kind.items()}, "cpu ms")
    return {
        "median": statistics.median(timed),
        "p95": _p95(timed),
        "cpu median": statistics.median(found["cpu"]),
        "cpu p95": _p95(found["cpu"]),
        "with snippet median": statistics.median(found["rows"]),
        "with snippet p95": _p95(found["rows"]),
        "plan": statistics.median(plans) * 1e3,
        "numbers": numbers,
    }


def _measure_peers(
    python: str, folder: Path, queries: list[Query], documents: list[Document], raw: int
) -> list[dict[str, Any]]:
    handed = folder / "peers.jsonl"
    with handed.open("w", encoding="utf-8") as file:
        for query in queries:
            file.write(json.dumps({"query": _folded(query.text)}) + "\n")
        for one in documents:
            document = {
                "number": one.number, "source": one.source, "time": int(one.published_at.timestamp()),
                "title": _folded(one.title), "text": _folded(one.text),
            }  # fmt: skip
            file.write(json.dumps(document, ensure_ascii=False) + "\n")
    script = Path(__file__).with_name("search_peers.py")
    command = [python, str(script), str(handed), str(folder), str(int(SINCE.timestamp()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for one in results:
        one["index / text"] = one.pop("bytes") / raw
    return results


def _folded(text: str) -> str:
    codes = fold(np.frombuffer(text.encode("utf-32-le"), np.uint32))
    return codes[codes <= LAST].tobytes().decode("utf-32-le")


def ndcg(query: Query, numbers: Sequence[int]) -> float:
    """Return nDCG@10 of a result."""

    def gain(grades: Sequence[int]) -> float:
        return sum((2**grade - 1) / math.log2(i + 2) for i, grade in enumerate(grades))

    best = gain(sorted(query.grades.values(), reverse=True)[:10])
    return gain([query.grades.get(one, 0) for one in numbers[:10]]) / best


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _print(results: list[dict[str, Any]], queries: list[Query]) -> None:
    kinds = list(dict.fromkeys(query.kind for query in queries))
    for one in results:
        scores = [ndcg(query, found) for query, found in zip(queries, one["numbers"], strict=True)]
        one["nDCG@10"] = statistics.mean(scores)
        for kind in kinds:
            own = [
                score for query, score in zip(queries, scores, strict=True) if query.kind == kind
            ]
            one[kind] = statistics.mean(own)
    names = [name for name in results[1] if name not in ("engine", "numbers")]
    print("| |", " | ".join(one["engine"] for one in results), "|")
    print("|---" * (len(results) + 1) + "|")
    for name in names:
        values = [one.get(name) for one in results]
        print(f"| {name} |", " | ".join("" if v is None else f"{v:.3g}" for v in values), "|")


if __name__ == "__main__":
    main()
