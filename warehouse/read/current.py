"""All current articles without their texts, and the texts of some.

The view ``articles`` counts duplicates and sightings: three times the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from duckdb import DuckDBPyConnection

from warehouse import stage

CURRENT_ARTICLES = """
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key,
               max_by(content_key, (seen_at, seq)) AS content_key,
               count(*) AS version_count, min(seen_at) AS first_seen_at
        FROM _store.article_versions
        GROUP BY article_key
    ), changes AS (
        -- Nearly every article has one version; only the others need an order.
        SELECT article_key, content_key IS DISTINCT FROM lag(content_key)
                   OVER (PARTITION BY article_key ORDER BY seen_at, seq) AS is_change
        FROM _store.article_versions
        SEMI JOIN (SELECT article_key FROM heads WHERE version_count > 1) USING (article_key)
    ), revisions AS (
        SELECT article_key, count(*) FILTER (is_change) AS revision_count
        FROM changes GROUP BY article_key
    )
    SELECT r.source || ':' || r.source_article_id AS article_id, r.source, r.title, r.authors,
           r.publisher, r.published_at, r.published_on, r.published_precision,
           r.published_timezone, r.updated_at, r.categories, r.tags, r.language, r.lead_image,
           coalesce(r.media, []) AS media, r.url, r.completeness,
           CASE WHEN g.article_key IS NULL THEN 'live' ELSE 'gone' END AS state,
           coalesce(v.revision_count, 1) AS revision_count, h.first_seen_at, h.record_key,
           h.content_key
    FROM heads h
    JOIN _store.article_records r ON r.record_key = h.record_key
    LEFT JOIN revisions v ON v.article_key = h.article_key
    LEFT JOIN (SELECT DISTINCT article_key FROM _store.gone WHERE live_at IS NULL) g
        ON g.article_key = h.article_key
"""
"""Columns of the view ``articles``, and two keys that change with the HTML or the text."""

_HEADS = """
    WITH heads AS (
        SELECT k.i, max_by(v.record_key, (v.seen_at, v.seq)) AS record_key,
               max_by(v.content_key, (v.seen_at, v.seq)) AS content_key
        FROM copydesk_asked k
        JOIN _store.article_versions v ON v.article_key = k.key::UUID
        GROUP BY k.i
    )
    SELECT h.i, r.body_html, r.text, c.rowid
    FROM heads h
    JOIN _store.article_records r ON r.record_key = h.record_key
    JOIN _store.contents c ON c.content_key = h.content_key
"""
# A join would read every text; with numbers of rows DuckDB reads the blocks of these only.
_CONTENTS = "SELECT rowid, body_html, text FROM _store.contents WHERE rowid IN ({})"
_IDS_EACH = 2000


def read_texts(
    db: DuckDBPyConnection, article_ids: Sequence[str]
) -> Iterator[tuple[str, str, str | None]]:
    """Yield id, HTML and text of some articles, in any order.

    Articles that were stored one after another are read fastest.
    """
    for at in range(0, len(article_ids), _IDS_EACH):
        part = article_ids[at : at + _IDS_EACH]
        with stage.staged(db, "copydesk_asked", stage.keyed(part)):
            heads = db.execute(_HEADS).fetchall()
        numbers = ",".join({str(number) for *_, number in heads})
        found = db.execute(_CONTENTS.format(numbers or -1)).fetchall()
        contents = {number: texts for number, *texts in found}
        for i, own_html, own_text, number in heads:
            body_html, text = contents[number]
            html = body_html if own_html is None else own_html
            yield part[i], html, (text if own_text is None else own_text) or None
