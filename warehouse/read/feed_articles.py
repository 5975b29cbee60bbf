"""What feeds are made of: the newest articles, some articles by id, and the newest corrections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.read.articles import RECORD_COLUMNS, article_row
from warehouse.rows import ArticleRow
from warehouse.times import utc

# The view ``articles`` would join all articles before the newest are chosen.
_ARTICLES = f"""
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key
        FROM _store.article_versions {{some}}
        GROUP BY article_key
    ), chosen AS MATERIALIZED (
        SELECT record_key, article_key, published_at, source, source_article_id
        FROM _store.article_records SEMI JOIN heads USING (record_key)
        WHERE (len($sources) = 0 OR source IN (SELECT unnest($sources)))
          AND ($since::TIMESTAMPTZ IS NULL OR published_at >= $since)
        ORDER BY published_at DESC NULLS LAST, source, source_article_id
        LIMIT $limit
    ), changes AS (
        SELECT article_key, seen_at, content_key IS DISTINCT FROM lag(content_key)
                   OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
        FROM _store.article_versions SEMI JOIN chosen USING (article_key)
    ), times AS (
        SELECT article_key, min(seen_at) AS first_seen_at,
               max(seen_at) FILTER (is_change) AS changed_at
        FROM changes GROUP BY article_key
    )
    SELECT {RECORD_COLUMNS}, t.first_seen_at,
           CASE WHEN t.changed_at > t.first_seen_at THEN t.changed_at END AS corrected_at
    FROM chosen
    JOIN times t ON t.article_key = chosen.article_key
    JOIN _store.article_records r ON r.record_key = chosen.record_key
    JOIN _store.contents c ON c.content_key = r.content_key
    ORDER BY r.published_at DESC NULLS LAST, r.source, r.source_article_id
"""  # noqa: S608
_SOME = "SEMI JOIN copydesk_ids k ON article_key = k.key::UUID"
# Another parse of the same page has the time of the content that it replaced. That content counts
# as never published.
_CORRECTIONS = """
    WITH several AS (
        SELECT article_key FROM _store.article_versions
        GROUP BY article_key HAVING count(DISTINCT content_key) > 1
    ), chain AS (
        SELECT article_key, content_key, record_key, seen_at, seq,
               content_key IS DISTINCT FROM lag(content_key)
                   OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
        FROM _store.article_versions SEMI JOIN several USING (article_key)
    ), numbered AS (
        SELECT *, count(*) FILTER (is_change)
                   OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS revision
        FROM chain
    ), islands AS (
        SELECT article_key, revision, min(seen_at) AS valid_from,
               max_by(record_key, (seen_at, seq)) AS record_key
        FROM numbered GROUP BY article_key, revision
    ), lasting AS (
        SELECT * FROM islands
        QUALIFY valid_from IS DISTINCT FROM lead(valid_from)
                    OVER (PARTITION BY article_key ORDER BY revision)
    ), pairs AS (
        SELECT *, lag(record_key) OVER (PARTITION BY article_key ORDER BY revision) AS old_key
        FROM lasting
    )
    SELECT r.source || ':' || r.source_article_id AS article_id, r.source, r.url, r.language,
           p.revision, p.valid_from, r.title, coalesce(r.text, c.text) AS text,
           o.title AS old_title, coalesce(o.text, d.text) AS old_text
    FROM pairs p
    JOIN _store.article_records r ON r.record_key = p.record_key
    JOIN _store.contents c ON c.content_key = r.content_key
    JOIN _store.article_records o ON o.record_key = p.old_key
    JOIN _store.contents d ON d.content_key = o.content_key
    WHERE r.content_key <> o.content_key
      AND (len($sources) = 0 OR r.source IN (SELECT unnest($sources)))
      AND ($since::TIMESTAMPTZ IS NULL OR p.valid_from >= $since)
    ORDER BY p.valid_from DESC, r.source, r.source_article_id, p.revision DESC
    LIMIT $limit
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedArticle:
    """An article for a feed.

    Attributes:
        row: Its current revision.
        first_seen_at: UTC.
        corrected_at: Since when the current content is known, if an earlier one was; UTC.
    """

    row: ArticleRow
    first_seen_at: datetime
    corrected_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A content that replaced another one of the same article, with both.

    Attributes:
        revision: Its number within the article, from 2.
        valid_from: When it was first seen, UTC.
    """

    article_id: str
    source: str
    url: str
    language: str | None
    revision: int
    valid_from: datetime
    title: str | None
    text: str | None
    old_title: str | None
    old_text: str | None


def read_newest(
    db: DuckDBPyConnection,
    *,
    sources: Sequence[str] = (),
    since: datetime | None = None,
    limit: int | None = None,
) -> list[FeedArticle]:
    """Return current articles, the newest publication first; unknown times are last.

    Args:
        db: A snapshot or a warehouse.
        sources: Only of these; all if none is named.
        since: Only articles published then or later.
        limit: How many; ``None`` for all.
    """
    return _articles(db, _ARTICLES.format(some=""), sources=sources, since=since, limit=limit)


def read_by_id(db: DuckDBPyConnection, article_ids: Sequence[str]) -> list[FeedArticle]:
    """Return some current articles in the order of their ids; unknown ids are left out."""
    ids = list(dict.fromkeys(article_ids))
    if not ids:
        return []
    with stage.staged(db, "copydesk_ids", stage.keyed(ids)):
        found = _articles(db, _ARTICLES.format(some=_SOME), sources=(), since=None, limit=None)
    by_id = {one.row.article_id: one for one in found}
    return [by_id[id_] for id_ in ids if id_ in by_id]


def read_corrections(
    db: DuckDBPyConnection,
    *,
    sources: Sequence[str] = (),
    since: datetime | None = None,
    limit: int | None = None,
) -> list[Correction]:
    """Return the corrections, the latest first; another parse of the same page is none.

    Args:
        db: A snapshot or a warehouse.
        sources: Only of these; all if none is named.
        since: Only corrections seen then or later.
        limit: How many; ``None`` for all.
    """
    values = {"sources": list(sources), "since": since, "limit": limit}
    return [Correction(**row) for row in stage.select(db, _CORRECTIONS, values)]


def _articles(db: DuckDBPyConnection, sql: str, **values: Any) -> list[FeedArticle]:
    values["sources"] = list(values["sources"])
    return [
        FeedArticle(
            row=article_row(columns, first_seen_at),
            first_seen_at=first_seen_at.astimezone(UTC),
            corrected_at=utc(corrected_at),
        )
        for *columns, first_seen_at, corrected_at in db.execute(sql, values).fetchall()
    ]
