"""The revisions of one article, and the known id nearest to an unknown one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.keys import as_uuid, key_of
from warehouse.read.articles import media_rows
from warehouse.rows import MediaRow
from warehouse.times import utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One row of the view ``revisions``.

    Attributes:
        revision: Its number within the article, from 1.
        valid_from: The first time this content was seen, UTC.
        valid_to: The first time the next content was seen; ``None`` for the current revision.
            Equal to ``valid_from`` when another parse of the same page replaced it.
        run_id: The run that stored it.
    """

    revision: int
    valid_from: datetime
    valid_to: datetime | None
    content_hash: str
    title: str | None
    published_at: datetime | None
    published_on: date | None
    updated_at: datetime | None
    completeness: str
    body_html: str
    text: str | None
    media: tuple[MediaRow, ...]
    run_id: str


# The view ``revisions`` for one article. The view itself computes the revisions of all articles
# before it selects one: a second for each 200,000 articles.
_REVISIONS = """
    WITH chain AS (
        SELECT content_key, record_key, seen_at, seq, run_id,
               content_key IS DISTINCT FROM lag(content_key) OVER (ORDER BY seen_at, seq) AS is_change
        FROM _store.article_versions
        WHERE article_key = $key
    ), numbered AS (
        SELECT *, count(*) FILTER (is_change) OVER (ORDER BY seen_at, seq) AS revision FROM chain
    ), islands AS (
        SELECT content_key, revision, max_by(record_key, (seen_at, seq)) AS record_key,
               min(seen_at) AS valid_from, min_by(run_id, (seen_at, seq)) AS run_id
        FROM numbered
        GROUP BY content_key, revision
    )
    SELECT i.revision, i.valid_from, lead(i.valid_from) OVER (ORDER BY i.revision) AS valid_to,
           c.content_hash, r.title, r.published_at, r.published_on, r.updated_at, r.completeness,
           coalesce(r.body_html, c.body_html) AS body_html,
           nullif(coalesce(r.text, c.text), '') AS text, coalesce(r.media, []) AS media, i.run_id
    FROM islands i
    JOIN _store.article_records r ON r.record_key = i.record_key
    JOIN _store.contents c ON c.content_key = i.content_key
    ORDER BY i.revision
"""
# The id without its source, or an address of the article.
_OTHER_NAMES = """
    SELECT min(source || ':' || source_article_id) FROM _store.article_records
    WHERE source_article_id = $name OR $name IN (url, canonical_url, original_url)
"""
_NEAREST = """
    WITH known AS (
        SELECT DISTINCT source || ':' || source_article_id AS article_id
        FROM _store.article_records
    ), compared AS (
        SELECT article_id, levenshtein(article_id, $name) AS distance FROM known
        WHERE abs(length(article_id) - length($name)) <= $most
    )
    SELECT article_id FROM compared WHERE distance <= $most ORDER BY distance, article_id LIMIT 1
"""
_LONGEST_ID = 200


def read_revisions(db: DuckDBPyConnection, article_id: str) -> list[Revision]:
    """Return the revisions of an article in order of time; none if the id is unknown."""
    cursor = db.execute(_REVISIONS, {"key": as_uuid(key_of(article_id))})
    names = [one[0] for one in cursor.description]
    return [_revision(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def has_article(db: DuckDBPyConnection, article_id: str) -> bool:
    """Return whether an article with this id is stored."""
    key = as_uuid(key_of(article_id))
    found = db.execute("SELECT 1 FROM _store.article_versions WHERE article_key = ? LIMIT 1", [key])
    return bool(found.fetchall())


def nearest_article_id(db: DuckDBPyConnection, name: str) -> str | None:
    """Return the id of the article with this address or source id, or else the most similar id.

    An id is similar if at most a fifth of its characters differ.
    """
    queries: list[tuple[str, dict[str, object]]] = [(_OTHER_NAMES, {"name": name})]
    if len(name) <= _LONGEST_ID:
        queries.append((_NEAREST, {"name": name, "most": max(1, len(name) // 5)}))
    for sql, values in queries:
        for (found,) in db.execute(sql, values).fetchall():
            if found is not None:
                return str(found)
    return None


def _revision(row: dict[str, Any]) -> Revision:
    times = ("valid_from", "valid_to", "published_at", "updated_at")
    known = {name: utc(row[name]) for name in times}
    return Revision(**{**row, **known, "media": media_rows(row["media"])})
