"""The index stays equal to one built from what is stored, and holds nothing else."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import (
    article,
    fetched_later,
    hash_of,
    rows_of,
    upsert,
    with_text,
)
from warehouse import transaction
from warehouse.care import compact
from warehouse.care.compact import complete_index, complete_part, merge_index
from warehouse.care.erasure import erase
from warehouse.care.integrity import verify
from warehouse.db import read_sequence
from warehouse.search import index, runs
from warehouse.search.layout import SEGMENT_BITS
from warehouse.search.query import search
from warehouse.search.tokens import tokenize
from warehouse.upsert import articles

TABLES = ("postings", "fresh", "runs", "docs", "articles")


def indexed(db: DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """The index without its numbering of documents."""
    postings = rows_of(
        db,
        "SELECT d.content_key, p.token, p.gpos - (d.doc << 10::UBIGINT) "
        "FROM (FROM _store.search_postings UNION ALL FROM _store.search_fresh) p "
        "JOIN _store.search_docs d ON p.gpos >> 10::UBIGINT = d.slot ORDER BY ALL",
    )
    current = rows_of(
        db,
        "SELECT d.content_key, a.article_key, a.record_key, a.source, a.published_at "
        "FROM _store.search_articles a JOIN _store.search_docs d ON d.slot = a.doc ORDER BY ALL",
    )
    return {"postings": postings, "articles": current}


def rebuild(db: DuckDBPyConnection) -> None:
    """Empty the index, and index everything that is stored."""
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.search_{table}")
        index.index_missing(db, limit=10_000)


def problems(db: DuckDBPyConnection) -> tuple[str, ...]:
    return verify(db).problems


@pytest.mark.parametrize("seed", range(3))
def test_after_any_history_the_index_equals_a_rebuilt_one(
    db: DuckDBPyConnection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)  # noqa: S311
    monkeypatch.setattr(runs, "RUN_ROWS", 40)
    for step in range(12):
        rows = []
        for _ in range(rng.randint(1, 4)):
            row = article(rng.randint(1, 5), "题" * rng.randint(1, 3), source=rng.choice("ab"))
            row = with_text(fetched_later(row, rng.randint(0, 12)), "文字" * rng.randint(1, 6))
            rows.append(replace(row, title=rng.choice(["标题", "标题！", None]), url=str(step)))
        upsert(db, *rows)
        if rng.random() < 0.2:
            with transaction(db):
                erase(db, [f"{rng.choice('ab')}:{rng.randint(1, 5)}"])
        if rng.random() < 0.2:
            merge_index(db)

    live = indexed(db)
    assert problems(db) == ()
    rebuild(db)

    assert live == indexed(db)
    assert live["articles"]


def test_contents_of_an_earlier_copydesk_are_indexed_with_the_next_batches(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(db, *(article(i, f"降准{i}") for i in range(5)))
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.search_{table}")
    monkeypatch.setattr(articles, "_MISSING_EACH", 2)

    empty = search(db, "降准")
    upsert(db, article(6, "加息"))
    some = search(db, "降准")
    upsert(db, article(7, "降息"))
    upsert(db, article(8, "升息"))

    assert (empty.hits, empty.content_count, empty.indexed_count) == ((), 5, 0)
    assert (len(some.hits), some.content_count, some.indexed_count) == (2, 6, 3)
    assert len(search(db, "降准").hits) == 5
    assert problems(db) == ()


def test_compact_indexes_everything_and_reports_progress(db: DuckDBPyConnection) -> None:
    upsert(db, *(article(i, f"降准{i}") for i in range(3)))
    before = indexed(db)
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.search_{table}")
    messages: list[str] = []

    complete_index(db, notify=messages.append)

    assert indexed(db) == before
    assert [re.findall(r"\d+", one) for one in messages] == [["3"]]


def test_parts_complete_the_index_and_the_fingerprints(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "_INDEXED_EACH", 2)
    upsert(db, *(article(i, f"降准{i}") for i in range(3)))
    before = indexed(db)
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.search_{table}")
        db.execute("DELETE FROM _store.syndication_docs")

    found = [complete_part(db, most_runs=8) for _ in range(5)]

    assert found == [True, True, True, True, False]
    assert indexed(db) == before
    assert rows_of(db, "SELECT count(*) FROM _store.syndication_docs") == [(3,)]


def test_an_update_of_an_article_before_its_content_is_indexed_is_found_later(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = article(1, "降准")
    upsert(db, first, article(2, "加息"))
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.search_{table}")
    monkeypatch.setattr(articles, "_MISSING_EACH", 0)

    upsert(db, with_text(fetched_later(first), "加息"), article(3, "降准"))
    assert search(db, "加息").hits == ()
    complete_index(db)

    assert [hit.article_id for hit in search(db, "加息").hits] == ["finews:1", "finews:2"]
    assert [hit.article_id for hit in search(db, "降准").hits] == ["finews:3"]


@pytest.mark.parametrize("is_merged", [False, True])
def test_an_erased_article_leaves_no_posting(db: DuckDBPyConnection, is_merged: bool) -> None:
    upsert(db, article(1, "秘密消息"), article(2, "公开消息"))
    if is_merged:
        merge_index(db)

    with transaction(db):
        erase(db, ["finews:1"])

    tokens = set(tokenize(["秘密消息"]).tokens.tolist()) - set(
        tokenize(["公开消息"]).tokens.tolist()
    )
    stored = rows_of(
        db, "SELECT token FROM (FROM _store.search_postings UNION ALL FROM _store.search_fresh)"
    )
    assert tokens
    assert not tokens & {token for (token,) in stored}
    assert problems(db) == ()


def test_a_content_that_another_article_has_loses_the_title_of_the_erased_one(
    db: DuckDBPyConnection,
) -> None:
    hashed = hash_of("same")
    upsert(db, article(1, "消息", title="AB", content_hash=hashed))
    upsert(db, article(2, "消息", title="A B", content_hash=hashed))

    with transaction(db):
        erase(db, ["finews:1"])

    assert search(db, "AB").hits == ()
    assert [hit.article_id for hit in search(db, '"A B"').hits] == ["finews:2"]


def test_a_merge_makes_one_sorted_run_and_changes_no_posting(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUN_ROWS", 1)
    for i in range(4):
        upsert(db, article(i, f"降准消息{i}"))
    before = indexed(db)
    assert len(rows_of(db, "FROM _store.search_runs")) == 4

    merge_index(db)

    assert indexed(db) == before
    assert rows_of(db, "FROM _store.search_runs") == [(0,)]
    stored = rows_of(db, "FROM _store.search_postings")
    assert stored == sorted(stored)
    assert rows_of(db, "FROM _store.search_fresh") == []


def test_only_segments_with_many_runs_are_merged(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUN_ROWS", 1)
    for i in range(3):
        upsert(db, article(i, f"降准{i}"))

    seq = read_sequence(db).last_seq
    is_kept = not complete_part(db, most_runs=3)
    before = rows_of(db, "FROM _store.search_runs")
    written = read_sequence(db).last_seq - seq
    is_merged = complete_part(db, most_runs=2)

    assert (is_kept, len(before), written) == (True, 3, 0)
    assert (is_merged, rows_of(db, "FROM _store.search_runs")) == (True, [(0,)])
    assert not complete_part(db, most_runs=2)


def test_fresh_postings_join_the_run_that_they_fill(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(db, article(1, "降准"))
    assert rows_of(db, "FROM _store.search_postings") == []
    before = indexed(db)
    monkeypatch.setattr(runs, "RUN_ROWS", 20)

    upsert(db, article(2, "加息" * 10))

    stored = [token for (token,) in rows_of(db, "SELECT token FROM _store.search_postings")]
    assert stored == sorted(stored)
    assert rows_of(db, "FROM _store.search_fresh") == []
    assert set(before["postings"]) < set(indexed(db)["postings"])
    assert problems(db) == ()


def test_a_transaction_without_a_new_content_uses_no_index(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = article(1, "降准")
    upsert(db, first)
    for name in ("add_contents", "count", "docs_of", "refresh_articles"):
        monkeypatch.setattr(index, name, _fail_if_given_anything)

    counts = upsert(db, fetched_later(first))

    assert counts.unchanged == 1


def _fail_if_given_anything(
    _db: DuckDBPyConnection, given: Sequence[object] = (0,)
) -> dict[bytes, int]:
    assert not given
    return {}


def test_postings_are_sorted_within_each_segment(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(db, article(1, "降准"))
    far = 1 << (SEGMENT_BITS - 10)
    with transaction(db):
        db.execute("UPDATE _store.search_docs SET slot = slot + ?, doc = doc + ?", [far, far])
        db.execute(f"UPDATE _store.search_fresh SET gpos = gpos + {1 << SEGMENT_BITS}::UBIGINT")
        db.execute("UPDATE _store.search_articles SET doc = doc + ?", [far])
    upsert(db, article(2, "降准"), article(3, "加息"))

    merge_index(db)

    assert sorted(rows_of(db, "FROM _store.search_runs")) == [(1,)]
    assert [hit.article_id for hit in search(db, "加息").hits] == ["finews:3"]
    assert problems(db) == ()


def test_postings_are_sorted_across_four_full_segments(db: DuckDBPyConnection) -> None:
    for number in range(1, 7):  # each into a segment of its own
        ((last,),) = rows_of(db, "SELECT coalesce(max(slot), 0) FROM _store.search_docs")
        upsert(db, article(number, f"降准 {number}"))
        far = 1 << (SEGMENT_BITS - 10) if number > 1 else 0
        with transaction(db):
            for table, column in (("docs", "slot"), ("docs", "doc"), ("articles", "doc")):
                db.execute(
                    f"UPDATE _store.search_{table} SET {column} = {column} + ? WHERE {column} > ?",
                    [far, last],
                )
            db.execute(
                "UPDATE _store.search_fresh SET gpos = gpos + ?::UBIGINT WHERE gpos >= ?::UBIGINT",
                [far << 10, (last + 1) << 10],
            )

    merge_index(db)

    postings = rows_of(
        db, f"SELECT gpos >> {SEGMENT_BITS}, token FROM _store.search_postings ORDER BY rowid"
    )
    assert {segment for segment, _ in postings} == {0, 1, 2, 3, 4, 5}
    for segments in ({0, 1, 2, 3}, {4}, {5}):
        tokens = [token for segment, token in postings if segment in segments]
        assert tokens == sorted(tokens)
    assert sorted(rows_of(db, "FROM _store.search_runs")) == [(0,), (4,), (5,)]
    assert [hit.article_id for hit in search(db, "降准 5").hits][:1] == ["finews:5"]
    assert problems(db) == ()
    assert runs.unmerged_groups(db) == []
    assert runs.unmerged_segments(db) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            "DELETE FROM _store.search_fresh WHERE token = (SELECT min(token) FROM _store.search_fresh)",
            "documents of the search index with a posting too many or too few",
        ),
        (
            "INSERT INTO _store.search_fresh VALUES (5, 1099511627776)",
            "postings of the search index without a document",
        ),
        (
            "DELETE FROM _store.search_articles",
            "articles of the search index that are not current",
        ),
        (
            "INSERT INTO _store.search_docs FROM _store.search_docs",
            "contents indexed twice",
        ),
    ],
)
def test_verify_names_a_damage_of_the_index(
    db: DuckDBPyConnection, damage: str, problem: str
) -> None:
    upsert(db, article(1, "降准"))

    db.execute(damage)

    assert any(one.startswith(problem) for one in problems(db))
