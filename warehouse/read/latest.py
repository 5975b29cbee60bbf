"""The newest articles, without their texts."""

from __future__ import annotations

from datetime import date
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage

# The view ``articles`` would count revisions, duplicates and sightings of all articles: three
# times the CPU. Here the part that is shown is chosen first.
_LATEST = """
    WITH heads AS (
        SELECT max_by(record_key, (seen_at, seq)) AS record_key
        FROM _store.article_versions
        GROUP BY article_key
    ), chosen AS MATERIALIZED (
        SELECT record_key, article_key, content_key, source, source_article_id, title, publisher,
               language, published_at, published_on, url
        FROM _store.article_records
        SEMI JOIN heads USING (record_key)
        WHERE ($source = '' OR source = $source)
          AND ($since::DATE IS NULL OR published_on >= $since)
          AND ($until::DATE IS NULL OR published_on <= $until)
        ORDER BY published_at DESC NULLS LAST, source, source_article_id
        LIMIT $limit OFFSET $offset
    ), changes AS (
        SELECT article_key, seen_at, content_key IS DISTINCT FROM lag(content_key)
                   OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
        FROM _store.article_versions
        SEMI JOIN chosen USING (article_key)
    ), revisions AS (
        SELECT article_key, min(seen_at) AS first_seen_at,
               count(*) FILTER (is_change) AS revision_count
        FROM changes GROUP BY article_key
    ), holders AS (
        -- Articles that had the content at some time: those that have it now are copies.
        SELECT DISTINCT article_key FROM _store.article_versions SEMI JOIN chosen USING (content_key)
    ), copies AS (
        SELECT content_key, count(*) - 1 AS duplicate_count
        FROM (SELECT max_by(content_key, (seen_at, seq)) AS content_key
              FROM _store.article_versions SEMI JOIN holders USING (article_key)
              GROUP BY article_key)
        GROUP BY content_key
    )
    SELECT c.source || ':' || c.source_article_id AS article_id, c.source, c.title, c.publisher,
           c.language, c.published_at, c.published_on, c.url, r.revision_count, d.duplicate_count,
           CASE WHEN g.article_key IS NULL THEN 'live' ELSE 'gone' END AS state, r.first_seen_at
    FROM chosen c
    JOIN revisions r ON r.article_key = c.article_key
    JOIN copies d ON d.content_key = c.content_key
    LEFT JOIN (SELECT DISTINCT article_key FROM _store.gone WHERE live_at IS NULL) g
        ON g.article_key = c.article_key
    ORDER BY c.published_at DESC NULLS LAST, c.source, c.source_article_id
"""


def read_latest(
    db: DuckDBPyConnection,
    *,
    source: str = "",
    since: date | None = None,
    until: date | None = None,
    limit: int,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return current articles, the newest publication first; unknown times are last.

    Args:
        db: A snapshot or a warehouse.
        source: Only this source; empty for all.
        since: Only articles published on this day of their source or later.
        until: Only articles published on this day or earlier.
        limit: How many.
        offset: How many newer ones are left out.
    """
    values = {"source": source, "since": since, "until": until, "limit": limit, "offset": offset}
    return stage.select(db, _LATEST, values)
