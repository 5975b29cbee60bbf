"""Snapshots, queries, and rows read back."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.warehouse.made import HOUR, NOON, article, rows_of, upsert
from warehouse import (
    StoredPost,
    connect,
    connect_for_queries,
    connect_read_only,
    current_snapshot,
    publish,
    run_query,
    snapshot,
    transaction,
)
from warehouse.errors import BadQuery, WarehouseError, WarehouseFull, WarehouseMissing
from warehouse.query import run_query_arrow
from warehouse.read import read_articles, read_posts

# --- snapshots -------------------------------------------------------------------------------


@pytest.fixture
def link(path: Path) -> Path:
    return path.with_name("desk.read.duckdb")


def count(db: DuckDBPyConnection) -> object:
    return rows_of(db, "SELECT count(*) FROM articles")[0][0]


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the file open for reading."""
    code = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1], read_only=True);"
        "print('open', flush=True); sys.stdin.readline();"
        "print(db.execute('SELECT count(*) FROM articles').fetchone()[0], flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    try:
        yield child
    finally:
        child.communicate("\n", timeout=30)


def test_readers_see_what_was_published_and_nothing_later(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        published = publish(db, link)
        upsert(db, article(2))

        with connect_for_queries(link) as reader:
            assert count(reader) == 1
    assert current_snapshot(link) == published
    assert published.age(published.published_at + HOUR) == HOUR


def test_a_reader_keeps_its_snapshot_while_others_get_the_new_one(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)
        with connect_read_only(link) as before:
            upsert(db, article(2))
            publish(db, link)
            with connect_read_only(link) as after:
                assert (count(before), count(after)) == (1, 2)
            assert count(before) == 1


def test_old_snapshots_go_when_nobody_has_them_open(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)

    def files() -> list[Path]:
        return sorted(path.parent.glob("desk.read.duckdb.*Z"))

    with connect(path) as db:
        upsert(db, article())
        first = publish(db, link).path
        with another_process(first):
            second = publish(db, link).path
            third = publish(db, link).path
            assert files() == [first, third]
        assert not second.exists()
        fourth = publish(db, link).path
        assert files() == [fourth]


def test_snapshots_of_the_last_seconds_stay_for_readers_on_their_way(
    path: Path, link: Path
) -> None:
    with connect(path) as db:
        first = publish(db, link).path
        publish(db, link)

    assert first.exists()


def test_other_threads_commit_while_a_snapshot_is_copied(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = snapshot._copied

    def commit_meanwhile(live: Path, link: Path, at: datetime) -> Path:
        thread = threading.Thread(target=lambda: upsert(db.cursor(), article(2)))
        thread.start()
        thread.join(timeout=30)
        return copied(live, link, at)

    monkeypatch.setattr(snapshot, "_copied", commit_meanwhile)
    with connect(path) as db:
        upsert(db, article())
        db.execute("SET GLOBAL checkpoint_threshold = '1KB'")  # every commit would checkpoint
        before = rows_of(db, "SELECT current_setting('checkpoint_threshold')")
        publish(db, link)
        with connect_read_only(link) as reader:
            assert count(reader) == 1
        assert count(db) == 2
        assert rows_of(db, "SELECT current_setting('checkpoint_threshold')") == before


def test_readers_open_a_whole_snapshot_at_any_moment(path: Path, link: Path) -> None:
    opened: list[object] = []
    is_done = threading.Event()

    def read() -> None:
        while not is_done.is_set():
            with connect_read_only(link) as reader:
                opened.append(count(reader))

    with connect(path) as db:
        upsert(db, article(0))
        publish(db, link)
        readers = ThreadPoolExecutor(1)
        reading = readers.submit(read)
        for number in range(1, 21):
            upsert(db, *(article(f"{number}-{i}", f"{number}-{i}") for i in range(20)))
            publish(db, link)
        is_done.set()
        reading.result(timeout=60)

    assert opened == sorted(opened)  # type: ignore[type-var]
    assert all((one - 1) % 20 == 0 for one in opened)  # type: ignore[operator]


def test_a_copy_that_fails_leaves_the_snapshot_as_it_was(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        upsert(db, article())
        before = publish(db, link)
        monkeypatch.setattr(
            snapshot.subprocess, "run",
            lambda *_, **__: subprocess.CompletedProcess([], 1, "", "No space left on device"),
        )  # fmt: skip
        with pytest.raises(WarehouseFull, match=r"desk\.read\.duckdb: no room"):
            publish(db, link)

    assert current_snapshot(link) == before
    assert not list(path.parent.glob("*.part"))


def test_a_warehouse_in_memory_has_no_snapshot(db: DuckDBPyConnection, link: Path) -> None:
    with pytest.raises(WarehouseError, match="in memory: nothing to publish"):
        publish(db, link)


def test_a_missing_snapshot_says_what_makes_one(link: Path) -> None:
    for reads in (current_snapshot, lambda one: connect_for_queries(one).__enter__()):
        with pytest.raises(
            WarehouseMissing, match="`copydesk sync` or `copydesk import` makes one"
        ):
            reads(link)


def test_a_plain_file_in_the_links_place_is_replaced(path: Path, link: Path) -> None:
    link.write_text("old")
    with connect(path) as db:
        publish(db, link)

    assert link.is_symlink()


# --- queries ---------------------------------------------------------------------------------


@pytest.fixture
def reader(path: Path, link: Path) -> Iterator[DuckDBPyConnection]:
    with connect(path) as db:
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
        ("DELETE FROM _store.runs", "only reads .* found DELETE"),
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
def test_anything_else_is_refused_and_says_why(
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

    assert [(one.article_id, one.post, one.is_current) for one in read_posts(db)] == [
        ("finews:1", post("a.md", b"1b"), True),
        ("finews:2", second, False),
    ]
    assert list(read_posts(db, source="ofweek")) == []


def test_reading_may_go_on_while_writing_through_a_cursor(db: DuckDBPyConnection) -> None:
    upsert(db, *(article(number, str(number)) for number in range(5)))

    for row in read_articles(db.cursor(), rows_each=2):
        with transaction(db):
            db.execute(
                "INSERT INTO _store.tombstones VALUES (NULL, ?, 'x', '', now())", [row.title]
            )
    assert rows_of(db, "SELECT count(*) FROM _store.tombstones") == [(5,)]
