"""Imported files that are stored already, good or bad, and the failures that they resolve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from duckdb import DuckDBPyConnection

from warehouse import post_paths, stage
from warehouse.rows import ArticleRow

_HAS_PATH_ID = post_paths.has_path_id("r.source_article_id", "p.path")
_HAS_PATH_ID_FAILED = post_paths.has_path_id("substr(q.article_id, length(q.source) + 2)", "q.url")

# A file that names its source, or its article's id, is the same whatever the source of the
# import. Any other file is known only if it was stored for this source.
STORED = f"""
    SELECT k.i, sha256(p.data) AS digest, r.source, r.published_at, p.first_seen_at AS seen_at
    FROM _store.posts p
    JOIN copydesk_paths k ON k.path = p.path
    JOIN _store.article_records r ON r.record_key = p.record_key
    WHERE r.parser = ? AND r.parser_version = ?
      AND (r.source = ? OR NOT {_HAS_PATH_ID})
"""  # noqa: S608  # column names, no values

# An import with other options adds a record of the same file. The latest one counts.
STORED_WITH_DEFAULTS = f"""
    SELECT k.i, sha256(p.data) AS digest, r.source, r.published_at, p.first_seen_at AS seen_at,
           v.seen_at AS current_at, c.language,
           json_extract_string(c.provenance, '$.language') AS language_provenance,
           c.published_timezone AS time_zone,
           {_HAS_PATH_ID} AND c.published_timezone_source <> 'value'
               AND c.published_at IS NOT NULL AS takes_zone
    FROM _store.posts p
    JOIN copydesk_paths k ON k.path = p.path
    JOIN _store.article_records r ON r.record_key = p.record_key
    JOIN _store.article_records c
        ON c.article_key = p.article_key AND c.content_key = p.content_key AND c.parser = r.parser
    JOIN _store.article_versions v
        ON v.article_key = p.article_key AND v.record_key = c.record_key
    WHERE r.parser = ? AND r.parser_version = ?
      AND (r.source = ? OR NOT {_HAS_PATH_ID})
    QUALIFY row_number() OVER (PARTITION BY p.post_key ORDER BY v.seen_at DESC, v.seq DESC) = 1
"""  # noqa: S608  # column names, no values

# The machine may have ended the parser process, so a file that broke it is tried again.
FAILED = f"""
    SELECT k.i, sha256(q.page) AS digest, q.source, q.message AS problem,
           q.resolved_at IS NOT NULL AS is_resolved
    FROM _store.quarantine q
    JOIN copydesk_paths k ON k.path = q.url
    WHERE q.channel = ? AND q.parser = ? AND q.parser_version = ?
      AND (q.source = ? OR NOT {_HAS_PATH_ID_FAILED})
      AND q.reason <> 'broken_parser'
"""  # noqa: S608  # column names, no values

# Of articles that have the content of this very file.
CURRENT = """
    WITH heads AS (
        SELECT v.article_key, max_by(v.content_key, (v.seen_at, v.seq)) AS content_key
        FROM _store.article_versions v JOIN copydesk_ids k ON v.article_key = k.key::UUID
        GROUP BY v.article_key
    )
    SELECT k.i
    FROM _store.posts p
    JOIN heads h ON h.article_key = p.article_key AND h.content_key = p.content_key
    JOIN copydesk_ids k ON p.article_key = k.key::UUID AND p.path = k.path
    WHERE sha256(p.data) = k.digest
"""

# Two sites may have the same path, so the source must agree as well.
RESOLVED = """
    SELECT DISTINCT q.quarantine_key::VARCHAR
    FROM _store.quarantine q
    JOIN copydesk_imported m
        ON q.article_id = m.article_id OR (q.url = m.path AND q.source = m.source)
    WHERE q.resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPost:
    """What is stored of a file that an earlier import found.

    Attributes:
        digest: SHA-256 of the bytes, in hex; another file under the path is not known.
        source: The source it is counted for.
        published_at, seen_at: When its article was published, and seen by that import;
            aware UTC. ``None`` for a failure.
        problem: Why it is in quarantine; empty for an article.
        is_resolved: The failure was resolved since.
        current_at: When the latest record of the file was seen; this and the following only
            with ``has_defaults``.
        language, language_provenance, time_zone: Values of that record.
        takes_zone: The post names no time zone and no source.
    """

    digest: str
    source: str
    published_at: datetime | None = None
    seen_at: datetime | None = None
    problem: str = ""
    is_resolved: bool = False
    current_at: datetime | None = None
    language: str | None = None
    language_provenance: str = ""
    time_zone: str | None = None
    takes_zone: bool = False


def known_posts(
    db: DuckDBPyConnection,
    paths: Sequence[str],
    *,
    source: str,
    channel: str,
    parser: tuple[str, str],
    has_defaults: bool = False,
) -> dict[str, list[KnownPost]]:
    """Return by path the stored files that an import would not change.

    Args:
        db: The warehouse.
        paths: As the import names them.
        source: The source of posts that do not name theirs.
        channel: The channel of imports.
        parser: Name and version of today's parser; files of another version are not known.
        has_defaults: Return the values that depend on the options of the import, too.
    """
    known: dict[str, list[KnownPost]] = {}
    staged = stage.table(i=(range(len(paths)), stage.WHOLE), path=(paths, stage.TEXT))
    with stage.staged(db, "copydesk_paths", staged):
        stored = STORED_WITH_DEFAULTS if has_defaults else STORED
        found = stage.select(db, stored, [*parser, source])
        found += stage.select(db, FAILED, [channel, *parser, source])
    for row in found:
        known.setdefault(paths[row.pop("i")], []).append(KnownPost(**row))
    return known


def current_posts(db: DuckDBPyConnection, rows: Sequence[ArticleRow]) -> set[int]:
    """Return which imported articles, by number, still have the content of a stored file.

    It is the same file: the same path, the same bytes.
    """
    found = [(i, row.article_id, row.post) for i, row in enumerate(rows) if row.post]
    if not found:
        return set()
    ids = stage.keyed(
        [article_id for _, article_id, _ in found],
        path=([post.path for *_, post in found], stage.TEXT),
        digest=([sha256(post.data).hexdigest() for *_, post in found], stage.TEXT),
    )
    with stage.staged(db, "copydesk_ids", ids):
        return {found[i][0] for (i,) in db.execute(CURRENT).fetchall()}


def resolved_failures(
    db: DuckDBPyConnection, rows: Iterable[ArticleRow], *, source: str
) -> list[str]:
    """Return the ids of open failures that imported articles resolve: same article, or path.

    Args:
        db: The warehouse.
        rows: What was imported.
        source: The source that failed posts of the import were counted for.
    """
    imported = [
        (row.article_id, row.post.path, of)
        for row in rows
        if row.post
        for of in {row.source, source}
    ]
    if not imported:
        return []
    article_ids, paths, sources = zip(*imported, strict=True)
    staged = stage.table(
        article_id=(article_ids, stage.TEXT), path=(paths, stage.TEXT), source=(sources, stage.TEXT)
    )
    with stage.staged(db, "copydesk_imported", staged):
        return [key for (key,) in db.execute(RESOLVED).fetchall()]


OF_ARTICLES = """
    SELECT k.i, p.path, p.data
    FROM _store.posts p JOIN copydesk_ids k ON p.article_key = k.key::UUID
"""


def article_files(
    db: DuckDBPyConnection, article_ids: Sequence[str]
) -> Iterator[tuple[str, str, bytes]]:
    """Yield id, path and bytes of all imported files of some articles."""
    with stage.staged(db, "copydesk_ids", stage.keyed(article_ids)):
        for i, path, data in db.execute(OF_ARTICLES).fetchall():
            yield article_ids[i], path, data


# --- files for the export --------------------------------------------------------------

# The latest file of each path, or of each moved post, and whether its article still is what the file holds. If the post
# names no id, a source reads its article under another one: with the same content, at one time.
FILES = f"""
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key,
               max_by(content_key, (seen_at, seq)) AS content_key
        FROM _store.article_versions GROUP BY article_key
    ), files AS (
        SELECT p.seq, p.article_key, p.content_key, p.record_key, p.dialect, p.path,
               sha256(p.data) AS digest, r.source, r.parser, r.source_article_id
        FROM _store.posts p JOIN _store.article_records r ON r.record_key = p.record_key
        WHERE ?::VARCHAR IS NULL OR r.source = ?
        QUALIFY row_number() OVER (
            PARTITION BY r.source, p.dialect, {post_paths.FILE} ORDER BY p.seq DESC
        ) = 1
    ), imported AS (
        SELECT f.*, f.record_key = h.record_key AS has_record,
               f.content_key = h.content_key AS has_content
        FROM files f JOIN heads h ON h.article_key = f.article_key
    ), fetched AS (
        SELECT i.article_key, r.source || ':' || r.source_article_id AS fetched_id,
               h.content_key = v.content_key AS fetched_has_content
        FROM (SELECT DISTINCT article_key, content_key, source, parser
              FROM imported WHERE has_content) i
        JOIN _store.article_versions v
            ON v.content_key = i.content_key AND v.article_key <> i.article_key
        JOIN _store.article_records r
            ON r.record_key = v.record_key AND r.source = i.source AND r.parser <> i.parser
        JOIN heads h ON h.article_key = v.article_key
        ANTI JOIN _store.posts own ON own.article_key = v.article_key
        ANTI JOIN _store.article_records a ON a.article_key = i.article_key AND a.parser <> i.parser
        QUALIFY row_number() OVER (PARTITION BY i.article_key ORDER BY v.seen_at, v.seq) = 1
    )
    SELECT i.seq, i.source || ':' || i.source_article_id AS article_id, i.dialect, i.path, i.digest,
           i.has_record, i.has_content, f.fetched_id, f.fetched_has_content
    FROM imported i LEFT JOIN fetched f ON f.article_key = i.article_key
"""  # noqa: S608  # column names, no values

ARTICLES = """
    SELECT article_id, source, source_article_id, published_at, published_precision
    FROM articles
    WHERE (?::VARCHAR IS NULL OR source = ?)
      AND (?::TIMESTAMPTZ IS NULL OR published_at >= ?)
"""

DATA = """
    SELECT p.seq, p.data FROM _store.posts p
    WHERE p.seq IN (SELECT seq FROM copydesk_files)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An imported file.

    Attributes:
        seq: Its place in the warehouse; later files have larger ones.
        digest: SHA-256 of its bytes, in hex.
        has_record: The article has all values of this file.
        has_content: The article has the content of this file; a source may have found other
            values of it since.
        fetched_id: If only imports know the article: another one of its source that a run read
            with this content, and no import.
        fetched_has_content: That article still has it.
    """

    seq: int
    article_id: str
    dialect: str
    path: str
    digest: str
    has_record: bool
    has_content: bool
    fetched_id: str | None = None
    fetched_has_content: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleInfo:
    """The columns of an article that its file name needs."""

    article_id: str
    source: str
    source_article_id: str
    published_at: datetime | None
    published_precision: str


def stored_files(db: DuckDBPyConnection, *, source: str | None = None) -> list[StoredFile]:
    """Return the latest imported file of each path, without the bytes."""
    return [StoredFile(**one) for one in stage.select(db, FILES, [source, source])]


def article_infos(
    db: DuckDBPyConnection, *, source: str | None, published_since: datetime | None
) -> list[ArticleInfo]:
    """Return the columns of all articles that their file names need."""
    values = [source, source, published_since, published_since]
    return [ArticleInfo(**one) for one in stage.select(db, ARTICLES, values)]


def file_data(
    db: DuckDBPyConnection, seqs: Sequence[int], *, rows_each: int = 1000
) -> Iterator[tuple[int, bytes]]:
    """Yield the bytes of stored files, a few at a time, in any order.

    The connection may not be used for anything else until the iterator is exhausted.
    """
    with stage.staged(db, "copydesk_files", stage.table(seq=(seqs, stage.WHOLE))):
        cursor = db.execute(DATA)
        while found := cursor.fetchmany(rows_each):
            yield from found
