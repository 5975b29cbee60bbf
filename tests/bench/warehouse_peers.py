"""The loaders that ``warehouse.py`` compares; run by it, each in a process of its own.

    python tests/bench/warehouse_peers.py NAME ROWS FOLDER

Loads ROWS articles given as dicts, then the same again, and prints one JSON line. Only the
loader itself is imported, so that the peak memory is its own.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

Article = dict[str, Any]
Load = Callable[[list[Article]], None]

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
BATCH = 1000


def random_text(chance: random.Random, count: int) -> str:
    """Text that compresses about as news does: common words often, rare ones seldom."""
    return "".join(VOCABULARY[int(len(VOCABULARY) * chance.random() ** 3)] for _ in range(count))


_CHANCE = random.Random(1)  # noqa: S311
VOCABULARY = [
    "".join(chr(_CHANCE.randrange(0x4E00, 0x9FA5)) for _ in range(_CHANCE.choice((1, 2, 2, 2, 3))))
    for _ in range(20_000)
]


def articles(count: int, start: int = 0, at: datetime = NOON) -> list[Article]:
    """Articles of about 2.5 KB, as a parser would give them."""
    chance = random.Random(start)  # noqa: S311
    return [_article(start + i, chance, at) for i in range(count)]


def _article(number: int, chance: random.Random, at: datetime) -> Article:
    title = random_text(chance, 9)
    paragraphs = [random_text(chance, 60) for _ in range(6)]
    text = "\n\n".join(paragraphs)
    return {
        "article_id": f"finews:{number}",
        "source": "finews",
        "source_article_id": str(number),
        "url": f"https://example.org/news/{number}.html",
        "canonical_url": f"https://example.org/news/{number}.html",
        "title": title,
        "authors": ["示例"],
        "publisher": f"示例社{number % 40}",
        "published_at": NOON - timedelta(seconds=number),
        "published_raw": "2026-03-14 20:00:00",
        "published_precision": "second",
        "published_timezone_source": "source",
        "updated_at": None,
        "categories": ["emnews"],
        "tags": ["东财滚动新闻"],
        "language": "zh",
        "lead_image": None,
        "body_html": "".join(f"<p>{one}</p>" for one in paragraphs),
        "text": text,
        "content_hash": "c1:" + sha256(f"{title}\x1f{text}".encode()).hexdigest(),
        "parser": "finews",
        "parser_version": "1",
        "provenance": '{"title": "listing:title", "published_at": "listing:showtime"}',
        "original_url": None,
        "channel": "emnews",
        "fetched_at": at,
    }


def batches(rows: list[Article], rows_each: int) -> Iterator[list[Article]]:
    for start in range(0, len(rows), rows_each):
        yield rows[start : start + rows_each]


# --- the loaders ---------------------------------------------------------------------------


def copydesk(folder: Path, rows_each: int | None = None) -> Load:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from warehouse import ArticleRow, connect, observe, transaction, upsert_articles

    def load(rows: list[Article]) -> None:
        with connect(folder / "project.duckdb") as db:
            for batch in batches(rows, rows_each or len(rows)):
                made = [
                    ArticleRow(
                        **{
                            **one,
                            "authors": tuple(one["authors"]),
                            "categories": tuple(one["categories"]),
                            "tags": tuple(one["tags"]),
                        }
                    )
                    for one in batch
                ]
                with transaction(db):
                    upsert_articles(db, map(observe, made), run_id="bench")

    return load


def copydesk_batches(folder: Path) -> Load:
    return copydesk(folder, BATCH)


def dlt_merge(folder: Path, file_format: str | None = None) -> Load:
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__LOG_LEVEL": "CRITICAL",
    }
    import dlt

    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
        dataset_name="news",
    )

    def load(rows: list[Article]) -> None:
        pipeline.run(
            rows,
            table_name="articles",
            write_disposition="merge",
            primary_key="article_id",
            loader_file_format=file_format,
        )

    return load


def dlt_merge_parquet(folder: Path) -> Load:
    return dlt_merge(folder, "parquet")


def sqlite_utils(folder: Path) -> Load:
    from sqlite_utils import Database

    def load(rows: list[Article]) -> None:
        db = Database(folder / "utils.sqlite")
        db["articles"].upsert_all(rows, pk="article_id", batch_size=BATCH)
        db.close()

    return load


def pandas_naive(folder: Path) -> Load:
    import pandas

    path = folder / "articles.parquet"

    def load(rows: list[Article]) -> None:
        frame = pandas.DataFrame(rows)
        if path.exists():
            frame = pandas.concat([pandas.read_parquet(path), frame])
        frame.drop_duplicates("article_id", keep="last").to_parquet(path)

    return load


LOADERS: dict[str, Callable[[Path], Load]] = {
    "copydesk": copydesk,
    "copydesk, 1000 at a time": copydesk_batches,
    "dlt merge (default)": dlt_merge,
    "dlt merge (parquet)": dlt_merge_parquet,
    "sqlite-utils upsert_all": sqlite_utils,
    "pandas naive": pandas_naive,
}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, count: int, folder: Path) -> dict[str, object]:
    rows = articles(count)
    load = LOADERS[name](folder)
    before = peak_mb()
    runs = []
    for run in range(2):
        seen = NOON + timedelta(hours=run)
        again = [{**row, "fetched_at": seen} for row in rows]
        start, cpu = time.perf_counter(), time.process_time()
        load(again)
        runs.append((time.perf_counter() - start, time.process_time() - cpu))
    size = sum(
        one.stat().st_size for one in folder.iterdir() if one.is_file() and one.suffix != ".lock"
    )
    return {
        "name": name,
        "first_seconds": runs[0][0],
        "second_seconds": runs[1][0],
        "first_cpu": runs[0][1],
        "second_cpu": runs[1][1],
        "peak_mb": peak_mb(),
        "over_start_mb": peak_mb() - before,
        "file_mb": size / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
