"""Keep the fingerprints complete: what is missing, what to remove; in the transaction of the caller.

A content that an earlier copydesk stored is missing until ``add_missing`` adds it. Imports numpy
only when there is something to add.
"""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from warehouse import stage

_COUNT_MISSING = """
    SELECT greatest(
        (SELECT count(*) FROM _store.contents) - (SELECT count(*) FROM _store.syndication_docs), 0)
"""

_MISSING = """
    SELECT c.seq
    FROM _store.contents c ANTI JOIN _store.syndication_docs d ON d.content_seq = c.seq
    ORDER BY c.seq LIMIT {limit}
"""

_REMOVED = """
    CREATE OR REPLACE TEMP TABLE copydesk_removed AS
    SELECT c.content_key, d.doc
    FROM _store.contents c LEFT JOIN _store.syndication_docs d ON d.content_seq = c.seq
    WHERE {condition}
"""
_OF_DOC = "doc IN (SELECT doc FROM copydesk_removed)"
_OF_KEY = "IN (SELECT content_key FROM copydesk_removed)"
_REMOVE = {
    "prints": _OF_DOC,
    "docs": _OF_DOC,
    "pairs": f"content_key {_OF_KEY} OR other_content_key {_OF_KEY}",
}


def count_missing(db: DuckDBPyConnection) -> int:
    """Return how many contents are not compared with the others yet."""
    return stage.count(db, _COUNT_MISSING)


def add_missing(db: DuckDBPyConnection, *, limit: int) -> int:
    """Add contents that an earlier copydesk stored, oldest first; return how many."""
    if not count_missing(db):
        return 0
    from warehouse.syndication.candidates import texts_of
    from warehouse.syndication.pairs import Content, add_contents, keys_of

    seqs = [seq for (seq,) in db.execute(_MISSING.format(limit=int(limit))).fetchall()]
    texts, keys = texts_of(db, seqs), keys_of(db, seqs)
    add_contents(db, [Content(seq, keys[seq], texts[seq]) for seq in seqs])
    return len(seqs)


def remove_contents(db: DuckDBPyConnection, condition: str) -> None:
    """Remove contents that the caller is about to delete.

    Args:
        db: The warehouse.
        condition: Which rows of ``_store.contents``; a constant of this package, never input.
    """
    db.execute(_REMOVED.format(condition=condition))
    for table, where in _REMOVE.items():
        db.execute(f"DELETE FROM _store.syndication_{table} WHERE {where}")  # noqa: S608
    db.execute("DROP TABLE copydesk_removed")
