"""Files of an import that are known already, good or bad, and failures they mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.rows import ArticleRow
from warehouse.times import utc
from warehouse.upsert import stage

# A file that says its source, or its article's id, is the same whatever the import's own
# source; of any other only the one that was stored for this source is known.
STORED = """
    SELECT k.i, sha256(p.data), r.source, r.published_at, p.first_seen_at
    FROM _store.posts p
    JOIN copydesk_paths k ON k.path = p.path
    JOIN _store.records r ON r.record_key = p.record_key
    WHERE r.parser = ? AND r.parser_version = ?
      AND (r.source = ? OR r.source_article_id <> p.path)
"""

# What ended a reading process may have been the machine's fault: such a file is tried again.
FAILED = """
    SELECT k.i, sha256(q.page), q.source, q.message, q.resolved_at IS NOT NULL
    FROM _store.quarantine q
    JOIN copydesk_paths k ON k.path = q.url
    WHERE q.channel = ? AND q.parser = ? AND q.parser_version = ?
      AND (q.source = ? OR q.article_id <> q.source || ':' || q.url)
      AND q.reason <> 'broken_parser'
"""

# A path alone tells no site from another: the source must be the failure's as well.
MENDED = """
    SELECT DISTINCT q.quarantine_key::VARCHAR
    FROM _store.quarantine q
    JOIN copydesk_mended m ON q.article_id = m.article_id OR (q.url = m.path AND q.source = m.source)
    WHERE q.resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPost:
    """What is stored of a file that an import found before.

    Attributes:
        digest: SHA-256 of the bytes, in hex; other bytes under the path are not known.
        source: The source it is counted for.
        published_at, seen_at: When its article was published, and seen by that import;
            aware UTC. ``None`` for a failure.
        problem: Why it is in quarantine; empty for an article.
        is_resolved: The failure was mended since.
    """

    digest: str
    source: str
    published_at: datetime | None = None
    seen_at: datetime | None = None
    problem: str = ""
    is_resolved: bool = False


def known_posts(
    db: DuckDBPyConnection,
    paths: Sequence[str],
    *,
    source: str,
    channel: str,
    parser: tuple[str, str],
) -> dict[str, list[KnownPost]]:
    """What is stored of some paths: each file they held, as long as nothing would change it.

    Args:
        db: The warehouse.
        paths: As the import names them.
        source: The source of posts that do not name theirs.
        channel: That of imports.
        parser: Name and version of the parser that would read them today; what another
            one read is not known.
    """
    known: dict[str, list[KnownPost]] = {}
    staged = stage.table(i=(range(len(paths)), stage.WHOLE), path=(paths, stage.TEXT))
    with stage.staged(db, "copydesk_paths", staged):
        for i, digest, of, published, seen in db.execute(STORED, [*parser, source]).fetchall():
            post = KnownPost(
                digest=digest, source=of, published_at=utc(published), seen_at=seen.astimezone(UTC)
            )
            known.setdefault(paths[i], []).append(post)
        failed = db.execute(FAILED, [channel, *parser, source]).fetchall()
        for i, digest, of, message, is_resolved in failed:
            failure = KnownPost(digest=digest, source=of, problem=message, is_resolved=is_resolved)
            known.setdefault(paths[i], []).append(failure)
    return known


def resolved_failures(
    db: DuckDBPyConnection, rows: Iterable[ArticleRow], *, source: str
) -> list[str]:
    """The ids of the open failures that imported articles make good: the same article, or path.

    Args:
        db: The warehouse.
        rows: What was imported.
        source: The source that failed posts of the import were counted for.
    """
    mended = [
        (row.article_id, row.post.path, of)
        for row in rows
        if row.post
        for of in {row.source, source}
    ]
    if not mended:
        return []
    article_ids, paths, sources = zip(*mended, strict=True)
    staged = stage.table(
        article_id=(article_ids, stage.TEXT), path=(paths, stage.TEXT), source=(sources, stage.TEXT)
    )
    with stage.staged(db, "copydesk_mended", staged):
        return [key for (key,) in db.execute(MENDED).fetchall()]


# --- files that go back to disk --------------------------------------------------------

# The latest of each path; of each whether its article still says what some file said.
FILES = """
    WITH heads AS (
        SELECT article_key, max_by(record_key, (seen_at, seq)) AS record_key
        FROM _store.versions GROUP BY article_key
    ), files AS (
        SELECT p.seq, p.article_key, p.record_key, p.dialect, p.path, sha256(p.data) AS digest,
               r.source || ':' || r.source_article_id AS article_id
        FROM _store.posts p JOIN _store.records r ON r.record_key = p.record_key
        WHERE ?::VARCHAR IS NULL OR r.source = ?
        QUALIFY row_number() OVER (
            PARTITION BY r.source, p.dialect, p.path ORDER BY p.seq DESC
        ) = 1
    ), told AS (
        SELECT f.*, f.record_key = h.record_key AS is_current
        FROM files f JOIN heads h ON h.article_key = f.article_key
    )
    SELECT seq, article_id, dialect, path, digest, is_current
    FROM told
    QUALIFY bool_or(is_current) OVER (PARTITION BY article_key)
"""

OUTLINES = """
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
    """An imported file of an article that still says what one of its files said.

    Attributes:
        seq: Its place in the warehouse, later files after earlier ones.
        digest: SHA-256 of its bytes, in hex.
        is_current: It is this file that says it.
    """

    seq: int
    article_id: str
    dialect: str
    path: str
    digest: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleInfo:
    """As much of an article as its file's name needs."""

    article_id: str
    source: str
    source_article_id: str
    published_at: datetime | None
    published_precision: str


def stored_files(db: DuckDBPyConnection, *, source: str | None = None) -> list[StoredFile]:
    """The files of all articles that nothing changed since they were imported; no bytes."""
    found = db.execute(FILES, [source, source]).fetchall()
    names = ("seq", "article_id", "dialect", "path", "digest", "is_current")
    return [StoredFile(**dict(zip(names, one, strict=True))) for one in found]


def article_infos(
    db: DuckDBPyConnection, *, source: str | None, published_since: datetime | None
) -> list[ArticleInfo]:
    """All articles, in outline."""
    found = db.execute(OUTLINES, [source, source, published_since, published_since]).fetchall()
    return [
        ArticleInfo(
            article_id=article_id,
            source=of,
            source_article_id=own,
            published_at=utc(at),
            published_precision=precision,
        )
        for article_id, of, own, at, precision in found
    ]


def file_data(
    db: DuckDBPyConnection, seqs: Sequence[int], *, rows_each: int = 1000
) -> Iterator[tuple[int, bytes]]:
    """The bytes of stored files, a few at a time, in any order.

    The connection must not be used for anything else until the iterator is done.
    """
    with stage.staged(db, "copydesk_files", stage.table(seq=(seqs, stage.WHOLE))):
        cursor = db.execute(DATA)
        while found := cursor.fetchmany(rows_each):
            yield from found
