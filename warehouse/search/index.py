"""Add contents to the search index and remove them, in the transaction of the caller.

The index has one entry per content, and one row per article for its current record. It misses
contents that an earlier copydesk stored, until ``index_missing`` adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.search import runs
from warehouse.search.layout import lay_out
from warehouse.search.tokens import tokenize

_COUNTS = """
    SELECT (SELECT count(*) FROM _store.contents),
           (SELECT count(*) FILTER (slot = doc) FROM _store.search_docs)
"""

_SPACE = """
    SELECT (SELECT coalesce(max(slot), 0) + 1 FROM _store.search_docs),
           (SELECT count(*) FROM _store.search_fresh)
"""

_MISSING = """
    SELECT c.content_key
    FROM _store.contents c ANTI JOIN _store.search_docs d ON d.content_key = c.content_key
    ORDER BY c.seq LIMIT {limit}
"""

_CONTENTS = """
    SELECT c.content_key, c.seq, c.text
    FROM _store.contents c JOIN copydesk_contents k ON c.content_key = k.key::UUID
    ORDER BY c.seq
"""

# The title of the record that a content was stored with.
_TITLES = """
    SELECT v.content_key, min_by(coalesce(r.title, ''), v.seq)
    FROM _store.article_versions v
    SEMI JOIN copydesk_contents k ON v.content_key = k.key::UUID
    JOIN _store.article_records r ON r.record_key = v.record_key
    GROUP BY v.content_key
"""

_ARTICLES_WITH = """
    SELECT DISTINCT v.article_key
    FROM _store.article_versions v JOIN copydesk_contents k ON v.content_key = k.key::UUID
"""

# The current records of some articles, where the index has their content.
_CURRENT = """
    INSERT INTO _store.search_articles BY NAME
    SELECT d.doc, h.article_key, h.record_key, r.source, r.published_at
    FROM (
        SELECT v.article_key, max_by(v.record_key, (v.seen_at, v.seq)) AS record_key,
               max_by(v.content_key, (v.seen_at, v.seq)) AS content_key
        FROM _store.article_versions v
        SEMI JOIN copydesk_articles k ON v.article_key = k.key::UUID
        GROUP BY v.article_key
    ) h
    JOIN _store.article_records r ON r.record_key = h.record_key
    JOIN _store.search_docs d ON d.content_key = h.content_key AND d.slot = d.doc
"""

_DOCS = """
    SELECT k.i, d.doc FROM _store.search_docs d JOIN copydesk_contents k ON d.content_key = k.key::UUID
    WHERE d.slot = d.doc
"""

_REMOVE = {
    "articles": "doc IN (SELECT doc FROM copydesk_docs)",
    "postings": "gpos >> 10 IN (SELECT slot FROM copydesk_docs)",
    "fresh": "gpos >> 10 IN (SELECT slot FROM copydesk_docs)",
    "docs": "slot IN (SELECT slot FROM copydesk_docs)",
}


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """How much of the warehouse the index holds, in contents."""

    contents: int
    indexed: int

    @property
    def missing(self) -> int:
        """How many contents a search cannot find yet."""
        return self.contents - self.indexed


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A content to index.

    Attributes:
        seq: Its number in ``_store.contents``.
    """

    key: bytes
    seq: int
    title: str
    text: str


def count(db: DuckDBPyConnection) -> IndexCounts:
    """Count the contents that are stored and those that are indexed."""
    return IndexCounts(*db.execute(_COUNTS).fetchall()[0])


def add_contents(db: DuckDBPyConnection, contents: Sequence[Content]) -> dict[bytes, int]:
    """Index contents that the index does not have; return the document number of each."""
    if not contents:
        return {}
    first, fresh_count = db.execute(_SPACE).fetchall()[0]
    titles = tokenize([one.title for one in contents])
    texts = tokenize([one.text for one in contents])
    layout = lay_out(titles, texts, first)
    repeats = layout.slot_counts
    keys = np.frombuffer(b"".join(one.key for one in contents), "V16")
    docs = pa.table(
        {
            "slot": np.arange(first, first + int(repeats.sum()), dtype=np.uint64),
            "doc": np.repeat(layout.first_slots, repeats).astype(np.uint64),
            "content_key": stage.keys([bytes(one) for one in np.repeat(keys, repeats)]),
            "content_seq": np.repeat([one.seq for one in contents], repeats),
            "token_count": np.repeat(layout.token_counts, repeats).astype(np.int32),
        }
    )
    stage.insert(db, "_store.search_docs", docs)
    runs.append(db, layout.tokens, layout.positions, fresh_count=fresh_count)
    first_slots: list[int] = layout.first_slots.tolist()
    return dict(zip((one.key for one in contents), first_slots, strict=True))


def docs_of(db: DuckDBPyConnection, content_keys: Sequence[bytes]) -> dict[bytes, int]:
    """Return the document number of each content that is indexed."""
    if not content_keys:
        return {}
    numbered = stage.table(i=(range(len(content_keys)), stage.SMALL), key=stage.keys(content_keys))
    with stage.staged(db, "copydesk_contents", numbered):
        return {content_keys[i]: doc for i, doc in db.execute(_DOCS).fetchall()}


def refresh_articles(db: DuckDBPyConnection, article_keys: Sequence[bytes]) -> None:
    """Make the rows of articles again, from their current versions."""
    if not article_keys:
        return
    with stage.staged(db, "copydesk_articles", stage.table(key=stage.keys(article_keys))):
        db.execute(
            "DELETE FROM _store.search_articles "
            "WHERE article_key IN (SELECT key::UUID FROM copydesk_articles)"
        )
        db.execute(_CURRENT)


def index_missing(db: DuckDBPyConnection, *, limit: int) -> int:
    """Index contents that an earlier copydesk stored, oldest first; return how many."""
    if not count(db).missing:
        return 0
    found = db.execute(_MISSING.format(limit=int(limit))).fetchall()
    index_stored(db, [key.bytes for (key,) in found])
    return len(found)


def index_stored(db: DuckDBPyConnection, content_keys: Sequence[bytes]) -> None:
    """Index contents that are stored and not indexed."""
    if not content_keys:
        return
    with stage.staged(db, "copydesk_contents", stage.table(key=stage.keys(content_keys))):
        found = db.execute(_CONTENTS).fetchall()
        titles: dict[UUID, str] = dict(db.execute(_TITLES).fetchall())
        articles = [key.bytes for (key,) in db.execute(_ARTICLES_WITH).fetchall()]
    add_contents(
        db,
        [
            Content(key=key.bytes, seq=seq, title=titles.get(key, ""), text=text)
            for key, seq, text in found
        ],
    )
    refresh_articles(db, articles)


def remove_contents(db: DuckDBPyConnection, condition: str) -> None:
    """Remove contents and everything that shows their text from the index.

    Args:
        db: The warehouse.
        condition: Which rows of ``_store.search_docs``; a constant of this package, never input.
    """
    selected = f"SELECT slot, doc FROM _store.search_docs WHERE {condition}"  # noqa: S608
    db.execute(f"CREATE OR REPLACE TEMP TABLE copydesk_docs AS {selected}")
    for table, where in _REMOVE.items():
        db.execute(f"DELETE FROM _store.search_{table} WHERE {where}")  # noqa: S608
    db.execute("DROP TABLE copydesk_docs")
