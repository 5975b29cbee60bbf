"""Whether a warehouse is what it promises: every block readable, every rule kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.errors import BadRow
from warehouse.rows import ARTICLE_COLUMNS, ArticleRow
from warehouse.times import utc
from warehouse.upsert.keys import as_uuid
from warehouse.upsert.observations import observations_of

TABLES = (
    "contents", "gaps", "guard", "migrations", "pages", "posts", "quarantine", "records", "runs",
    "seen", "tombstones", "versions", "watermarks",
)  # fmt: skip
_QUALIFIED = {name: f"_store.{name}" for name in TABLES} | {"chunks": "_work.chunks"}

# What is wrong, and how many rows show it: each must be 0.
_RULES = {
    "contents stored twice": """
        SELECT count(*) - count(DISTINCT content_key) FROM _store.contents""",
    "records stored twice": """
        SELECT count(*) - count(DISTINCT record_key) FROM _store.records""",
    "sequence numbers of versions given twice": """
        SELECT count(*) - count(DISTINCT seq) FROM _store.versions""",
    "quarantined pages stored twice": """
        SELECT count(*) - count(DISTINCT quarantine_key) FROM _store.quarantine""",
    "imported files stored twice": """
        SELECT count(*) - count(DISTINCT post_key) FROM _store.posts""",
    "runs stored twice": """
        SELECT count(*) - count(DISTINCT (run_id, source)) FROM _store.runs""",
    "versions without a record": """
        SELECT count(*) FROM _store.versions v ANTI JOIN _store.records r USING (record_key)""",
    "versions without a content": """
        SELECT count(*) FROM _store.versions v ANTI JOIN _store.contents c USING (content_key)""",
    "records without a version": """
        SELECT count(*) FROM _store.records r ANTI JOIN _store.versions v USING (record_key)""",
    "contents without a record": """
        SELECT count(*) FROM _store.contents c ANTI JOIN _store.records r USING (content_key)""",
    "versions nobody saw": """
        SELECT count(*) FROM _store.versions v
        ANTI JOIN _store.seen s USING (article_key, content_key)""",
    "sightings without a version": """
        SELECT count(*) FROM _store.seen s
        ANTI JOIN _store.versions v USING (article_key, content_key)""",
    "imported files without a record": """
        SELECT count(*) FROM _store.posts p ANTI JOIN _store.records r USING (record_key)""",
    "contents whose key is not that of their hash": """
        SELECT count(*) FROM _store.contents
        WHERE replace(CAST(content_key AS VARCHAR), '-', '') <> content_hash[4:35]""",
    "contents whose tag is not that of their key": """
        SELECT count(*) FROM _store.contents
        WHERE content_tag <> ('0x' || CAST(content_key AS VARCHAR)[:8])::UINTEGER""",
    "versions whose tag is not that of their article": """
        SELECT count(*) FROM _store.versions
        WHERE article_tag <> ('0x' || CAST(article_key AS VARCHAR)[:8])::UINTEGER
           OR record_tag <> ('0x' || replace(CAST(record_key AS VARCHAR), '-', '')[:16])::UBIGINT
    """,
    "articles kept in spite of a tombstone": """
        SELECT count(*) FROM _store.records r
        SEMI JOIN _store.tombstones t
               ON t.article_key = r.article_key OR (t.article_key IS NULL AND t.source = r.source)
    """,
    "sightings that end before they begin": """
        SELECT count(*) FROM _store.seen WHERE last_seen_at < first_seen_at""",
    "fetches whose key is not that of their address": """
        SELECT count(*) FROM _store.pages
        WHERE replace(CAST(url_key AS VARCHAR), '-', '') <> left(sha256(url), 32)
          AND NOT contains(url, chr(31))""",
    "fetches that name an archive file and no place in it": """
        SELECT count(*) FROM _store.pages
        WHERE (archive_file IS NULL) <> (archive_offset IS NULL)""",
    "pieces of backfills stored twice": """
        SELECT count(*) - count(DISTINCT (plan_key, n)) FROM _work.chunks""",
    "pieces of backfills in no known state": """
        SELECT count(*) FROM _work.chunks
        WHERE state NOT IN ('waiting', 'done', 'incomplete')
           OR (state = 'waiting') <> (ended_at IS NULL)""",
    "backfills with a piece missing": """
        SELECT count(*) FROM (SELECT 1 FROM _work.chunks GROUP BY plan_key
                              HAVING min(n) <> 1 OR max(n) <> count(*))""",
}

_ELSEWHERE = {
    "article_id": "r.source || ':' || r.source_article_id",
    "content_hash": "c.content_hash",
    "body_html": "coalesce(r.body_html, c.body_html)",
    "text": "coalesce(r.text, c.text)",
}
_COLUMNS = ", ".join(_ELSEWHERE.get(name, f"r.{name}") for name in ARTICLE_COLUMNS)

# What does not fit goes to a temporary file beside the database for a while.
_MEMORY = "800MB"

# With the order of the join as it stands, records are what is kept in memory, and bodies go
# by; DuckDB would rather keep both.
_AS_IT_STANDS = "build_side_probe_side,join_order"
_WORDS = f"""
    SELECT r.record_key, r.article_key, r.content_key, c.body_key, r.body_html IS NULL,
           {_COLUMNS}, c.first_seen_at
    FROM _store.contents c JOIN _store.records r ON r.content_key = c.content_key
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityReport:
    """What was looked at and what is wrong.

    Attributes:
        rows: How many rows each table has.
        problems: In words, with the number of rows; empty when all is well.
    """

    rows: dict[str, int]
    problems: tuple[str, ...]


def verify(db: DuckDBPyConnection, *, is_deep: bool = False) -> IntegrityReport:
    """Checks that each key is stored once and that no row misses another.

    A deep check also reads every value of every row, because DuckDB notices a damaged
    block only when it reads it. It is content with about a gigabyte of memory.
    """
    if is_deep:
        with _thrifty(db):
            return _verify(db, is_deep=True)
    return _verify(db, is_deep=False)


def _verify(db: DuckDBPyConnection, *, is_deep: bool) -> IntegrityReport:
    problems = []
    rows = {}
    for table, name in _QUALIFIED.items():
        try:
            if is_deep:
                _read_all(db, name)
            rows[table] = int(db.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])  # noqa: S608
        except duckdb.Error as error:
            problems.append(f"{table}: cannot be read: {str(error).splitlines()[0]}")
    for what, sql in _RULES.items():
        try:
            count = int(db.execute(sql).fetchall()[0][0])
        except duckdb.Error as error:
            problems.append(f"{what}: cannot be checked: {str(error).splitlines()[0]}")
        else:
            if count:
                problems.append(f"{what}: {count}")
    return IntegrityReport(rows=rows, problems=tuple(problems))


def fingerprint(db: DuckDBPyConnection, database: str) -> dict[str, tuple[int, str]]:
    """Rows and a sum over every value of each table; the same rows give the same."""
    name = database.replace('"', '""')
    return {table: _read_all(db, f'"{name}".{one}') for table, one in _QUALIFIED.items()}


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it was stored, and whether it is what its keys say.

    Attributes:
        wrong: Which of its keys is not that of its columns, or which column no row can have;
            empty when all is well.
    """

    row: ArticleRow
    wrong: str


def stored_records(db: DuckDBPyConnection, *, rows_each: int = 500) -> Iterator[StoredRecord]:
    """Every record with its words, and its keys computed anew from all its columns.

    See ``read.read_articles`` on connections; ``fetched_at`` is when the words were first
    seen, and nothing is ordered.
    """
    with _thrifty(db):
        yield from _words(db, rows_each)


def _words(db: DuckDBPyConnection, rows_each: int) -> Iterator[StoredRecord]:
    db.execute(f"SET disabled_optimizers = '{_AS_IT_STANDS}'")
    cursor = db.execute(_WORDS)
    while found := cursor.fetchmany(rows_each):
        for record, article, content, body, is_plain, *values, seen_at in found:
            named = dict(zip(ARTICLE_COLUMNS, values, strict=True))
            for name in ("authors", "categories", "tags"):
                named[name] = tuple(named[name])
            for name in ("published_at", "updated_at"):
                named[name] = utc(named[name])
            row = ArticleRow(**named, channel="", fetched_at=seen_at.astimezone(UTC))
            try:
                (sight,) = observations_of([row])
            except BadRow as error:  # no row that could have been stored
                yield StoredRecord(row, error.field)
                continue
            keys = {
                "article_key": (article, sight.article_key),
                "content_key": (content, sight.content_key),
                "body_key": (body, sight.body_key if is_plain else body.bytes),
                "record_key": (record, sight.under(record.bytes)),
            }
            wrong = (name for name, (told, found) in keys.items() if told != as_uuid(found))
            yield StoredRecord(row, next(wrong, ""))


def _read_all(db: DuckDBPyConnection, table: str) -> tuple[int, str]:
    count, total = db.execute(
        f"SELECT count(*), CAST(sum(hash(t)) AS VARCHAR) FROM {table} t"  # noqa: S608
    ).fetchall()[0]
    return int(count), str(total)


@contextmanager
def _thrifty(db: DuckDBPyConnection) -> Iterator[None]:
    """Less memory than DuckDB would take, which is most of what there is."""
    db.execute(f"SET memory_limit = '{_MEMORY}'")
    try:
        yield
    finally:
        db.execute("RESET memory_limit")
        db.execute("RESET disabled_optimizers")
