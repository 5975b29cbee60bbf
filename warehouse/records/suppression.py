"""Tombstones: what was deleted on request and must not come back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.upsert.keys import as_uuid, key_of

_BURY = """
    INSERT INTO _store.tombstones (article_key, article_id, source, reason, forgotten_at)
    VALUES (?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """What must not be kept: an article, or with ``article_id`` ``None`` a whole source."""

    article_id: str | None
    source: str
    reason: str
    forgotten_at: datetime


def list_suppressions(db: DuckDBPyConnection) -> list[Suppression]:
    """Every tombstone, oldest first."""
    found = db.execute(
        "SELECT article_id, source, reason, forgotten_at FROM _store.tombstones "
        "ORDER BY forgotten_at, source, article_id NULLS FIRST"
    ).fetchall()
    return [
        Suppression(
            article_id=article_id, source=source, reason=reason, forgotten_at=at.astimezone(UTC)
        )
        for article_id, source, reason, at in found
    ]


def lift_suppression(db: DuckDBPyConnection, *, article_id: str = "", source: str = "") -> bool:
    """Lifts the tombstone of an article or of a source; whether there was one.

    What was deleted comes back only with a later run.
    """
    where, value = _which(article_id, source)
    was_buried = is_suppressed(db, article_id=article_id, source=source)
    db.execute(f"DELETE FROM _store.tombstones WHERE {where}", [value])  # noqa: S608
    return was_buried


class SuppressionList:
    """What tombstones keep out, for those who would rather not fetch it at all."""

    def __init__(self, stones: Iterable[Suppression] = ()) -> None:
        stones = list(stones)
        self._articles = {one.article_id for one in stones if one.article_id is not None}
        self._sources = {one.source for one in stones if one.article_id is None}

    def source(self, source: str) -> bool:
        """Whether a whole source is kept out."""
        return source in self._sources

    def __contains__(self, article_id: object) -> bool:
        return article_id in self._articles or str(article_id).partition(":")[0] in self._sources


def suppress(
    db: DuckDBPyConnection, *, article_id: str = "", source: str = "", reason: str, at: datetime
) -> None:
    """Sets the tombstone of an article or of a source, with its reason, unless there is one.

    ``at`` is aware UTC.
    """
    if is_suppressed(db, article_id=article_id, source=source):
        return
    key = as_uuid(key_of(article_id)) if article_id else None
    of = article_id.partition(":")[0] or source
    db.execute(_BURY, [key, article_id or None, of, reason, at])


def is_suppressed(db: DuckDBPyConnection, *, article_id: str = "", source: str = "") -> bool:
    """Whether an article, or a whole source, has a tombstone."""
    where, value = _which(article_id, source)
    sql = f"SELECT 1 FROM _store.tombstones WHERE {where}"  # noqa: S608
    return bool(db.execute(sql, [value]).fetchall())


def _which(article_id: str, source: str) -> tuple[str, str]:
    if article_id:
        return "article_key = ?::UUID", str(as_uuid(key_of(article_id)))
    return "article_key IS NULL AND source = ?", source
