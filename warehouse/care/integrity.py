"""Integrity of a warehouse: every block readable, every rule kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.errors import BadRow
from warehouse.keys import as_uuid
from warehouse.quote import identifier
from warehouse.read.articles import RECORD_COLUMNS, article_row
from warehouse.rows import ArticleRow
from warehouse.search.rules import INDEX_RULES
from warehouse.syndication.rules import SYNDICATION_RULES
from warehouse.upsert.observations import observe

TABLES = (
    "alert_deliveries", "article_records", "article_versions", "backfill_chunks", "channel_days", "channel_states",
    "contents", "entries", "fetches", "gaps", "gone", "health_findings", "migrations", "posts", "quarantine",
    "runs", "search_articles", "search_docs", "search_fresh", "search_postings", "search_runs", "sightings",
    "source_health", "source_outages", "suppressions", "syndication_common", "syndication_docs",
    "syndication_pairs", "syndication_prints", "watermarks", "write_sequence",
)  # fmt: skip

# Each counts violations.
_RULES = {
    "contents stored twice": """
        SELECT count(*) - count(DISTINCT content_key) FROM _store.contents""",
    "records stored twice": """
        SELECT count(*) - count(DISTINCT record_key) FROM _store.article_records""",
    "sequence numbers of versions used twice": """
        SELECT count(*) - count(DISTINCT seq) FROM _store.article_versions""",
    "quarantine entries stored twice": """
        SELECT count(*) - count(DISTINCT quarantine_key) FROM _store.quarantine""",
    "days of a channel stored twice": """
        SELECT count(*) - count(DISTINCT (source, channel, day)) FROM _store.channel_days""",
    "states of a channel stored twice": """
        SELECT count(*) - count(DISTINCT (source, channel)) FROM _store.channel_states""",
    "open health findings stored twice": """
        SELECT count(*) - count(DISTINCT (source, channel, kind, field))
        FROM _store.health_findings WHERE closed_at IS NULL""",
    "open outages of a source stored twice": """
        SELECT count(*) - count(DISTINCT source) FROM _store.source_outages
        WHERE closed_at IS NULL""",
    "imported files stored twice": """
        SELECT count(*) - count(DISTINCT post_key) FROM _store.posts""",
    "runs stored twice": """
        SELECT count(*) - count(DISTINCT (run_id, source)) FROM _store.runs""",
    "versions without a record": """
        SELECT count(*) FROM _store.article_versions v ANTI JOIN _store.article_records r USING (record_key)""",
    "versions without a content": """
        SELECT count(*) FROM _store.article_versions v ANTI JOIN _store.contents c USING (content_key)""",
    "records without a version": """
        SELECT count(*) FROM _store.article_records r ANTI JOIN _store.article_versions v USING (record_key)""",
    "contents without a record": """
        SELECT count(*) FROM _store.contents c ANTI JOIN _store.article_records r USING (content_key)""",
    "versions without a sighting": """
        SELECT count(*) FROM _store.article_versions v
        ANTI JOIN _store.sightings s USING (article_key, content_key)""",
    "sightings without a version": """
        SELECT count(*) FROM _store.sightings s
        ANTI JOIN _store.article_versions v USING (article_key, content_key)""",
    "imported files without a record": """
        SELECT count(*) FROM _store.posts p ANTI JOIN _store.article_records r USING (record_key)""",
    "contents whose key does not match their hash": """
        SELECT count(*) FROM _store.contents
        WHERE replace(CAST(content_key AS VARCHAR), '-', '') <> content_hash[4:35]""",
    "contents whose tag does not match their key": """
        SELECT count(*) FROM _store.contents
        WHERE content_tag <> ('0x' || CAST(content_key AS VARCHAR)[:8])::UINTEGER""",
    "versions whose tag does not match their article": """
        SELECT count(*) FROM _store.article_versions
        WHERE article_tag <> ('0x' || CAST(article_key AS VARCHAR)[:8])::UINTEGER
           OR record_tag <> ('0x' || replace(CAST(record_key AS VARCHAR), '-', '')[:16])::UBIGINT
    """,
    "articles stored although suppressed": """
        SELECT count(*) FROM _store.article_records r
        SEMI JOIN _store.suppressions t
               ON t.article_key = r.article_key OR (t.article_key IS NULL AND t.source = r.source)
    """,
    "entries stored twice": """
        SELECT count(*) - count(DISTINCT entry_key) FROM _store.entries""",
    **INDEX_RULES,
    **SYNDICATION_RULES,
    "articles gone twice at the same time": """
        SELECT count(*) - count(DISTINCT article_key) FROM _store.gone WHERE live_at IS NULL""",
    "sightings that end before they start": """
        SELECT count(*) FROM _store.sightings WHERE last_seen_at < first_seen_at""",
    "fetches whose key does not match their URL": """
        SELECT count(*) FROM _store.fetches
        WHERE replace(CAST(url_key AS VARCHAR), '-', '') <> left(sha256(url), 32)
          AND NOT contains(url, chr(31))""",
    "fetches with an archive file and no offset": """
        SELECT count(*) FROM _store.fetches
        WHERE (archive_file IS NULL) <> (archive_offset IS NULL)""",
    "chunks of backfills stored twice": """
        SELECT count(*) - count(DISTINCT (plan_key, number)) FROM _store.backfill_chunks""",
    "chunks of backfills in no known state": """
        SELECT count(*) FROM _store.backfill_chunks
        WHERE state NOT IN ('waiting', 'done', 'incomplete')
           OR (state = 'waiting') <> (ended_at IS NULL)""",
    "backfills with a chunk missing": """
        SELECT count(*) FROM (SELECT 1 FROM _store.backfill_chunks GROUP BY plan_key
                              HAVING min(number) <> 1 OR max(number) <> count(*))""",
}

# What does not fit goes to a temporary file beside the database.
_MEMORY = "800MB"

# In the order of the query DuckDB keeps only the records in memory; its own order keeps the
# bodies too.
_OPTIMIZERS_OFF = "build_side_probe_side,join_order"
_RECORDS = f"""
    SELECT r.record_key, r.article_key, r.content_key, c.body_key, r.body_html IS NULL,
           {RECORD_COLUMNS}, c.first_seen_at
    FROM _store.contents c JOIN _store.article_records r ON r.content_key = c.content_key
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityReport:
    """The result of an integrity check.

    Attributes:
        rows: How many rows each table has.
        problems: What is wrong, with the number of rows; empty when nothing is.
    """

    rows: dict[str, int]
    problems: tuple[str, ...]


def verify(db: DuckDBPyConnection, *, is_deep: bool = False) -> IntegrityReport:
    """Check that each key is stored once and that no row misses another.

    A deep check also reads every value of every row, because DuckDB notices a damaged block
    only when it reads it. It needs about a gigabyte of memory.
    """
    with _memory_limit(db) if is_deep else nullcontext():
        problems = []
        rows = {}
        for table in TABLES:
            try:
                if is_deep:
                    _read_all(db, f"_store.{table}")
                rows[table] = stage.count(db, f"SELECT count(*) FROM _store.{table}")  # noqa: S608
            except duckdb.Error as error:
                problems.append(f"{table}: cannot be read: {str(error).splitlines()[0]}")
        for rule, sql in _RULES.items():
            try:
                if count := stage.count(db, sql):
                    problems.append(f"{rule}: {count}")
            except duckdb.Error as error:
                problems.append(f"{rule}: cannot be checked: {str(error).splitlines()[0]}")
        return IntegrityReport(rows=rows, problems=tuple(problems))


def fingerprint(db: DuckDBPyConnection, database: str) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a hash over every value of each table."""
    name = identifier(database)
    return {table: _read_all(db, f"{name}._store.{table}") for table in TABLES}


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as stored, and whether its keys match its columns.

    Attributes:
        wrong: Which key does not match, or which column cannot be valid; empty when none.
    """

    row: ArticleRow
    wrong: str


def stored_records(db: DuckDBPyConnection, *, rows_each: int = 500) -> Iterator[StoredRecord]:
    """Yield every record, in any order, and compute its keys again from all its columns.

    See ``read_articles`` for the connection; ``fetched_at`` is when the content was first seen.
    """
    with _memory_limit(db):
        db.execute(f"SET disabled_optimizers = '{_OPTIMIZERS_OFF}'")
        cursor = db.execute(_RECORDS)
        while found := cursor.fetchmany(rows_each):
            for record, article, content, body, is_plain, *values, seen_at in found:
                row = article_row(values, seen_at)
                try:
                    seen = observe(row)
                except BadRow as error:
                    yield StoredRecord(row, error.field)
                    continue
                keys = {
                    "article_key": (article, seen.article_key),
                    "content_key": (content, seen.content_key),
                    "body_key": (body, seen.body_key if is_plain else body.bytes),
                    "record_key": (record, seen.record_key),
                }
                wrong = (name for name, (stored, key) in keys.items() if stored != as_uuid(key))
                yield StoredRecord(row, next(wrong, ""))


def _read_all(db: DuckDBPyConnection, table: str) -> tuple[int, str]:
    count, total = db.execute(
        f"SELECT count(*), CAST(sum(hash(t)) AS VARCHAR) FROM {table} t"  # noqa: S608
    ).fetchall()[0]
    return int(count), str(total)


@contextmanager
def _memory_limit(db: DuckDBPyConnection) -> Iterator[None]:
    """Limit the memory of DuckDB, which otherwise takes most of the machine's."""
    db.execute(f"SET memory_limit = '{_MEMORY}'")
    try:
        yield
    finally:
        db.execute("RESET memory_limit")
        db.execute("RESET disabled_optimizers")
