"""Rows back out: for exports, comparisons and reparsing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.rows import ARTICLE_COLUMNS, ArticleRow, StoredPost
from warehouse.times import utc

# Column names of ours, no values.
_ARTICLES = f"""
    SELECT {", ".join(ARTICLE_COLUMNS)}, last_seen_at
    FROM articles
    WHERE (?::VARCHAR IS NULL OR source = ?)
      AND (?::TIMESTAMPTZ IS NULL OR published_at >= ?)
    ORDER BY published_at, article_id
"""  # noqa: S608

_POSTS = """
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key
        FROM _store.versions GROUP BY article_key
    ), files AS (
        SELECT p.*, r.source, r.source || ':' || r.source_article_id AS article_id
        FROM _store.posts p JOIN _store.records r ON r.record_key = p.record_key
        WHERE ?::VARCHAR IS NULL OR r.source = ?
        QUALIFY row_number() OVER (
            PARTITION BY r.source, p.dialect, p.path ORDER BY p.seq DESC
        ) = 1
    )
    SELECT f.article_id, f.source, f.dialect, f.path, f.data, h.record_key = f.record_key
    FROM files f JOIN heads h ON h.article_key = f.article_key
    ORDER BY f.path
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedPost:
    """An imported file and the article it was read as.

    Attributes:
        is_current: The article still says exactly what this file says.
    """

    article_id: str
    source: str
    post: StoredPost
    is_current: bool


def read_articles(
    db: DuckDBPyConnection,
    *,
    source: str | None = None,
    published_since: datetime | None = None,
    rows_each: int = 1000,
) -> Iterator[ArticleRow]:
    """The current revision of each article, oldest publication first.

    ``channel`` is empty and ``fetched_at`` is when it was last seen. The connection must
    not be used for anything else until the iterator is done; give it a cursor.
    """
    since = published_since
    cursor = db.execute(_ARTICLES, [source, source, since, since])
    while found := cursor.fetchmany(rows_each):
        for row in found:
            values = dict(zip(ARTICLE_COLUMNS, row, strict=False))
            for name in ("authors", "categories", "tags"):
                values[name] = tuple(values[name])
            for name in ("published_at", "updated_at"):
                values[name] = utc(values[name])
            yield ArticleRow(**values, channel="", fetched_at=row[-1].astimezone(UTC))


def read_posts(
    db: DuckDBPyConnection, *, source: str | None = None, rows_each: int = 1000
) -> Iterator[ImportedPost]:
    """The imported files, the latest of each path; see ``read_articles`` on connections."""
    cursor = db.execute(_POSTS, [source, source])
    while found := cursor.fetchmany(rows_each):
        for article_id, of, dialect, path, data, is_current in found:
            yield ImportedPost(
                article_id=article_id,
                source=of,
                post=StoredPost(dialect=dialect, path=path, data=data),
                is_current=is_current,
            )
