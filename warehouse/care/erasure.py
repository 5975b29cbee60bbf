"""Deletion on request: the article goes, a tombstone stays, so that no run brings it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseError
from warehouse.records import suppression
from warehouse.upsert import stage
from warehouse.upsert.keys import key_of

# What is meant, as temporary tables: the articles, those that stay, their own addresses, the
# fetches of their own pages. Every page of an article but its second and later ones has the
# listing's line that led to it; whatever else has none is a listing, which holds other
# articles too: neither its address nor that of an article that stays is an article's own.
# What an earlier wish had to leave in the archive is tried again with the next one.
_CHOSEN = {
    "copydesk_gone": """
        SELECT DISTINCT article_key FROM _store.records
        WHERE CASE WHEN ? THEN source = ?
                   ELSE article_key IN (SELECT article_key::UUID FROM copydesk_named) END""",
    "copydesk_staying": """
        SELECT DISTINCT source, source || ':' || source_article_id AS article_id, url, canonical_url
        FROM _store.records ANTI JOIN copydesk_gone USING (article_key)""",
    "copydesk_following": """
        SELECT DISTINCT split_part(n.article_id, ':', 1) AS source, u.url
        FROM copydesk_named n, copydesk_urls u
        WHERE (split_part(n.article_id, ':', 1), u.url) NOT IN (
            SELECT (source, url) FROM copydesk_staying
            UNION ALL SELECT (source, canonical_url) FROM copydesk_staying)""",
    "copydesk_gone_urls": """
        SELECT source, url FROM (
            SELECT source, url FROM _store.records SEMI JOIN copydesk_gone USING (article_key)
            UNION
            SELECT source, canonical_url FROM _store.records
            SEMI JOIN copydesk_gone USING (article_key)
            EXCEPT SELECT source, url FROM copydesk_staying
            EXCEPT SELECT source, canonical_url FROM copydesk_staying
            EXCEPT SELECT source, url FROM _store.pages WHERE entry = ''
        ) WHERE url <> ''
        UNION
        SELECT source, url FROM copydesk_following""",
    "copydesk_gone_pages": """
        SELECT DISTINCT p.url_key, p.fetched_at FROM (
            SELECT *, source || ':' ||
                   json_extract_string(nullif(entry, ''), '$.source_article_id') AS article_id
            FROM _store.pages
        ) p
        WHERE CASE WHEN ? THEN p.source = ?
                   WHEN p.entry = '' THEN (p.source, p.url) IN (
                        SELECT (source, url) FROM copydesk_following)
                   ELSE p.article_id IN (SELECT article_id FROM copydesk_named)
                        OR p.article_id IN (SELECT article_id FROM _store.tombstones
                                            WHERE article_id IS NOT NULL)
                        OR (p.article_id NOT IN (SELECT article_id FROM copydesk_staying)
                            AND ((p.source, p.url) IN (SELECT (source, url) FROM copydesk_gone_urls)
                              OR (p.source, p.final_url) IN (
                                  SELECT (source, url) FROM copydesk_gone_urls))) END""",
}

# Rows by table, for what was chosen. A content goes with the last article that said it.
_ROWS = {
    "contents": """
        content_key IN (SELECT content_key FROM _store.records
                        WHERE article_key IN (SELECT article_key FROM copydesk_gone))
        AND content_key NOT IN (SELECT content_key FROM _store.records
                        WHERE article_key NOT IN (SELECT article_key FROM copydesk_gone))""",
    "posts": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "pages": """
        (url_key, fetched_at) IN (SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
        AND coalesce(archive_file || ':' || archive_offset, '') NOT IN (
            SELECT place FROM copydesk_left)""",
    "quarantine": """
        CASE WHEN ? THEN source = ?
             ELSE coalesce(article_id, '') IN (SELECT article_id FROM copydesk_named)
                  OR ((source, url) IN (SELECT (source, url) FROM copydesk_gone_urls)
                      AND coalesce(article_id, '') NOT IN (
                          SELECT article_id FROM copydesk_staying)) END""",
    "seen": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "versions": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "records": "article_key IN (SELECT article_key FROM copydesk_gone)",
}

_ARCHIVED = """
    SELECT DISTINCT source, archive_file, archive_offset, url, digest IS NOT NULL AND digest IN (
               SELECT digest FROM _store.pages WHERE (url_key, fetched_at) NOT IN (
                   SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
                   AND digest IS NOT NULL)
    FROM _store.pages
    WHERE archive_file IS NOT NULL
      AND (url_key, fetched_at) IN (SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
    ORDER BY ALL
"""

# Names of a wish under which nothing is kept: no content, no failure, no page.
_ABSENT = {
    "articles": """
        SELECT article_id FROM copydesk_named
        WHERE article_key::UUID NOT IN (SELECT article_key FROM _store.records)
          AND article_id NOT IN (
              SELECT article_id FROM _store.quarantine WHERE article_id IS NOT NULL)
          AND article_id NOT IN (
              SELECT source || ':' || json_extract_string(entry, '$.source_article_id')
              FROM _store.pages WHERE entry <> ''
                AND json_extract_string(entry, '$.source_article_id') IS NOT NULL)""",
    "source": """
        SELECT ? WHERE ? NOT IN (
            SELECT source FROM _store.records UNION ALL SELECT source FROM _store.quarantine
            UNION ALL SELECT source FROM _store.pages)""",
}

_PLANS = """
    plan_key IN (SELECT plan_key FROM _work.chunks c WHERE CASE WHEN ? THEN c.source = ? ELSE
        EXISTS (SELECT 1 FROM copydesk_named n
                WHERE starts_with(n.article_id, c.source || ':') AND contains(c.spec, n.quoted))
        OR EXISTS (SELECT 1 FROM copydesk_gone_urls u
                WHERE u.source = c.source AND contains(c.spec, '"' || u.url || '"')) END)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedRows:
    """How many rows there are (or were) to be removed.

    Attributes:
        articles: Articles.
        contents: Contents that no other article says.
        posts: Imported files.
        pages: Fetches of the articles' own pages.
        quarantine: Failures with their bytes.
        plans: Pieces of backfills that name them; their plans begin anew.
    """

    articles: int = 0
    contents: int = 0
    posts: int = 0
    pages: int = 0
    quarantine: int = 0
    plans: int = 0


@dataclass(frozen=True, slots=True)
class ArchivedPageLocation:
    """Where a page lies in the archive.

    Attributes:
        is_shared: Whether the page of something that stays has the very same bytes.
    """

    source: str
    file: str
    offset: int
    url: str
    is_shared: bool


# --- forgetting ----------------------------------------------------------------------------


def erase(
    db: DuckDBPyConnection,
    article_ids: Sequence[str] = (),
    *,
    source: str = "",
    urls: Iterable[str] = (),
    left: Iterable[tuple[str, int]] = (),
    reason: str = "",
    at: datetime | None = None,
) -> ErasedRows:
    """Deletes articles, or all of a source, with all that shows their words; how many rows.

    The tombstones are set even for what is not stored. The caller owns the transaction;
    ``compact`` gives the room back, and older snapshots, copies and the archive of pages
    are the caller's to remove.

    Args:
        db: The warehouse.
        article_ids: Which articles.
        source: The whole source instead.
        urls: Further addresses of the articles' pages, such as of their second pages.
        left: Files and offsets of the archive that still hold a page of theirs: the rows
            that say so stay, so that the next wish finds them.
        reason: Kept with the tombstones.
        at: When, aware UTC; now by default.

    Raises:
        WarehouseError: An id is not ``<source>:<source_article_id>``.
    """
    with _chosen(db, article_ids, source, urls, left) as whole:
        found = _count(db, whole)
        for table, where in _ROWS.items():
            db.execute(f"DELETE FROM _store.{table} WHERE {where}", whole * (where.count("?") // 2))  # noqa: S608
        db.execute(f"DELETE FROM _work.chunks WHERE {_PLANS}", whole)  # noqa: S608
    at = at or datetime.now(UTC)
    if source:
        # Without its marks it begins anew, should its tombstone ever be lifted.
        for table in ("watermarks", "gaps"):
            db.execute(f"DELETE FROM _store.{table} WHERE source = ?", [source])  # noqa: S608
        suppression.suppress(db, source=source, reason=reason, at=at)
    for one in article_ids:
        suppression.suppress(db, article_id=one, reason=reason, at=at)
    return found


def erase_article(
    db: DuckDBPyConnection, article_id: str, *, reason: str = "", at: datetime | None = None
) -> int:
    """Deletes one article; how many there were (0 or 1). See ``erase``."""
    return erase(db, [article_id], reason=reason, at=at).articles


def erase_source(
    db: DuckDBPyConnection, source: str, *, reason: str = "", at: datetime | None = None
) -> int:
    """Deletes all articles of a source and keeps it out; how many articles there were."""
    return erase(db, source=source, reason=reason, at=at).articles


def preview(
    db: DuckDBPyConnection,
    article_ids: Sequence[str] = (),
    *,
    source: str = "",
    urls: Iterable[str] = (),
) -> ErasedRows:
    """What ``erase`` would remove; nothing is changed.

    Raises:
        WarehouseError: An id is not ``<source>:<source_article_id>``.
    """
    with _chosen(db, article_ids, source, urls) as whole:
        return _count(db, whole)


def not_stored(
    db: DuckDBPyConnection, article_ids: Sequence[str] = (), *, source: str = ""
) -> dict[str, bool]:
    """The articles, or the source, of which nothing is stored; whether each has a tombstone.

    Raises:
        WarehouseError: An id is not ``<source>:<source_article_id>``.
    """
    with stage.staged(db, "copydesk_named", _named(article_ids)):
        found = db.execute(_ABSENT["articles"]).fetchall()
    if source:
        found = db.execute(_ABSENT["source"], [source, source]).fetchall()
        return {name: suppression.is_suppressed(db, source=name) for (name,) in found}
    return {name: suppression.is_suppressed(db, article_id=name) for (name,) in found}


def articles_at_url(db: DuckDBPyConnection, url: str) -> list[str]:
    """The articles that have, or had, an address."""
    found = db.execute(
        "SELECT DISTINCT source || ':' || source_article_id FROM _store.records "
        "WHERE ? IN (url, canonical_url, original_url) ORDER BY ALL",
        [url],
    ).fetchall()
    return [article_id for (article_id,) in found]


def archived_pages(
    db: DuckDBPyConnection,
    article_ids: Sequence[str] = (),
    *,
    source: str = "",
    urls: Iterable[str] = (),
) -> list[ArchivedPageLocation]:
    """Where the archive keeps the pages that ``erase`` would remove the rows of."""
    with _chosen(db, article_ids, source, urls):
        return [ArchivedPageLocation(*row) for row in db.execute(_ARCHIVED).fetchall()]


@contextmanager
def _chosen(
    db: DuckDBPyConnection,
    article_ids: Sequence[str],
    source: str,
    urls: Iterable[str],
    left: Iterable[tuple[str, int]] = (),
) -> Iterator[list[object]]:
    """The temporary tables, and the parameters that say whether a whole source is meant."""
    named = _named(article_ids)
    more = stage.table(url=(list(urls), stage.TEXT))
    places = stage.table(place=([f"{file}:{offset}" for file, offset in left], stage.TEXT))
    whole: list[object] = [bool(source), source]
    with (
        stage.staged(db, "copydesk_named", named),
        stage.staged(db, "copydesk_urls", more),
        stage.staged(db, "copydesk_left", places),
    ):
        for name, sql in _CHOSEN.items():
            db.execute(
                f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}", whole * (sql.count("?") // 2)
            )
        try:
            yield whole
        finally:
            for name in reversed(_CHOSEN):
                db.execute(f"DROP TABLE IF EXISTS {name}")


def _named(article_ids: Sequence[str]) -> Any:
    for one in article_ids:
        own_source, _, own = one.partition(":")
        if not (own_source and own):
            raise WarehouseError(f"expected <source>:<source_article_id>, found {one!r}")
    return stage.table(
        article_id=(list(article_ids), stage.TEXT),
        article_key=stage.keys([key_of(one) for one in article_ids]),
        quoted=([_quoted(one.partition(":")[2]) for one in article_ids], stage.TEXT),
    )


def _quoted(own_id: str) -> str:
    """An id as the JSON of a plan holds it."""
    return json.dumps(own_id, ensure_ascii=False)


def _count(db: DuckDBPyConnection, whole: list[object]) -> ErasedRows:
    def rows(table: str, where: str) -> int:
        sql = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608
        return int(db.execute(sql, whole * (where.count("?") // 2)).fetchall()[0][0])

    stored = {name: rows(f"_store.{name}", _ROWS[name]) for name in list(_ROWS)[:4]}
    articles = int(db.execute("SELECT count(*) FROM copydesk_gone").fetchall()[0][0])
    return ErasedRows(articles=articles, plans=rows("_work.chunks", _PLANS), **stored)
