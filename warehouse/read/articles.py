"""Articles as rows: the current ones, for exports, and every record of some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.rows import ARTICLE_COLUMNS, ArticleRow, MediaRow
from warehouse.times import utc

_SELECTED = """
    FROM articles
    WHERE (?::VARCHAR IS NULL OR source = ?)
      AND (?::TIMESTAMPTZ IS NULL OR published_at >= ?)
"""
# Column names, no values.
_ARTICLES = f"""
    SELECT {", ".join(ARTICLE_COLUMNS)}, last_seen_at {_SELECTED}
    ORDER BY published_at, article_id
"""


def count_articles(
    db: DuckDBPyConnection, *, source: str | None = None, published_since: datetime | None = None
) -> int:
    """Return how many articles ``read_articles`` yields."""
    values = [source, source, published_since, published_since]
    ((count,),) = db.execute(f"SELECT count(*) {_SELECTED}", values).fetchall()
    return int(count)


_EXPRESSIONS = {
    "article_id": "r.source || ':' || r.source_article_id",
    "content_hash": "c.content_hash",
    "body_html": "coalesce(r.body_html, c.body_html)",
    "text": "nullif(coalesce(r.text, c.text), '')",
    "media": "coalesce(r.media, [])",
}
RECORD_COLUMNS = ", ".join(
    f"{_EXPRESSIONS.get(name, f'r.{name}')} AS {name}" for name in ARTICLE_COLUMNS
)
"""``ARTICLE_COLUMNS`` of a record ``r`` and its content ``c``."""

_RECORDS = f"""
    SELECT {RECORD_COLUMNS}, c.first_seen_at
    FROM _store.article_records r
    JOIN copydesk_ids k ON r.article_key = k.key::UUID
    JOIN _store.contents c ON c.content_key = r.content_key
"""  # noqa: S608


def read_records(db: DuckDBPyConnection, article_ids: Sequence[str]) -> list[ArticleRow]:
    """Return every record of some articles, in any order."""
    if not article_ids:
        return []
    with stage.staged(db, "copydesk_ids", stage.keyed(article_ids)):
        found = db.execute(_RECORDS).fetchall()
    return [article_row(values, seen_at) for *values, seen_at in found]


def read_articles(
    db: DuckDBPyConnection,
    *,
    source: str | None = None,
    published_since: datetime | None = None,
    rows_each: int = 1000,
) -> Iterator[ArticleRow]:
    """Yield the current revision of each article, oldest publication first.

    ``channel`` is empty and ``fetched_at`` is when it was last seen. The connection may not be
    used for anything else until the iterator is exhausted; give it a cursor.
    """
    since = published_since
    cursor = db.execute(_ARTICLES, [source, source, since, since])
    while found := cursor.fetchmany(rows_each):
        for *values, last_seen_at in found:
            yield article_row(values, last_seen_at)


def media_rows(stored: Iterable[Mapping[str, Any]]) -> tuple[MediaRow, ...]:
    """Make the rows of the structures that DuckDB returns."""
    return tuple(MediaRow(**one) for one in stored)


def article_row(values: list[object], fetched_at: datetime) -> ArticleRow:
    """Make a row of the values of ``ARTICLE_COLUMNS``."""
    named = dict(zip(ARTICLE_COLUMNS, values, strict=True))
    for name in ("authors", "categories", "tags"):
        named[name] = tuple(named[name])  # type: ignore[arg-type]
    named["media"] = media_rows(named["media"])  # type: ignore[arg-type]
    for name in ("published_at", "updated_at"):
        named[name] = utc(named[name])  # type: ignore[arg-type]
    return ArticleRow(**named, channel="", fetched_at=fetched_at.astimezone(UTC))  # type: ignore[arg-type]
