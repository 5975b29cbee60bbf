"""Queries, and rows read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, cursor_of, rows_of, upsert
from warehouse import (
    StoredPost,
    connect,
    connect_for_queries,
    publish,
    run_query,
    transaction,
)
from warehouse.errors import (
    BadQuery,
)
from warehouse.read.articles import read_articles
from warehouse.read.query import run_query_arrow
from warehouse.records.posts import file_data, stored_files


@pytest.fixture
def link(path: Path) -> Path:
    return path.with_name("project.read.duckdb")


# --- queries ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("reader")
    link = folder / "project.read.duckdb"
    with connect(folder / "project.duckdb") as db:
        upsert(db, article(), article(2, "加息"))
        publish(db, link)
    with connect_for_queries(link) as connection:
        yield connection


def test_a_query_returns_names_rows_and_aware_utc_times(reader: DuckDBPyConnection) -> None:
    found = run_query(
        reader, "SELECT article_id, first_seen_at AS seen FROM articles WHERE title = ?", ["降准"]
    )

    assert (found.columns, found.rows) == (("article_id", "seen"), [("finews:1", NOON)])
    assert found.rows[0][1].tzinfo is UTC  # type: ignore[attr-defined]


def test_a_query_returns_no_more_than_the_limit(reader: DuckDBPyConnection) -> None:
    assert len(run_query(reader, "FROM articles", limit=1).rows) == 1


@pytest.mark.parametrize(
    "sql", ["FROM articles", "DESCRIBE articles", "SHOW TABLES", "EXPLAIN SELECT 1", "SELECT 1;",
            "WITH a AS (SELECT 1) FROM a", "FROM articles_as_of(now())", "VALUES (1)",
            "SUMMARIZE runs"],
)  # fmt: skip
def test_statements_that_read_are_answered(reader: DuckDBPyConnection, sql: str) -> None:
    assert run_query(reader, sql).columns


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "expected one SQL statement, found 0"),
        ("SELECT 1; SELECT 2", "expected one SQL statement, found 2"),
        ("DELETE FROM _store.runs", "found DELETE"),
        ("EXPLAIN ANALYZE DELETE FROM _store.runs", "read-only"),
        ("CREATE TABLE t (n INTEGER)", "found CREATE"),
        ("COPY articles TO '/tmp/never.csv'", "found COPY"),
        ("ATTACH '/tmp/never.db'", "found ATTACH"),
        ("INSTALL httpfs", "found LOAD"),
        ("SET enable_external_access = true", "found SET"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM read_text('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM '/etc/passwd'", "."),
        ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
        ("SELECT * FROM sql", "does not exist"),
        ("SELECT * FROM message", "does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM articles", "nothing"),
    ],
)
def test_anything_else_is_refused_with_the_reason(
    reader: DuckDBPyConnection, sql: str, message: str
) -> None:
    with pytest.raises(BadQuery, match=message):
        run_query(reader, sql)
    assert run_query(reader, "SELECT count(*) FROM articles").rows == [(2,)]


def test_a_connection_for_queries_cannot_be_changed(reader: DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="locked"):
        reader.execute("SET TimeZone = 'Asia/Shanghai'")


def test_a_query_becomes_arrow(reader: DuckDBPyConnection) -> None:
    found = run_query_arrow(reader, "SELECT title FROM articles ORDER BY article_id")

    assert found.to_pydict() == {"title": ["降准", "加息"]}
    with pytest.raises(BadQuery, match="found DELETE"):
        run_query_arrow(reader, "DELETE FROM _store.runs")


def test_python_variables_are_out_of_reach_on_every_connection(db: DuckDBPyConnection) -> None:
    articles_of_mine = [1]

    with pytest.raises(duckdb.CatalogException):
        db.execute("SELECT * FROM articles_of_mine")
    assert articles_of_mine


# --- rows read back --------------------------------------------------------------------------


def test_articles_come_back_as_they_went_in(db: DuckDBPyConnection) -> None:
    rows = [article(), article(2, "加息", source="ofweek", published_at=NOON, updated_at=NOON)]
    upsert(db, *rows)

    assert list(read_articles(db, rows_each=1)) == [replace(row, channel="") for row in rows]
    assert list(read_articles(db, source="ofweek")) == [replace(rows[1], channel="")]
    assert list(read_articles(db, published_since=NOON)) == [replace(rows[1], channel="")]


def test_files_come_back_with_what_became_of_their_article(db: DuckDBPyConnection) -> None:
    def post(path: str, data: bytes) -> StoredPost:
        return StoredPost(dialect="jekyll", path=path, data=data)

    first, second = post("a.md", b"1"), post("b.md", b"2")
    upsert(db, article(1, post=first), article(2, "加息", post=second))
    upsert(db, article(2, "加息了", fetched_at=NOON + HOUR))
    upsert(db, article(1, "降准了", fetched_at=NOON + HOUR, post=post("a.md", b"1b")))

    files = sorted(stored_files(db), key=lambda one: one.path)
    assert [(one.article_id, one.path, one.has_record, one.has_content) for one in files] == [
        ("finews:1", "a.md", True, True),
        ("finews:2", "b.md", False, False),
    ]
    assert dict(file_data(db, [files[0].seq])) == {files[0].seq: b"1b"}
    assert stored_files(db, source="ofweek") == []


def test_reading_may_continue_while_writing_through_a_cursor(db: DuckDBPyConnection) -> None:
    upsert(db, *(article(number, str(number)) for number in range(5)))

    for row in read_articles(cursor_of(db), rows_each=2):
        with transaction(db):
            db.execute(
                "INSERT INTO _store.suppressions VALUES (NULL, ?, 'x', '', now())", [row.title]
            )
    assert rows_of(db, "SELECT count(*) FROM _store.suppressions") == [(5,)]
