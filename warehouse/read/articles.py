"""Current articles as rows, for exports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.rows import ARTICLE_COLUMNS, ArticleRow
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


def article_row(values: list[object], fetched_at: datetime) -> ArticleRow:
    """Make a row of the values of ``ARTICLE_COLUMNS``."""
    named = dict(zip(ARTICLE_COLUMNS, values, strict=True))
    for name in ("authors", "categories", "tags"):
        named[name] = tuple(named[name])  # type: ignore[arg-type]
    for name in ("published_at", "updated_at"):
        named[name] = utc(named[name])  # type: ignore[arg-type]
    return ArticleRow(**named, channel="", fetched_at=fetched_at.astimezone(UTC))  # type: ignore[arg-type]
