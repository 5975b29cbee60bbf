"""Rows made for tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from duckdb import DuckDBPyConnection

from warehouse import ArticleRow, UpsertCounts, observe, transaction, upsert_articles
from warehouse.instance import NAME

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hash_of(text: str) -> str:
    return "c1:" + sha256(text.encode()).hexdigest()


def article(number: int | str = 1, text: str = "降准", /, **changes: object) -> ArticleRow:
    """An article with this title and text, as the pipeline would store it."""
    source = changes.pop("source", "finews")
    fields: dict[str, object] = {
        "article_id": f"{source}:{number}",
        "source": source,
        "source_article_id": str(number),
        "url": f"https://example.org/{number}",
        "canonical_url": f"https://example.org/{number}",
        "title": text,
        "authors": ("示例",),
        "publisher": "示例通讯社",
        "published_at": NOON - HOUR,
        "published_raw": "2026-03-14 19:00:00",
        "published_precision": "second",
        "published_timezone_source": "source",
        "categories": ("emnews",),
        "tags": ("东财滚动新闻",),
        "language": "zh",
        "body_html": f"<p>{text}</p>",
        "text": text,
        "content_hash": hash_of(text),
        "parser": "finews",
        "parser_version": "1",
        "provenance": '{"title": "listing:title"}',
        "channel": "emnews",
        "fetched_at": NOON,
    }
    return ArticleRow(**{**fields, **changes})  # type: ignore[arg-type]


def with_text(row: ArticleRow, text: str) -> ArticleRow:
    """The row with another title and text."""
    return replace(
        row, title=text, text=text, body_html=f"<p>{text}</p>", content_hash=hash_of(text)
    )


def fetched_later(row: ArticleRow, hours: float = 1) -> ArticleRow:
    """The row, fetched so many hours later."""
    return replace(row, fetched_at=row.fetched_at + hours * HOUR)


def upsert(db: DuckDBPyConnection, *rows: ArticleRow, run_id: str = "run") -> UpsertCounts:
    """One batch in a transaction of its own; the counts of all sources together."""
    with transaction(db):
        done = upsert_articles(db, map(observe, rows), run_id=run_id)
    return sum(done.values(), UpsertCounts())


def rows_of(db: DuckDBPyConnection, sql: str, *values: object) -> list[tuple[object, ...]]:
    return db.execute(sql, list(values)).fetchall()


def everything(db: DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """All that readers see, for comparison."""
    views: Iterable[str] = ("articles", "revisions", "sightings")
    return {view: rows_of(db, f"SELECT * FROM {view} ORDER BY ALL") for view in views}


def cursor_of(db: DuckDBPyConnection) -> DuckDBPyConnection:
    """Another connection to the warehouse of a connection, for another thread."""
    cursor = db.cursor()
    cursor.execute(f"USE {NAME}")
    return cursor
