"""Rules of the search index; each counts violations. ``doctor --verify`` checks them."""

from __future__ import annotations

INDEX_RULES = {
    "documents of the search index without a content": """
        SELECT count(*) FROM _store.search_docs d ANTI JOIN _store.contents c USING (content_key)""",
    "contents indexed twice": """
        SELECT count(*) - count(DISTINCT content_key) FROM _store.search_docs WHERE slot = doc""",
    "slots of the search index used twice": """
        SELECT count(*) - count(DISTINCT slot) FROM _store.search_docs""",
    "documents of the search index with a posting too many or too few": """
        SELECT count(*) FROM (
            SELECT doc, any_value(token_count) AS expected, coalesce(sum(posting_count), 0) AS found
            FROM _store.search_docs LEFT JOIN (
                SELECT gpos >> 10 AS slot, count(*) AS posting_count
                FROM (SELECT gpos FROM _store.search_postings
                      UNION ALL SELECT gpos FROM _store.search_fresh)
                GROUP BY ALL) USING (slot)
            GROUP BY doc
        ) WHERE found <> expected""",
    "postings of the search index without a document": """
        SELECT count(*) FROM (
            SELECT gpos >> 10 AS slot FROM _store.search_postings
            UNION ALL SELECT gpos >> 10 FROM _store.search_fresh
        ) ANTI JOIN _store.search_docs USING (slot)""",
    "articles of the search index that are not current": """
        SELECT count(*) FROM _store.search_articles a FULL JOIN (
            SELECT v.article_key, max_by(v.record_key, (v.seen_at, v.seq)) AS record_key,
                   max_by(v.content_key, (v.seen_at, v.seq)) AS content_key
            FROM _store.article_versions v GROUP BY v.article_key
        ) h ON h.article_key = a.article_key
        LEFT JOIN _store.search_docs d ON d.content_key = h.content_key AND d.slot = d.doc
        WHERE a.doc IS DISTINCT FROM d.doc
           OR (d.doc IS NOT NULL AND a.record_key IS DISTINCT FROM h.record_key)""",
}
