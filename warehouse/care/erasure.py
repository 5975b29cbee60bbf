"""Erasure: delete articles on request, and suppress them so that no run brings them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.errors import WarehouseError
from warehouse.keys import key_of
from warehouse.records import gaps, suppression
from warehouse.search import index
from warehouse.syndication import index as fingerprints

# The selection as temporary tables: the articles to erase, those that stay, the URLs of the
# erased ones alone, and the fetches of their own pages. The first page of an article has its
# listing entry; a fetch without one is a following page or a listing. A listing has other
# articles too, so neither its URL nor that of an article that stays belongs to an erased one.
# Pages that an earlier erasure could not remove from the archive are selected again.
_CHOSEN = {
    "copydesk_gone": """
        SELECT DISTINCT article_key FROM _store.article_records
        WHERE CASE WHEN ? THEN source = ?
                   ELSE article_key IN (SELECT article_key::UUID FROM copydesk_named) END""",
    "copydesk_staying": """
        SELECT DISTINCT source, source || ':' || source_article_id AS article_id, url, canonical_url
        FROM _store.article_records ANTI JOIN copydesk_gone USING (article_key)""",
    "copydesk_following": """
        SELECT DISTINCT split_part(n.article_id, ':', 1) AS source, u.url
        FROM copydesk_named n, copydesk_urls u
        WHERE (split_part(n.article_id, ':', 1), u.url) NOT IN (
            SELECT (source, url) FROM copydesk_staying
            UNION ALL SELECT (source, canonical_url) FROM copydesk_staying)""",
    "copydesk_gone_urls": """
        SELECT source, url FROM (
            SELECT source, url FROM _store.article_records SEMI JOIN copydesk_gone USING (article_key)
            UNION
            SELECT source, canonical_url FROM _store.article_records
            SEMI JOIN copydesk_gone USING (article_key)
            EXCEPT SELECT source, url FROM copydesk_staying
            EXCEPT SELECT source, canonical_url FROM copydesk_staying
            EXCEPT SELECT source, url FROM _store.fetches WHERE listing_entry = ''
        ) WHERE url <> ''
        UNION
        SELECT source, url FROM copydesk_following""",
    "copydesk_gone_pages": """
        SELECT DISTINCT p.url_key, p.fetched_at FROM (
            SELECT *, source || ':' ||
                   json_extract_string(nullif(listing_entry, ''), '$.source_article_id')
                   AS article_id
            FROM _store.fetches
        ) p
        WHERE CASE WHEN ? THEN p.source = ?
                   WHEN p.listing_entry = '' THEN (p.source, p.url) IN (
                        SELECT (source, url) FROM copydesk_following)
                   ELSE p.article_id IN (SELECT article_id FROM copydesk_named)
                        OR p.article_id IN (SELECT article_id FROM _store.suppressions
                                            WHERE article_id IS NOT NULL)
                        OR (p.article_id NOT IN (SELECT article_id FROM copydesk_staying)
                            AND ((p.source, p.url) IN (SELECT (source, url) FROM copydesk_gone_urls)
                              OR (p.source, p.final_url) IN (
                                  SELECT (source, url) FROM copydesk_gone_urls))) END""",
}

_HEALTH = ("channel_days", "channel_states", "source_health", "health_findings")

# The rows to delete, by table. A content is deleted with the last article that has it.
_ROWS = {
    "contents": """
        content_key IN (SELECT content_key FROM _store.article_records
                        WHERE article_key IN (SELECT article_key FROM copydesk_gone))
        AND content_key NOT IN (SELECT content_key FROM _store.article_records
                        WHERE article_key NOT IN (SELECT article_key FROM copydesk_gone))""",
    "posts": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "fetches": """
        (url_key, fetched_at) IN (SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
        AND coalesce(archive_file || ':' || archive_offset, '') NOT IN (
            SELECT place FROM copydesk_left)""",
    "quarantine": """
        CASE WHEN ? THEN source = ?
             ELSE coalesce(article_id, '') IN (SELECT article_id FROM copydesk_named)
                  OR ((source, url) IN (SELECT (source, url) FROM copydesk_gone_urls)
                      AND coalesce(article_id, '') NOT IN (
                          SELECT article_id FROM copydesk_staying)) END""",
    "sightings": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "gone": """
        CASE WHEN ? THEN source = ?
             ELSE article_key IN (SELECT article_key::UUID FROM copydesk_named) END""",
    "entries": """
        CASE WHEN ? THEN source = ?
             ELSE article_key IN (SELECT article_key::UUID FROM copydesk_named)
                  OR (source, url) IN (SELECT (source, url) FROM copydesk_gone_urls)
                  OR source || ':' || json_extract_string(
                         nullif(listing_entry, ''), '$.source_article_id')
                     IN (SELECT article_id FROM copydesk_named) END""",
    "article_versions": "article_key IN (SELECT article_key FROM copydesk_gone)",
    "article_records": "article_key IN (SELECT article_key FROM copydesk_gone)",
}

# The index of a content has the title of its first record, which may be of an erased article. A
# content that another article has is indexed again.
_GONE_CONTENTS = """
    content_key IN (SELECT content_key FROM _store.article_records
                    WHERE article_key IN (SELECT article_key FROM copydesk_gone))"""
_SHARED_CONTENTS = f"""
    SELECT DISTINCT content_key FROM _store.article_records
    WHERE article_key NOT IN (SELECT article_key FROM copydesk_gone) AND {_GONE_CONTENTS}"""  # noqa: S608

_ARCHIVED = """
    SELECT DISTINCT source, archive_file, archive_offset, url,
           body_sha256 IS NOT NULL AND body_sha256 IN (
               SELECT body_sha256 FROM _store.fetches WHERE (url_key, fetched_at) NOT IN (
                   SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
                   AND body_sha256 IS NOT NULL)
    FROM _store.fetches
    WHERE archive_file IS NOT NULL
      AND (url_key, fetched_at) IN (SELECT (url_key, fetched_at) FROM copydesk_gone_pages)
    ORDER BY ALL
"""

# Requested names of which nothing is stored: no content, no failure, no page.
_ABSENT = {
    "articles": """
        SELECT article_id FROM copydesk_named
        WHERE article_key::UUID NOT IN (SELECT article_key FROM _store.article_records)
          AND article_id NOT IN (
              SELECT article_id FROM _store.quarantine WHERE article_id IS NOT NULL)
          AND article_id NOT IN (
              SELECT source || ':' || json_extract_string(listing_entry, '$.source_article_id')
              FROM _store.fetches WHERE listing_entry <> ''
                AND json_extract_string(listing_entry, '$.source_article_id') IS NOT NULL)""",
    "source": """
        SELECT ? WHERE ? NOT IN (
            SELECT source FROM _store.article_records
            UNION ALL SELECT source FROM _store.quarantine
            UNION ALL SELECT source FROM _store.fetches)""",
}

_PLANS = """
    plan_key IN (SELECT plan_key FROM _store.backfill_chunks c
        WHERE CASE WHEN ? THEN c.source = ? ELSE EXISTS (SELECT 1 FROM copydesk_named n
                WHERE starts_with(n.article_id, c.source || ':') AND contains(c.spec, n.quoted))
        OR EXISTS (SELECT 1 FROM copydesk_gone_urls u
                WHERE u.source = c.source AND contains(c.spec, '"' || u.url || '"')) END)
"""

# An id may be an address.
_ADDRESSES = """
    SELECT source, url FROM copydesk_gone_urls
    UNION
    SELECT split_part(article_id, ':', 1), substr(article_id, instr(article_id, ':') + 1)
    FROM copydesk_named
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedRows:
    """How many rows an erasure removes.

    Attributes:
        articles: Articles.
        contents: Contents that no other article has.
        posts: Imported files.
        fetches: Fetches of the articles' own pages.
        quarantine: Failures with their bytes.
        plans: Chunks of backfills that name them; these backfills start again.
    """

    articles: int = 0
    contents: int = 0
    posts: int = 0
    fetches: int = 0
    quarantine: int = 0
    plans: int = 0


@dataclass(frozen=True, slots=True)
class ArchivedPageLocation:
    """The location of a page in the archive.

    Attributes:
        is_shared: Another page, which stays, has the same bytes.
    """

    source: str
    file: str
    offset: int
    url: str
    is_shared: bool


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
    """Delete articles, or a whole source, with everything that shows their text.

    They are suppressed even if nothing of them is stored. The caller owns the transaction,
    compacts the file, and removes older snapshots, copies and archived pages.

    Args:
        db: The warehouse.
        article_ids: Which articles.
        source: The whole source instead.
        urls: More URLs of the articles' pages, such as their second pages.
        left: Files and offsets of the archive that still hold one of their pages. Their rows
            stay, so that the next erasure finds them.
        reason: Stored with the suppression.
        at: When, aware UTC; now by default.

    Returns:
        How many rows were removed.

    Raises:
        WarehouseError: An id is not ``<source>:<source_article_id>``.
    """
    with _chosen(db, article_ids, source, urls, left) as whole:
        found = _count(db, whole)
        shared = [key.bytes for (key,) in db.execute(_SHARED_CONTENTS).fetchall()]
        index.remove_contents(db, _GONE_CONTENTS)
        fingerprints.remove_contents(db, _ROWS["contents"])
        for table, where in _ROWS.items():
            db.execute(f"DELETE FROM _store.{table} WHERE {where}", whole * (where.count("?") // 2))  # noqa: S608
        db.execute(f"DELETE FROM _store.backfill_chunks WHERE {_PLANS}", whole)  # noqa: S608
        index.index_stored(db, shared)
        gaps.remove_addresses(db, set(db.execute(_ADDRESSES).fetchall()))
    at = at or datetime.now(UTC)
    if source:
        # Without watermarks it starts again, if its suppression is lifted.
        for table in ("watermarks", "gaps", "source_outages", *_HEALTH):
            db.execute(f"DELETE FROM _store.{table} WHERE source = ?", [source])  # noqa: S608
        db.execute("DELETE FROM _store.alert_deliveries WHERE subject = ?", [source])
        suppression.suppress(db, source=source, reason=reason, at=at)
    for one in article_ids:
        suppression.suppress(db, article_id=one, reason=reason, at=at)
    return found


def preview(
    db: DuckDBPyConnection,
    article_ids: Sequence[str] = (),
    *,
    source: str = "",
    urls: Iterable[str] = (),
) -> ErasedRows:
    """Return what ``erase`` would remove.

    Raises:
        WarehouseError: An id is not ``<source>:<source_article_id>``.
    """
    with _chosen(db, article_ids, source, urls) as whole:
        return _count(db, whole)


def not_stored(
    db: DuckDBPyConnection, article_ids: Sequence[str] = (), *, source: str = ""
) -> dict[str, bool]:
    """Return the articles, or the source, of which nothing is stored, and if each is suppressed.

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
    """Return the articles that have, or had, a URL."""
    found = db.execute(
        "SELECT DISTINCT source || ':' || source_article_id FROM _store.article_records "
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
    """Return the archive locations of the pages whose rows ``erase`` would remove."""
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
    """Make the temporary tables; yield the parameters for a whole source."""
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
    """Return an id as the JSON of a plan holds it."""
    return json.dumps(own_id, ensure_ascii=False)


def _count(db: DuckDBPyConnection, whole: list[object]) -> ErasedRows:
    def rows(table: str, where: str) -> int:
        sql = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608
        return stage.count(db, sql, whole * (where.count("?") // 2))

    stored = {name: rows(f"_store.{name}", _ROWS[name]) for name in list(_ROWS)[:4]}
    articles = stage.count(db, "SELECT count(*) FROM copydesk_gone")
    return ErasedRows(articles=articles, plans=rows("_store.backfill_chunks", _PLANS), **stored)
