"""Rules of the fingerprints; each counts violations. ``doctor --verify`` checks them."""

from __future__ import annotations

SYNDICATION_RULES = {
    "fingerprinted documents without a content": """
        SELECT count(*) FROM _store.syndication_docs d
        ANTI JOIN _store.contents c ON c.seq = d.content_seq""",
    "contents fingerprinted twice": """
        SELECT count(*) - count(DISTINCT content_seq) FROM _store.syndication_docs""",
    "numbers of fingerprinted documents used twice": """
        SELECT count(*) - count(DISTINCT doc) FROM _store.syndication_docs""",
    "documents with a fingerprint too many or too few": """
        SELECT count(*) FROM _store.syndication_docs d
        FULL JOIN (SELECT doc, count(*) AS found FROM _store.syndication_prints GROUP BY doc) p
               ON p.doc = d.doc
        WHERE coalesce(d.print_count, 0) <> coalesce(p.found, 0)""",
    "frequent fingerprints stored twice": """
        SELECT count(*) - count(DISTINCT print) FROM _store.syndication_common""",
    "pairs of contents stored twice": """
        SELECT count(*) - count(DISTINCT (least(content_key, other_content_key),
                                          greatest(content_key, other_content_key)))
        FROM _store.syndication_pairs""",
    "pairs without a content": """
        SELECT count(*) FROM (
            SELECT content_key FROM _store.syndication_pairs
            UNION ALL SELECT other_content_key FROM _store.syndication_pairs
        ) ANTI JOIN _store.contents USING (content_key)""",
}
