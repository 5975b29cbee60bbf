"""The peers of ``search.py``, in an environment of their own: SQLite FTS5 and tantivy.

Prints one JSON line per engine. A peer gets folded text. tantivy gets bigrams, and single characters
in a field of their own.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tantivy

SOURCES = ("harbour", "lantern", "meridian", "orchard", "quarry")
HAN = r"\u2e80-\u2fd5\u3400-\u9fff\uf900-\ufad9"
RUNS = re.compile(rf"[{HAN}]+|[^\W{HAN}_]+|[+#%&$¥@]")
TERMS = re.compile(r'"[^"]*"|[^\s"]+')


def main() -> None:
    """Measure both engines."""
    queries, documents = [], []
    with Path(sys.argv[1]).open(encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            (queries if "query" in one else documents).append(one)
    folder, since = Path(sys.argv[2]), int(sys.argv[3])
    for engine in (_sqlite, _tantivy):
        print(json.dumps(engine(folder, [one["query"] for one in queries], documents, since)))


def _terms(query: str) -> list[str]:
    return [term.strip('"') for term in TERMS.findall(query)]


def _sqlite(
    folder: Path, queries: list[str], documents: list[dict[str, Any]], since: int
) -> dict[str, Any]:
    path = folder / "fts5.sqlite"
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE docs (number INTEGER PRIMARY KEY, source TEXT, time INTEGER)")
    db.execute("CREATE VIRTUAL TABLE fts USING fts5(title, text, content='', tokenize='trigram')")
    took = []
    for start in range(0, len(documents), 1000):
        part = documents[start : start + 1000]
        wall, cpu = time.perf_counter(), time.process_time()
        with db:
            db.executemany(
                "INSERT INTO docs VALUES (?, ?, ?)",
                [(one["number"], one["source"], one["time"]) for one in part],
            )
            db.executemany(
                "INSERT INTO fts (rowid, title, text) VALUES (?, ?, ?)",
                [(one["number"], one["title"], one["text"]) for one in part],
            )
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    db.execute("INSERT INTO fts (fts) VALUES ('optimize')")
    db.commit()

    def search(query: str, source: str | None, first: int | None) -> list[int]:
        match = " AND ".join('"' + term.replace('"', '""') + '"' for term in _terms(query))
        where, values = "", [match]
        if source:
            where, values = " AND d.source = ? AND d.time >= ?", [match, source, str(first)]
        return [
            number
            for (number,) in db.execute(
                "SELECT d.number FROM fts JOIN docs d ON d.number = fts.rowid "
                f"WHERE fts MATCH ?{where} ORDER BY bm25(fts, 3.0, 1.0), d.number LIMIT 10",
                values,
            )
        ]

    return _result("SQLite FTS5 trigram", took, search, queries, since, path.stat().st_size)


def _bigrams(text: str) -> list[str]:
    found = []
    for run in RUNS.findall(text):
        if re.match(rf"[{HAN}]", run):
            found += [run[i : i + 2] for i in range(len(run))]
        else:
            found.append(run)
    return found


def _query_bigrams(term: str) -> list[str]:
    found = []
    for run in RUNS.findall(term):
        if re.match(rf"[{HAN}]", run):
            found += [run[i : i + 2] for i in range(max(len(run) - 1, 1))]
        else:
            found.append(run)
    return found


def _tantivy(
    folder: Path, queries: list[str], documents: list[dict[str, Any]], since: int
) -> dict[str, Any]:
    path = folder / "tantivy"
    path.mkdir(exist_ok=True)
    builder = tantivy.SchemaBuilder()
    for name in ("title", "text", "characters"):
        builder.add_text_field(name, tokenizer_name="whitespace")
    builder.add_text_field("source", tokenizer_name="raw")
    builder.add_integer_field("time", indexed=True, fast=True)
    builder.add_integer_field("number", stored=True)
    schema = builder.build()
    index = tantivy.Index(schema, path=str(path))
    writer = index.writer(heap_size=128_000_000, num_threads=1)
    took = []
    for start in range(0, len(documents), 1000):
        wall, cpu = time.perf_counter(), time.process_time()
        for one in documents[start : start + 1000]:
            writer.add_document(
                tantivy.Document(
                    title=" ".join(_bigrams(one["title"])),
                    text=" ".join(_bigrams(one["text"])),
                    characters=" ".join(re.findall(rf"[{HAN}]", one["title"] + one["text"])),
                    source=one["source"],
                    time=one["time"],
                    number=one["number"],
                )
            )
        writer.commit()
        took.append((time.perf_counter() - wall, time.process_time() - cpu))
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def phrase(term: str) -> tantivy.Query:
        if re.fullmatch(rf"[{HAN}]", term):
            return tantivy.Query.term_query(schema, "characters", term)
        either = []
        for name, boost in (("title", 3.0), ("text", 1.0)):
            words = _query_bigrams(term)
            one = (
                tantivy.Query.phrase_query(schema, name, words)
                if len(words) > 1
                else tantivy.Query.term_query(schema, name, words[0])
            )
            either.append((tantivy.Occur.Should, tantivy.Query.boost_query(one, boost)))
        return tantivy.Query.boolean_query(either)

    def search(query: str, source: str | None, first: int | None) -> list[int]:
        parts = [(tantivy.Occur.Must, phrase(term)) for term in _terms(query)]
        if source and first is not None:
            kept = [
                tantivy.Query.term_query(schema, "source", source),
                tantivy.Query.range_query(
                    schema, "time", tantivy.FieldType.Integer, first, 1 << 40
                ),
            ]
            parts += [
                (tantivy.Occur.Must, tantivy.Query.const_score_query(one, 0.0)) for one in kept
            ]
        hits = searcher.search(tantivy.Query.boolean_query(parts), 10).hits
        return [searcher.doc(address)["number"][0] for _, address in hits]

    size = sum(one.stat().st_size for one in path.iterdir())
    return _result("tantivy bigrams", took, search, queries, since, size)


def _result(
    engine: str,
    took: list[tuple[float, float]],
    search: Callable[[str, str | None, int | None], list[int]],
    queries: list[str],
    since: int,
    size: int,
) -> dict[str, Any]:
    times, numbers = [], []
    for i, query in enumerate(queries):
        numbers.append(search(query, None, None))
        for source, first in ((None, None), (SOURCES[i % len(SOURCES)], since)):
            best = math.inf
            for _ in range(3):
                began = time.perf_counter()
                search(query, source, first)
                best = min(best, time.perf_counter() - began)
            times.append(best * 1e3)
    count = 1000 * len(took)
    return {
        "engine": engine,
        "ms per article": sum(cpu for _, cpu in took) * 1e3 / count,
        "add 1000, ms": statistics.median(wall for wall, _ in took) * 1e3,
        "add 1000, cpu": statistics.median(cpu for _, cpu in took) * 1e3,
        "add 1000, worst cpu": max(cpu for _, cpu in took) * 1e3,
        "median": statistics.median(times),
        "p95": sorted(times)[math.ceil(0.95 * len(times)) - 1],
        "numbers": numbers,
        "bytes": size,
    }


if __name__ == "__main__":
    main()
