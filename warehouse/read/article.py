"""One article by its id: its current revision and its sightings.

The views compute all articles before they select one; these queries read one key.
"""

from __future__ import annotations

from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of
from warehouse.read.articles import RECORD_COLUMNS

# The columns of a record only.
_ARTICLE = f"""
    WITH head AS (
        SELECT max_by(record_key, (seen_at, seq)) AS record_key,
               max_by(content_key, (seen_at, seq)) AS content_key
        FROM _store.article_versions WHERE article_key = $key
    ), seen AS (
        SELECT min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
        FROM _store.sightings WHERE article_key = $key
    )
    SELECT {RECORD_COLUMNS}, s.first_seen_at, s.last_seen_at,
           CASE WHEN EXISTS (FROM _store.gone WHERE article_key = $key AND live_at IS NULL)
                THEN 'gone' ELSE 'live' END AS state
    FROM head h
    JOIN _store.article_records r ON r.record_key = h.record_key
    JOIN _store.contents c ON c.content_key = h.content_key,
         seen s
"""  # noqa: S608
_SIGHTINGS = """
    WITH places AS (
        SELECT content_key, list_sort(list(DISTINCT channel)) AS channels,
               min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
        FROM _store.sightings WHERE article_key = $key
        GROUP BY content_key
    ), latest AS (
        SELECT content_key, max_by(record_key, (seen_at, seq)) AS record_key
        FROM _store.article_versions WHERE article_key = $key
        GROUP BY content_key
    )
    SELECT c.content_hash, p.channels, r.url, r.title, p.first_seen_at, p.last_seen_at
    FROM places p
    JOIN latest l ON l.content_key = p.content_key
    JOIN _store.article_records r ON r.record_key = l.record_key
    JOIN _store.contents c ON c.content_key = p.content_key
    ORDER BY p.first_seen_at, c.content_hash
"""


def read_article(db: DuckDBPyConnection, article_id: str) -> dict[str, Any] | None:
    """Return the columns of the view ``articles`` but its counts; ``None`` if the id is unknown."""
    found = _rows(db, _ARTICLE, key=as_uuid(key_of(article_id)))
    return found[0] if found else None


def read_sightings(db: DuckDBPyConnection, article_id: str) -> list[dict[str, Any]]:
    """Return the rows of the view ``sightings`` for one article, the earliest first."""
    return _rows(db, _SIGHTINGS, key=as_uuid(key_of(article_id)))


def _rows(db: DuckDBPyConnection, sql: str, **values: object) -> list[dict[str, Any]]:
    return stage.select(db, sql, values)
