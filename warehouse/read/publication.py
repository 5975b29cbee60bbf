"""What a publication needs of each article: the columns of its place, then its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from duckdb import DuckDBPyConnection

from warehouse import post_paths, stage
from warehouse.read.articles import RECORD_COLUMNS, article_row
from warehouse.rows import ArticleRow

_ARTICLES = """
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key,
               min(seen_at) AS first_seen_at
        FROM _store.article_versions GROUP BY article_key
    )
    SELECT r.source || ':' || r.source_article_id AS article_id, r.source, r.source_article_id,
           r.title, r.categories, r.published_at, r.published_on, r.published_precision,
           h.first_seen_at, r.record_key::VARCHAR AS record, r.content_key::VARCHAR AS content
    FROM heads h JOIN _store.article_records r ON r.record_key = h.record_key
"""

# The latest import of each path, or of each moved post. A file is current while its article has the same content.
_FILES = f"""
    WITH heads AS (
        SELECT article_key, max_by(content_key, (seen_at, seq)) AS content_key
        FROM _store.article_versions GROUP BY article_key
    )
    SELECT p.seq, r.source || ':' || r.source_article_id AS article_id, p.dialect, p.path,
           p.content_key = h.content_key AS is_current
    FROM _store.posts p
    JOIN _store.article_records r ON r.record_key = p.record_key
    JOIN heads h ON h.article_key = p.article_key
    QUALIFY row_number() OVER (
        PARTITION BY r.source, p.dialect, {post_paths.FILE} ORDER BY p.seq DESC
    ) = 1
"""  # noqa: S608  # column names, no values

_DIGESTS = """
    SELECT p.seq, sha256(p.data) FROM _store.posts p
    WHERE p.seq IN (SELECT seq FROM copydesk_files)
"""

_ROWS = f"""
    SELECT {RECORD_COLUMNS}, c.first_seen_at
    FROM _store.article_records r
    JOIN copydesk_records k ON r.record_key = k.record::UUID
    JOIN _store.contents c ON c.content_key = r.content_key
"""  # noqa: S608  # column names, no values


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArticle:
    """The columns of an article that decide whether, where and when it is published.

    Attributes:
        record: Key of its current record; any changed field gives another one.
        content: Key of its content; articles with the same text share it.
        first_seen_at: Aware UTC.
    """

    article_id: str
    source: str
    source_article_id: str
    title: str | None
    categories: tuple[str, ...]
    published_at: datetime | None
    published_on: date | None
    published_precision: str
    first_seen_at: datetime
    record: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """A file that an import stored.

    Attributes:
        seq: Its place in the warehouse; later files have larger ones.
        is_current: Its article still has this content.
    """

    seq: int
    article_id: str
    dialect: str
    path: str
    is_current: bool


def published_articles(db: DuckDBPyConnection) -> list[PublishedArticle]:
    """Return every article without its text."""
    return [PublishedArticle(**one) for one in stage.select(db, _ARTICLES)]


def imported_files(db: DuckDBPyConnection) -> list[ImportedFile]:
    """Return every imported file without its bytes, the latest of each path."""
    return [ImportedFile(**one) for one in stage.select(db, _FILES)]


def file_digests(db: DuckDBPyConnection, seqs: Sequence[int]) -> dict[int, str]:
    """Return the SHA-256, in hex, of imported files by ``seq``."""
    with stage.staged(db, "copydesk_files", stage.table(seq=(seqs, stage.WHOLE))):
        return dict(db.execute(_DIGESTS).fetchall())


def read_by_record(
    db: DuckDBPyConnection, records: Sequence[str], *, rows_each: int = 500
) -> Iterator[ArticleRow]:
    """Yield the articles of some records, in any order.

    The connection may not be used for anything else until the iterator is exhausted.
    """
    staged = stage.table(record=([str(UUID(one)) for one in records], stage.TEXT))
    with stage.staged(db, "copydesk_records", staged):
        cursor = db.execute(_ROWS)
        while found := cursor.fetchmany(rows_each):
            for *values, seen_at in found:
                yield article_row(values, seen_at)
