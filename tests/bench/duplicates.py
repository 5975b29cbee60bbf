"""Pairs of articles with the same text: precision, recall by kind, CPU and size.

``python tests/bench/duplicates.py [--stories 1000] [--seed 2] [--background 0 100000 1000000]`` makes a
corpus with known pairs, stores it as runs do, and compares the view ``syndication`` with the truth. The
background are fingerprints of random texts, written by SQL. Thresholds were chosen with seed 1.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

sys.path[0] = str(Path(__file__).parents[2])

from tests.bench.duplicates_corpus import VARIANTS, Document, corpus  # noqa: E402
from tests.bench.rows import article_row  # noqa: E402
from warehouse import ArticleRow, connect, observe, transaction, upsert_articles  # noqa: E402
from warehouse.syndication import index, pairs  # noqa: E402

_BACKGROUND = """
    INSERT INTO _store.syndication_docs
    SELECT i::UINTEGER, -i, 4, 38, hash(i) FROM range(1, {count} + 1) t(i)
"""
# One in 16 values of 32 bits, sorted, as a batch of 1,000 contents would store them.
_PRINTS = """
    INSERT INTO _store.syndication_prints
    SELECT print, doc FROM (
        SELECT DISTINCT (hash(i * 64 + j) >> 36)::UINTEGER AS print, i::UINTEGER AS doc
        FROM range({first}, {end}) t(i), range(38) u(j)
    ) ORDER BY print
"""


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--background", type=int, nargs="*", default=[0, 100_000, 1_000_000])
    parser.add_argument("--batch", type=int, default=1000)
    given = parser.parse_args()
    documents = corpus(given.stories, given.seed)
    size = sum(len(one.text.encode()) for one in documents) / len(documents)
    print(f"{len(documents)} articles, {size:.0f} bytes each, seed {given.seed}")
    for background in given.background:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), documents, background, given.batch)


def _measure(folder: Path, documents: list[Document], background: int, batch: int) -> None:
    path = folder / "bench.duckdb"
    with connect(path) as db:
        _fill(db, background)
        with _timed() as spans:
            for start in range(0, len(documents), batch):
                rows = [observe(_row(one)) for one in documents[start : start + batch]]
                with transaction(db):
                    upsert_articles(db, rows, run_id="bench")
        began = time.process_time()
        found = db.execute("SELECT article_id, other_article_id, kind FROM syndication").fetchall()
        view = time.process_time() - began
        docs = _number(db, "SELECT count(*) FROM _store.syndication_docs")
        common = _number(db, "SELECT count(*) FROM _store.syndication_common")
        db.execute("CHECKPOINT")
    cpu = sum(spans) / len(documents) * 1e3
    print(
        f"\nbackground {background}: cpu {cpu:.3f} ms an article (batches of {batch}), view "
        f"{view * 1e3:.0f} ms cpu, {_bytes(path, folder) / docs:.0f} bytes an article, "
        f"{common} frequent fingerprints, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )
    _print_quality(documents, found)


def _print_quality(documents: list[Document], found: Sequence[tuple[str, str, str]]) -> None:
    of_id = {_article_id(one): one for one in documents if one.kind != "correction"}
    kinds: dict[str, Counter[str]] = {}
    wrong: Counter[tuple[str, str]] = Counter()
    kind_of = {}
    for first, second, kind in found:
        a, b = of_id[first], of_id[second]
        if a.story != b.story:
            wrong[tuple(sorted((a.kind, b.kind)))] += 1  # type: ignore[index]
        kind_of[first, second] = kind_of[second, first] = kind
    originals = {one.story: _article_id(one) for one in documents if one.kind == "original"}
    for one in documents:
        if one.kind in VARIANTS and one.kind != "correction":
            pair = originals[one.story], _article_id(one)
            kinds.setdefault(one.kind, Counter())[kind_of.get(pair, "missed")] += 1
    print("| variant | recall | as |\n|---|---|---|")
    for variant in VARIANTS:
        if counts := kinds.get(variant):
            recall = 1 - counts["missed"] / counts.total()
            print(f"| {variant} | {recall:.4f} | {_shares(counts)} |")
    light = sum((one for kind, one in kinds.items() if kind != "rewritten 30%"), Counter())
    every = sum(kinds.values(), Counter())
    false = wrong.total()
    true = len(found) - false
    print(
        f"recall {1 - every['missed'] / every.total():.4f}, without rewritten 30% "
        f"{1 - light['missed'] / light.total():.4f}; precision {true / max(1, len(found)):.4f} "
        f"({false} wrong of {len(found)} pairs); over originals and wrong pairs "
        f"{(every.total() - every['missed']) / (every.total() - every['missed'] + false):.4f}"
    )
    itself = sum(first == second for first, second, _ in found)
    print(f"wrong pairs: {dict(wrong)}; articles paired with themselves: {itself}")


def _shares(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {n / counts.total():.3f}" for kind, n in counts.most_common())


def _fill(db: duckdb.DuckDBPyConnection, count: int) -> None:
    db.execute(_BACKGROUND.format(count=count))
    for first in range(1, count + 1, 1000):
        db.execute(_PRINTS.format(first=first, end=min(first + 1000, count + 1)))
    db.execute("CHECKPOINT")


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Collect the CPU seconds of everything that an upsert does for the pairs."""
    spans: list[float] = []
    add, missing = pairs.add_contents, index.count_missing

    def timed(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            result = function(*args, **kwargs)
            spans.append(time.process_time() - began)
            return result

        return call

    pairs.add_contents, index.count_missing = timed(add), timed(missing)
    try:
        yield spans
    finally:
        pairs.add_contents, index.count_missing = add, missing


def _bytes(path: Path, folder: Path) -> int:
    """Return the size of a file that holds nothing but the tables of the pairs."""
    copy = folder / "copy.duckdb"
    with duckdb.connect(config={"threads": "1"}) as db:
        db.execute(f"ATTACH '{path}' AS bench (READ_ONLY)")
        db.execute(f"ATTACH '{copy}' AS copy (STORAGE_VERSION 'v1.5.0')")
        for table in ("prints", "common", "docs", "pairs"):
            db.execute(f"CREATE TABLE copy.{table} AS FROM bench._store.syndication_{table}")
        db.execute("CHECKPOINT copy")
    return copy.stat().st_size


def _number(db: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(db.execute(sql).fetchall()[0][0])


def _article_id(one: Document) -> str:
    return f"{one.source}:{one.number}"


def _row(one: Document) -> ArticleRow:
    return article_row(
        one.source,
        one.number,
        title=one.title,
        text=one.text,
        published_at=one.at,
        fetched_at=one.at + timedelta(minutes=5),
    )


if __name__ == "__main__":
    main()
