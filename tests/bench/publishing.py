"""Measures publishing: what a snapshot costs, and how long the writer waits.

    python tests/bench/publishing.py [--articles N ...] [--bytes N] [--rounds N] [--folder DIR]
                                     [--json FILE]

For each number of articles (10,000, 100,000 and a million by default) it makes a warehouse with
``--bytes`` of body each, HTML and text together, in words that do not compress well. A million
takes 2 GB of disk, and as much for each of three snapshots. It publishes whole copies first.
Then, ``--rounds`` times: a batch of 1000 new articles, and a publication of the changed blocks
while another thread goes on committing batches of 20. The writer's longest commit, beside that
of a quiet time and the time the checkpoint took, says how long publishing stopped it. At last a
publication when nothing changed, and the comparison of the snapshot by ``doctor --verify``.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2]))

from warehouse import ArticleRow, connect, observe, publish, transaction, upsert_articles
from warehouse.care import snapshot
from warehouse.care.snapshot_blocks import compare_blocks
from warehouse.instance import NAME

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_EACH = 20_000
_PAUSE_SECONDS = 0.02  # a checkpoint needs a moment between two commits
_WORD = 26  # characters, three bytes each

_FROM_BODIES = """
    INSERT INTO _store.contents
    SELECT ('0x' || left(hash, 8))::UINTEGER, left(hash, 32)::UUID, 'c1:' || hash, left(hash, 32)::UUID,
           body_html, text, TIMESTAMPTZ '2026-01-01' + to_seconds(i), i, 'made'
    FROM bodies
"""
_RECORDS = """
    INSERT INTO _store.article_records BY NAME
    SELECT uuid() AS record_key, uuid() AS article_key, content_key, 'finews' AS source,
           'N' || seq AS source_article_id, 'https://example.org/a/' || seq AS url,
           'https://example.org/a/' || seq AS canonical_url, left(text, 20) AS title,
           ['示例'] AS authors, '示例通讯社' AS publisher, first_seen_at AS published_at,
           CAST(first_seen_at AS VARCHAR) AS published_raw, 'second' AS published_precision,
           'source' AS published_timezone_source, ['emnews'] AS categories, [] AS tags, 'zh' AS language,
           'finews' AS parser, '1' AS parser_version, '{"title": "listing:title"}' AS provenance,
           'made' AS run_id
    FROM _store.contents
"""
_VERSIONS = """
    INSERT INTO _store.article_versions
    SELECT ('0x' || CAST(article_key AS VARCHAR)[:8])::UINTEGER,
           ('0x' || replace(CAST(record_key AS VARCHAR), '-', '')[:16])::UBIGINT,
           article_key, content_key, record_key, published_at,
           row_number() OVER (ORDER BY published_at), 'made'
    FROM _store.article_records
"""
_SEEN = """
    INSERT INTO _store.sightings
    SELECT article_key, content_key, 'emnews', published_at, published_at, 'made'
    FROM _store.article_records
"""


def make(path: Path, count: int, size: int) -> None:
    """A warehouse of so many articles, with bodies of so many bytes."""
    chance = random.Random(1)  # noqa: S311
    letters = [chr(one) for one in range(0x4E00, 0x9FA5)]
    words = ["".join(chance.choices(letters, k=_WORD)) for _ in range(65_536)]
    each = max(1, size // 2 // (3 * _WORD))
    with connect(path) as db:
        for start in range(0, count, _EACH):
            numbers = range(start, min(start + _EACH, count))
            texts = ["".join(chance.choices(words, k=each)) for _ in numbers]
            bodies = pa.table(
                {
                    "i": pa.array(numbers, pa.int64()),
                    "hash": [sha256(str(i).encode()).hexdigest() for i in numbers],
                    "body_html": [f"<p>{text}</p>" for text in texts],
                    "text": texts,
                }
            )
            db.register("bodies", bodies)
            db.execute(_FROM_BODIES)
            db.unregister("bodies")
        for sql in (_RECORDS, _VERSIONS, _SEEN, "CHECKPOINT"):
            db.execute(sql)


def article(number: int, round_: int) -> ArticleRow:
    text = f"第{round_}轮第{number}条" + "字" * 400
    return ArticleRow(
        article_id=f"bench:{round_}-{number}", source="bench", source_article_id=f"{round_}-{number}",
        url=f"https://example.org/{round_}/{number}", canonical_url=f"https://example.org/{round_}/{number}",
        title=text[:20], body_html=f"<p>{text}</p>", text=text,
        content_hash="c1:" + sha256(text.encode()).hexdigest(), parser="bench", parser_version="1",
        provenance="{}", channel="bench", fetched_at=SINCE + timedelta(days=400, seconds=number),
    )  # fmt: skip


class Writer:
    """Another thread that commits small batches for as long as it may."""

    def __init__(self, db: Any, round_: int) -> None:
        self._db, self._round = db.cursor(), round_
        self._db.execute(f"USE {NAME}")
        self._stop = threading.Event()
        self.commits: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            rows = [article(number + i, self._round) for i in range(20)]
            number += 20
            start = time.monotonic()
            with transaction(self._db):
                upsert_articles(self._db, map(observe, rows), run_id="bench")
            self.commits.append((start, time.monotonic() - start))
            self._stop.wait(_PAUSE_SECONDS)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def timed(name: str, into: dict[str, float]) -> Iterator[None]:
    """Notes the seconds that a step of publishing takes."""
    step: Callable[..., Any] = getattr(snapshot, name)

    def measured(*arguments: Any) -> Any:
        start = time.monotonic()
        try:
            return step(*arguments)
        finally:
            into[name] = time.monotonic() - start

    setattr(snapshot, name, measured)
    try:
        yield
    finally:
        setattr(snapshot, name, step)


def add_articles(db: Any, round_: int) -> None:
    rows = [observe(article(i, 1000 + round_)) for i in range(1000)]
    with transaction(db):
        upsert_articles(db, rows, run_id="bench")


def one_round(path: Path, link: Path, round_: int) -> dict[str, float]:
    with connect(path) as db:
        add_articles(db, round_)
        steps: dict[str, float] = {}
        with timed("_checkpoint", steps), Writer(db, round_) as writer:
            while len(writer.commits) < 5:
                time.sleep(0.05)
            start = time.monotonic()
            published = publish(db, link)
            end = time.monotonic()
            time.sleep(0.2)
    during = [took for at, took in writer.commits if start <= at + took and at <= end]
    before = [took for at, took in writer.commits if at + took < start]
    return {
        "publish_s": end - start,
        "checkpoint_s": steps["_checkpoint"],
        "written_mb": (published.written_bytes or 0) / 1e6,
        "commits_during": len(during),
        "longest_commit_s": max(during, default=0.0),
        "quiet_commit_s": statistics.median(before),
    }


def alone(path: Path, link: Path, round_: int) -> dict[str, float]:
    """The same without another thread: new articles, then nothing new."""
    with connect(path) as db:
        add_articles(db, 1000 + round_)
        db.execute("CHECKPOINT")
        cpu, start = time.process_time(), time.monotonic()
        publish(db, link)
        found = {"alone_s": time.monotonic() - start, "alone_cpu_s": time.process_time() - cpu}
        start = time.monotonic()
        publish(db, link)
        return {**found, "unchanged_s": time.monotonic() - start}


def measure(folder: Path, count: int, size: int, rounds: int) -> dict[str, float]:
    path, link = folder / "copydesk.duckdb", folder / "copydesk.read.duckdb"
    make(path, count, size)
    copies = []
    for round_ in range(2):
        with connect(path) as db:
            add_articles(db, 5000 + round_)
            db.execute("CHECKPOINT")
            start = time.monotonic()
            publish(db, link)
            copies.append(time.monotonic() - start)
    found = [one_round(path, link, n) | alone(path, link, n) for n in range(rounds)]
    start = time.monotonic()
    different = compare_blocks(path, link).different
    return {
        "articles": count,
        "file_mb": path.stat().st_size / 1e6,
        "whole_copy_s": min(copies),
        **{name: statistics.median(one[name] for one in found) for name in found[0]},
        "compare_s": time.monotonic() - start,
        "differing_blocks": different,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--bytes", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    snapshot._KEPT_SECONDS = -1.0  # rounds follow each other faster than readers need
    found = []
    for count in options.articles:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="publishing-") as folder:
            found.append(measure(Path(folder), count, options.bytes, options.rounds))
    print("median of each; seconds of wall time, but for articles, MB and counts")
    for name in found[0]:
        print(f"  {name:<18}" + "".join(f"{one[name]:>14.3f}" for one in found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
