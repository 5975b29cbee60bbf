"""Suppression: articles and sources that were deleted on request and are kept out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A suppressed article, or with ``article_id`` ``None`` a whole source."""

    article_id: str | None
    source: str
    reason: str
    suppressed_at: datetime


class SuppressionList:
    """The suppressions as a lookup, so that nothing suppressed is fetched."""

    def __init__(self, suppressions: Iterable[Suppression] = ()) -> None:
        all_of_them = list(suppressions)
        self._articles = {one.article_id for one in all_of_them if one.article_id is not None}
        self._sources = {one.source for one in all_of_them if one.article_id is None}

    def has_source(self, source: str) -> bool:
        """Return whether a whole source is suppressed."""
        return source in self._sources

    def __contains__(self, article_id: object) -> bool:
        return article_id in self._articles or str(article_id).partition(":")[0] in self._sources


def list_suppressions(db: DuckDBPyConnection) -> list[Suppression]:
    """Return every suppression, oldest first."""
    found = stage.select(
        db,
        "SELECT article_id, source, reason, suppressed_at FROM _store.suppressions "
        "ORDER BY suppressed_at, source, article_id NULLS FIRST",
    )
    return [Suppression(**one) for one in found]


def suppress(
    db: DuckDBPyConnection, *, article_id: str = "", source: str = "", reason: str, at: datetime
) -> None:
    """Suppress an article or a source, unless it is suppressed (``at``: aware UTC)."""
    if is_suppressed(db, article_id=article_id, source=source):
        return
    key = as_uuid(key_of(article_id)) if article_id else None
    own_source = article_id.partition(":")[0] or source
    db.execute(
        "INSERT INTO _store.suppressions (article_key, article_id, source, reason, suppressed_at) "
        "VALUES (?, ?, ?, ?, ?)",
        [key, article_id or None, own_source, reason, at],
    )


def lift_suppression(db: DuckDBPyConnection, *, article_id: str = "", source: str = "") -> bool:
    """Lift the suppression of an article or a source; return whether there was one.

    A later run brings back what was deleted.
    """
    where, value = _which(article_id, source)
    return bool(stage.delete(db, "_store.suppressions", where, [value]))


def is_suppressed(db: DuckDBPyConnection, *, article_id: str = "", source: str = "") -> bool:
    """Return whether an article, or a whole source, is suppressed."""
    where, value = _which(article_id, source)
    sql = f"SELECT 1 FROM _store.suppressions WHERE {where}"  # noqa: S608
    return bool(db.execute(sql, [value]).fetchall())


def _which(article_id: str, source: str) -> tuple[str, str]:
    if article_id:
        return "article_key = ?::UUID", str(as_uuid(key_of(article_id)))
    return "article_key IS NULL AND source = ?", source
