"""Values that look like SQL, and questions that reach for more than the warehouse."""

from __future__ import annotations

import json

import pytest

from flows import cli
from flows.pipeline.article_json import article_json
from parsers import registry
from parsers.model import Entry, Page
from tests.security.payloads import NOW, SENTENCES, SHOWN, feed_of, page_of, payloads, read
from tests.unit.warehouse.factories import article as made_row
from tests.unit.warehouse.factories import rows_of, upsert
from warehouse import connect, connect_for_queries, current_snapshot, publish, run_query
from warehouse.errors import BadQuery


@pytest.mark.parametrize(
    "text",
    payloads(
        "sql",
        "x'); DROP TABLE records; --", "'; ATTACH 'http://127.0.0.1/x' AS y; --", "\\'; --", "%", "_",
        "1; COPY articles TO 'leak.csv'", "$1", "?", "${x}", "{x}", "/* ", "'' OR 1=1", '"; --',
    ),
)  # fmt: skip
def test_no_value_is_read_as_sql(text, elsewhere) -> None:
    with connect(":memory:") as db:
        upsert(db, made_row(1, "other"))
        before = rows_of(db, "SELECT table_name FROM information_schema.tables ORDER BY ALL")
        row = made_row(
            text, text, source=text, publisher=text, authors=(text,), tags=(text,),
            url=text, canonical_url=text, channel=text,
        )  # fmt: skip
        upsert(db, row)

        assert (
            rows_of(db, "SELECT table_name FROM information_schema.tables ORDER BY ALL") == before
        )
        assert rows_of(
            db, "SELECT title, publisher, url, authors FROM articles WHERE title = ?", text
        ) == [(text, text, text, [text])]
        assert rows_of(db, "SELECT count(*) FROM articles") == [(2,)]
    assert list(elsewhere.iterdir()) == []


REFUSED = (
    "ATTACH 'other.duckdb' AS y", "COPY articles TO 'leak.csv'", "COPY (SELECT 1) TO 'leak.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'leak.csv'", "EXPORT DATABASE 'leak'", "IMPORT DATABASE 'x'",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "FROM '/etc/passwd'", "FROM 'rows.parquet'",
    "SELECT * FROM glob('/etc/*')", "FROM sniff_csv('/etc/passwd')", "FROM read_json('/etc/passwd')",
    "FROM 'http://127.0.0.1:1/x.csv'", "FROM query('ATTACH ''x'' AS y')", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "RESET enable_external_access", "SET lock_configuration = false",
    "PRAGMA enable_profiling", "DROP VIEW articles", "DELETE FROM records", "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t AS SELECT 1", "INSERT INTO records SELECT * FROM records",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "UPDATE records SET seq = 1", "CHECKPOINT",
    "SELECT 1; COPY articles TO 'leak.csv'", "SELECT 1; SELECT 2", "CALL force_checkpoint()", "",
    "SELECT * FROM hostile_frame", "BEGIN", "VACUUM", "PREPARE p AS SELECT 1", "USE memory",
    "DETACH copydesk", "CREATE SECRET s (TYPE s3)", "-- nothing", "WITH x AS (DELETE FROM records) FROM x",
)  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_a_question_reaches_nothing_but_the_warehouse(sql, stored, elsewhere) -> None:
    hostile_frame = [{"secret": "hunter2"}]
    before = stored.read_bytes()

    with connect_for_queries(stored) as db, pytest.raises(BadQuery) as caught:
        run_query(db, sql)

    assert hostile_frame[0]["secret"] not in str(caught.value)
    assert "root:" not in str(caught.value)
    assert stored.read_bytes() == before
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in stored.parent.iterdir() if path.suffix == ".duckdb"] == [
        stored.name
    ]


def test_a_file_name_is_no_sql(tmp_path) -> None:
    hostile = "x'; ATTACH 'leak.duckdb' AS y; --\"; DROP.duckdb"
    folder = tmp_path / "it's"
    folder.mkdir()
    with connect(folder / hostile) as db:
        upsert(db, made_row(1))
        publish(db, folder / f"read {hostile}")

    snapshot = current_snapshot(folder / f"read {hostile}")
    with connect_for_queries(snapshot.path) as db:
        assert run_query(db, "SELECT count(*) FROM articles").rows == [(1,)]
    assert not list(tmp_path.rglob("leak*"))
    assert [path.name for path in tmp_path.iterdir()] == ["it's"]


def test_a_limit_is_a_number_before_anything_happens(capfd, elsewhere) -> None:
    assert cli.run(["sync", "--limit", "1; COPY posts TO 'leak.csv'"]) == 2

    assert "'--limit'" in capfd.readouterr().err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "title", ["标题\x00在这里的文章", "标题&#0;在这里的文章", "标题&#x00;在这里的文章"]
)
def test_nul_never_reaches_the_warehouse(title) -> None:
    article = read(page_of(SENTENCES + "<p>a\x00b&#0;c</p>", title=title))
    listing = "<item><guid isPermaLink='false'>a&#0;b</guid><title>a&#0;b\x00</title></item>"
    source = registry.make_source("any", "feed", {"url": SHOWN})
    found = registry.entries(
        source,
        source.parser.listings(source)[0],
        Page(url=SHOWN, text=feed_of(listing), fetched_at=NOW),
    )

    assert "在这里" in article.title
    assert "\0" not in json.dumps(article_json(article), ensure_ascii=False)
    assert "\\u0000" not in json.dumps(article_json(article))
    assert "\0" not in "".join(
        str(one.source_article_id) for one in found if isinstance(one, Entry)
    )
