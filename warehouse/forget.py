"""Deletion on request: the article goes, a tombstone stays, so that no run brings it back."""

from __future__ import annotations

from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseError
from warehouse.keys import as_uuid, key_of

# A content goes with the last article that said it.
_ORPHANS = """
    DELETE FROM _store.contents
    WHERE content_key IN (SELECT content_key FROM _store.records WHERE article_key IN (
              SELECT article_key FROM copydesk_forgotten))
      AND content_key NOT IN (SELECT content_key FROM _store.records WHERE article_key NOT IN (
              SELECT article_key FROM copydesk_forgotten))
"""

_FOUND = """
    CREATE OR REPLACE TEMP TABLE copydesk_forgotten AS
    SELECT DISTINCT article_key FROM _store.records WHERE {where}
"""
_GONE = """
    DELETE FROM _store.{table}
    WHERE article_key IN (SELECT article_key FROM copydesk_forgotten)
"""

_WHOLE = "article_key IS NULL AND source = ?"

_BURY = """
    INSERT INTO _store.tombstones (article_key, article_id, source, reason, forgotten_at)
    VALUES (?, ?, ?, ?, ?)
"""


def forget_article(
    db: DuckDBPyConnection, article_id: str, *, reason: str = "", at: datetime | None = None
) -> int:
    """Deletes an article with its revisions, files and failures; how many there were (0 or 1).

    The tombstone is set even for an article that is not stored. The caller owns the
    transaction; ``compact`` gives the room back, and older snapshots, copies and the
    archive of pages are the caller's to remove.

    Raises:
        WarehouseError: The id is not ``<source>:<source_article_id>``.
    """
    source, colon, own = article_id.partition(":")
    if not (source and colon and own):
        raise WarehouseError(f"expected <source>:<source_article_id>, found {article_id!r}")
    key = as_uuid(key_of(article_id))
    if not _is_buried(db, "article_key = ?", key):
        db.execute(_BURY, [key, article_id, source, reason, at or datetime.now(UTC)])
    db.execute("DELETE FROM _store.quarantine WHERE article_id = ?", [article_id])
    return _delete(db, "article_key = ?", key)


def forget_source(
    db: DuckDBPyConnection, source: str, *, reason: str = "", at: datetime | None = None
) -> int:
    """Deletes all articles of a source and keeps it out; how many articles there were."""
    if not _is_buried(db, _WHOLE, source):
        db.execute(_BURY, [None, None, source, reason, at or datetime.now(UTC)])
    db.execute("DELETE FROM _store.quarantine WHERE source = ?", [source])
    return _delete(db, "source = ?", source)


def remember(db: DuckDBPyConnection, *, article_id: str = "", source: str = "") -> bool:
    """Lifts the tombstone of an article or of a source; whether there was one.

    What was deleted comes back only with a later run.
    """
    where, value = ("article_id = ?", article_id) if article_id else (_WHOLE, source)
    was_buried = _is_buried(db, where, value)
    db.execute(f"DELETE FROM _store.tombstones WHERE {where}", [value])  # noqa: S608
    return was_buried


def _is_buried(db: DuckDBPyConnection, where: str, value: object) -> bool:
    sql = f"SELECT 1 FROM _store.tombstones WHERE {where}"  # noqa: S608
    return db.execute(sql, [value]).fetchone() is not None


def _delete(db: DuckDBPyConnection, where: str, value: object) -> int:
    """Deletes every row of the articles whose records are found so."""
    db.execute(_FOUND.format(where=where), [value])
    count = int(db.execute("SELECT count(*) FROM copydesk_forgotten").fetchall()[0][0])
    if count:
        db.execute(_ORPHANS)
        for name in ("seen", "versions", "posts", "records"):
            db.execute(_GONE.format(table=name))
    db.execute("DROP TABLE copydesk_forgotten")
    return count
