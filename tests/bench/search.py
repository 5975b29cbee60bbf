"""Full-text search against SQLite FTS5 (trigram) and tantivy (bigrams), in one run.

``python tests/bench/search.py --peers .cache/peers/bin/python [--articles 100000]`` makes a synthetic
corpus with graded labels, loads it as a run does, searches the published snapshot before and
after a compaction, imports posts with the index and without it, and prints each target beside its
value. The peers get the same texts and queries, folded. More than 100,000 articles are shifted copies
of so many. Targets are of two cores without other work: on a busy machine compare the CPU times.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path[0] = str(Path(__file__).parents[2])

from tests.bench import search_import, search_million, search_own  # noqa: E402
from tests.bench.search_corpus import Document, Query, corpus  # noqa: E402
from warehouse.search.characters import LAST, fold  # noqa: E402

MOST_MADE = 100_000
POSTS = 3_000
# Kinds of which every term is rare, in any number of copies.
RARE = ("one term", "long term", "phrase", "mixed")

Line = tuple[str, str, float, bool]


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--articles", type=int, default=MOST_MADE)
    parser.add_argument("--peers", help="the Python with the packages to compare with")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    given = parser.parse_args()
    copies = max(1, given.articles // MOST_MADE)
    if copies > 1 and given.articles % MOST_MADE:
        parser.error(f"more than {MOST_MADE} articles are copies of so many: give a multiple")
    queries, documents = corpus(given.articles // copies)
    raw = sum(len((one.title + one.text).encode()) for one in documents)
    print(f"{len(documents)} articles of {raw / len(documents):.0f} bytes, {len(queries)} queries")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        results, small = search_own.measure(folder, queries, documents)
        if given.peers:
            results += _measure_peers(given.peers, folder, queries, documents, raw)
        _score(results, queries)
        lines = [*_quality(results), *_costs(results[1], small)]
        lines += _import_line(documents)
        if copies > 1:
            search_million.multiply(folder / "bench.duckdb", copies)
            lines += _million(folder / "bench.duckdb", queries, given.articles)
    _print_engines(results)
    _print_targets(lines)


def _quality(results: list[dict[str, Any]]) -> list[Line]:
    own = results[1]["nDCG@10"]
    lines = [_at_least("nDCG@10", own, 0.93)]
    for one in results[2:]:
        margin = 0.05 if "FTS5" in one["engine"] else 0.0
        lines.append(_at_least(f"nDCG@10 - {one['engine']}", own - one["nDCG@10"], margin))
    return lines


def _costs(own: dict[str, Any], small: dict[int, float]) -> list[Line]:
    return [
        _at_most("query, median ms", own["median"], 40),
        _at_most("query, 95th percentile ms", own["p95"], 100),
        _at_most("query, median ms of CPU", own["cpu median"], 40),
        _at_most("query, 95th percentile ms of CPU", own["cpu p95"], 100),
        _at_most("index an article, ms of CPU", own["ms per article"], 0.3),
        _at_most("index 1,000 articles in the transaction, ms", own["add 1000, ms"], 300),
        _at_most("the same, worst batch, ms of CPU", own["add 1000, worst cpu"], 300),
        _at_most("index / text, bytes", own["index / text"], 1.25),
        _at_most("transaction without new contents, ms of CPU more", small[0], 0.5),
        _at_most("transaction with 1 new content, ms of CPU more", small[1], 10),
        _at_most("transaction with 20 new contents, ms of CPU more", small[20], 20),
    ]


def _import_line(documents: list[Document]) -> list[Line]:
    posts = [(f"{one.published_at:%Y-%m-%d}", one.title, one.text) for one in documents[:POSTS]]
    with_index, without = search_import.measure(posts)
    print(f"import of {len(posts)} posts: {with_index:.1f} s of CPU, {without:.1f} without index")
    return [_at_most("import with the index / without, CPU", with_index / without, 1.1)]


def _million(path: Path, queries: list[Query], count: int) -> list[Line]:
    found = search_own.search(path, queries)
    rare = max(found["kinds"][kind] for kind in RARE)
    return [
        _at_most(f"{count}: rare terms, worst ms of CPU", rare, 60),
        _at_most(f"{count}: 95th percentile ms", found["p95"], 500),
        _at_most(f"{count}: 95th percentile ms of CPU", found["cpu p95"], 500),
    ]


def _at_most(name: str, value: float, limit: float) -> Line:
    return name, f"<= {limit:g}", value, value <= limit


def _at_least(name: str, value: float, limit: float) -> Line:
    return name, f">= {limit:g}", value, value >= limit


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
    since = int(search_own.SINCE.timestamp())
    command = [python, str(script), str(handed), str(folder), str(since)]
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


def _score(results: list[dict[str, Any]], queries: list[Query]) -> None:
    for one in results:
        scores = [ndcg(query, found) for query, found in zip(queries, one["numbers"], strict=True)]
        one["nDCG@10"] = statistics.mean(scores)
        for kind in dict.fromkeys(query.kind for query in queries):
            own = [
                score for query, score in zip(queries, scores, strict=True) if query.kind == kind
            ]
            one[kind] = statistics.mean(own)


def _print_engines(results: list[dict[str, Any]]) -> None:
    names = [name for name in results[1] if name not in ("engine", "numbers", "kinds")]
    print("| |", " | ".join(one["engine"] for one in results), "|")
    print("|---" * (len(results) + 1) + "|")
    for name in names:
        values = [one.get(name) for one in results]
        print(f"| {name} |", " | ".join("" if v is None else f"{v:.3g}" for v in values), "|")


def _print_targets(lines: list[Line]) -> None:
    print(f"\n| load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores | target | value | |")
    print("|---|---|---|---|")
    for name, target, value, is_met in lines:
        print(f"| {name} | {target} | {value:.3g} | {'met' if is_met else 'MISSED'} |")


if __name__ == "__main__":
    main()
