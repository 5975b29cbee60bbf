"""Whether a warehouse is what it promises: every block readable, every rule kept."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

TABLES = (
    "contents", "gaps", "guard", "migrations", "pages", "posts", "quarantine", "records", "runs",
    "seen", "tombstones", "versions", "watermarks",
)  # fmt: skip

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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at and what is wrong.

    Attributes:
        rows: How many rows each table has.
        problems: In words, with the number of rows; empty when all is well.
    """

    rows: dict[str, int]
    problems: tuple[str, ...]


def verify(db: DuckDBPyConnection, *, is_deep: bool = False) -> Verified:
    """Checks that each key is stored once and that no row misses another.

    A deep check also reads every value of every row, because DuckDB notices a damaged
    block only when it reads it.
    """
    problems = []
    rows = {}
    for table in TABLES:
        try:
            if is_deep:
                _read_all(db, f"_store.{table}")
            rows[table] = int(db.execute(f"SELECT count(*) FROM _store.{table}").fetchall()[0][0])  # noqa: S608
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
    return Verified(rows=rows, problems=tuple(problems))


def fingerprint(db: DuckDBPyConnection, database: str) -> dict[str, tuple[int, str]]:
    """Rows and a sum over every value of each table; the same rows give the same."""
    name = database.replace('"', '""')
    return {table: _read_all(db, f'"{name}"._store.{table}') for table in TABLES}


def _read_all(db: DuckDBPyConnection, table: str) -> tuple[int, str]:
    count, total = db.execute(
        f"SELECT count(*), CAST(sum(hash(t)) AS VARCHAR) FROM {table} t"  # noqa: S608
    ).fetchall()[0]
    return int(count), str(total)
