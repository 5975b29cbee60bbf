"""The macro ``search`` in files: snapshots, other databases, compaction, upgrades, writers."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article, rows_of, upsert
from warehouse import (
    connect,
    connect_for_queries,
    migrate,
    observe,
    publish,
    transaction,
    upsert_articles,
)
from warehouse.care import compact as compaction
from warehouse.care.compact import compact
from warehouse.care.erasure import erase
from warehouse.care.integrity import verify
from warehouse.errors import WarehouseTooOld
from warehouse.search.query import search
from warehouse.search.tokens import tokenize


@pytest.fixture
def link(path: Path) -> Path:
    return path.with_name("project.read.duckdb")


def ids(db: DuckDBPyConnection, call: str) -> list[object]:
    return [one for (one,) in rows_of(db, f"SELECT article_id FROM {call} ORDER BY rank")]


def test_the_macro_gives_the_same_in_every_client(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article(1, "碳中和与腾讯"), article(2, "碳中和", source="ofweek"))
        publish(db, link)
        expected = [hit.article_id for hit in search(db, "碳中和").hits]

    with connect_for_queries(link) as reader:
        found = [ids(reader, "search('碳中和')")]
    for name in (link, link.resolve()):
        with duckdb.connect(str(name), read_only=True) as reader:
            found.append(ids(reader, "search('碳中和')"))
    with duckdb.connect() as other:
        other.execute(f"ATTACH '{link}' AS news (READ_ONLY)")
        found.append(ids(other, "news.search('碳中和')"))
        filtered = ids(other, "news.search('碳中和', source := 'ofweek', since := '2026-01-01')")
        top = ids(other, "news.search('碳中和', top := 1)")
        later = ids(other, "news.search('碳中和', until := '2026-01-01')")
        other.execute("USE news")
        found.append(ids(other, "search('碳中和')"))

    assert sorted(expected) == ["finews:1", "ofweek:2"]
    assert found == [expected] * 5
    assert (filtered, top, later) == (["ofweek:2"], expected[:1], [])


def test_a_search_while_a_run_writes_finds_what_was_published(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article(1, "碳中和"))
        publish(db, link)
        with connect_for_queries(link) as reader, transaction(db):
            upsert_articles(db, [observe(article(2, "碳中和"))], run_id="run")
            assert [hit.article_id for hit in search(reader, "碳中和").hits] == ["finews:1"]


def _store_and_fail(db: DuckDBPyConnection) -> None:
    with transaction(db):
        upsert_articles(db, [observe(article(2, "腾讯"))], run_id="run")
        raise RuntimeError


def test_a_batch_that_is_rolled_back_leaves_no_posting(path: Path) -> None:
    with connect(path) as db:
        upsert(db, article(1, "碳中和"))
        before = rows_of(db, "FROM _store.search_fresh ORDER BY ALL")
        with pytest.raises(RuntimeError):
            _store_and_fail(db)

    with connect(path) as db:
        assert rows_of(db, "FROM _store.search_fresh ORDER BY ALL") == before
        assert search(db, "腾讯").hits == ()
        assert verify(db).problems == ()


def test_compact_sorts_the_index_and_results_stay(path: Path) -> None:
    with connect(path) as db:
        for i in range(3):
            upsert(db, article(i, f"碳中和消息{i}"))
        before = search(db, "碳中和").hits

    compact(path)

    with connect(path) as db:
        stored = [token for (token,) in rows_of(db, "SELECT token FROM _store.search_postings")]
        assert stored == sorted(stored)
        assert rows_of(db, "SELECT count(*) FROM _store.search_fresh") == [(0,)]
        assert search(db, "碳中和").hits == before
        assert verify(db, is_deep=True).problems == ()


def test_a_compaction_that_stops_between_two_steps_leaves_a_whole_index(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        upsert(db, article(1, "碳中和"))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compaction, "_rewrite", stop)
    with pytest.raises(KeyboardInterrupt):
        compact(path)

    with connect(path) as db:
        assert [hit.article_id for hit in search(db, "碳中和").hits] == ["finews:1"]
        assert verify(db, is_deep=True).problems == ()


def test_an_erased_text_is_in_no_byte_of_the_index_after_compact(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article(1, "秘密消息"), article(2, "公开"))
        with transaction(db):
            erase(db, ["finews:1"])
    compact(path)
    with connect(path) as db:
        publish(db, link)

    token = int(tokenize(["秘密"]).tokens[0]).to_bytes(8, "little")
    assert token not in path.read_bytes()
    assert token not in link.read_bytes()


def test_an_upgraded_warehouse_is_searched_after_compact_or_the_next_runs(
    new_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrate.migrations()
    last = next(one.version for one in known if one.name == "search") - migrate.FIRST_VERSION
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "migrations", lambda: known[:last])
        with connect(new_path) as db, pytest.raises(WarehouseTooOld):
            search(db, "碳中和")
    with monkeypatch.context() as patch:  # as a copydesk without the index stored them
        patch.setattr("warehouse.upsert.insert.PendingInserts._index_articles", lambda *_: None)
        patch.setattr("warehouse.search.index.add_contents", lambda *_: {})
        patch.setattr("warehouse.upsert.articles.index_missing", lambda *_, **__: 0)
        patch.setattr("warehouse.syndication.pairs.add_contents", lambda *_: None)
        patch.setattr("warehouse.upsert.articles.add_missing", lambda *_, **__: 0)
        with connect(new_path) as db:
            upsert(db, *(article(i, f"碳中和{i}") for i in range(3)))

    with connect(new_path) as db:
        upgraded = search(db, "碳中和")
    messages: list[str] = []
    compact(new_path, notify=messages.append)

    with connect(new_path) as db:
        assert (upgraded.hits, upgraded.content_count, upgraded.indexed_count) == ((), 3, 0)
        assert len(search(db, "碳中和").hits) == 3
        assert "search index: 3 contents are left to index" in messages
        assert "duplicates: 3 contents are left to compare" in messages
        assert verify(db).problems == ()
