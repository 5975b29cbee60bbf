"""The fingerprints and pairs stay equal to those made anew from what is stored."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article, fetched_later, hash_of, rows_of, upsert
from tests.unit.warehouse.syndication_texts import NOTICE, story
from warehouse import transaction
from warehouse.care.compact import complete_fingerprints
from warehouse.care.erasure import erase
from warehouse.care.integrity import verify
from warehouse.syndication import candidates, index, pairs
from warehouse.syndication.query import find_pairs
from warehouse.upsert import articles

TABLES = ("prints", "common", "docs", "pairs")


@pytest.fixture
def db(emptied: DuckDBPyConnection) -> DuckDBPyConnection:
    return emptied


def stored(db: DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Fingerprints and pairs without the numbering of documents and the order of pairs."""
    return {
        "prints": rows_of(
            db,
            "SELECT c.content_key, p.print FROM _store.syndication_prints p "
            "JOIN _store.syndication_docs d USING (doc) "
            "JOIN _store.contents c ON c.seq = d.content_seq ORDER BY ALL",
        ),
        "pairs": rows_of(
            db,
            "SELECT least(content_key, other_content_key), "
            "greatest(content_key, other_content_key), kind, jaccard, containment "
            "FROM _store.syndication_pairs ORDER BY ALL",
        ),
    }


def clear(db: DuckDBPyConnection) -> None:
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM _store.syndication_{table}")


@pytest.mark.parametrize("seed", range(2))
def test_after_any_history_the_pairs_equal_those_made_anew(
    db: DuckDBPyConnection, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311
    for step in range(8):
        rows = []
        for _ in range(rng.randint(1, 4)):
            text = story(rng.randint(1, 3))[rng.choice([0, 40]) : rng.choice([200, 400, 480])]
            row = article(rng.randint(1, 6), text, source=rng.choice("ab"), url=str(step))
            rows.append(fetched_later(row, rng.randint(0, 12)))
        upsert(db, *rows)
        if rng.random() < 0.3:
            with transaction(db):
                erase(db, [f"{rng.choice('ab')}:{rng.randint(1, 6)}"])

    live = stored(db)
    assert verify(db).problems == ()
    clear(db)
    complete_fingerprints(db)

    assert live["pairs"]
    assert stored(db) == live


def test_contents_of_an_earlier_copydesk_are_compared_with_the_next_batches(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(db, *(article(i, story(1)[: 480 - i]) for i in range(4)))
    before = stored(db)
    clear(db)
    monkeypatch.setattr(articles, "_MISSING_EACH", 2)

    upsert(db, article(8, "短讯"))
    half = find_pairs(db, limit=10)
    upsert(db, article(9, "又一短讯"))

    assert (half.pair_count, half.missing_count) == (1, 2)
    assert (stored(db), find_pairs(db, limit=10).missing_count) == (before, 0)


def test_a_missing_content_is_compared_with_one_of_the_same_transaction(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, article(1, story(1)))
    clear(db)

    upsert(db, article(2, story(1)[:300], source="b"))

    (pair,) = find_pairs(db, limit=10).pairs
    assert (pair.article_id, pair.other_article_id) == ("b:2", "finews:1")


def test_compact_compares_everything_and_reports_progress(db: DuckDBPyConnection) -> None:
    upsert(db, *(article(i, story(i)) for i in range(3)))
    before = stored(db)
    clear(db)
    messages: list[str] = []

    complete_fingerprints(db, notify=messages.append)

    assert stored(db) == before
    assert [re.findall(r"\d+", one) for one in messages] == [["3"]]


def test_an_erased_article_leaves_no_fingerprint_and_no_pair(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, story(1)), article(2, story(1)[:300], source="b"), article(3, story(2)))
    upsert(db, article(4, story(2), source="b", content_hash=hash_of(story(2))))

    with transaction(db):
        erase(db, ["finews:1", "finews:3"])

    kept = rows_of(db, "SELECT content_hash FROM _store.contents ORDER BY 1")
    assert kept == sorted([(hash_of(story(1)[:300]),), (hash_of(story(2)),)])
    assert rows_of(db, "SELECT count(*) FROM _store.syndication_docs") == [(2,)]
    assert rows_of(db, "FROM _store.syndication_pairs") == []
    assert verify(db).problems == ()


def test_a_frequent_fingerprint_is_stored_no_longer_and_copies_are_found_without_it(
    db: DuckDBPyConnection,
) -> None:
    rows = [article(i, story(i, 12) + NOTICE) for i in range(candidates.MAX_DOCS + 10)]
    for start in range(0, len(rows), 30):
        upsert(db, *rows[start : start + 30])
    frequent = rows_of(db, "SELECT count(*) FROM _store.syndication_common")
    upsert(db, article(100, NOTICE * 3), article(101, rows[3].text[:-4], source="b"))

    assert frequent > [(0,)]
    assert [(one.article_id, one.other_article_id) for one in find_pairs(db, limit=9).pairs] == [
        ("b:101", "finews:3")
    ]
    assert verify(db).problems == ()


def test_long_texts_are_compared_in_parts_with_the_same_result(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert(db, *(article(i, story(i % 2)[: 480 - i]) for i in range(8)))
    before = stored(db)
    clear(db)
    monkeypatch.setattr(pairs, "_PART_CHARACTERS", 1000)
    monkeypatch.setattr(pairs, "_PART_TEXTS", 3)
    parts: list[int] = []
    shingle = pairs.shingle
    monkeypatch.setattr(pairs, "shingle", lambda texts: parts.append(len(texts)) or shingle(texts))

    complete_fingerprints(db)

    assert stored(db) == before
    assert max(parts) == 2


def test_texts_far_apart_in_the_file_are_read_one_by_one(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_LIST", 2)
    monkeypatch.setattr(candidates, "_NEIGHBOURS", 3)
    upsert(db, *(article(i, f"text {i}") for i in range(20)))
    seqs = [seq for (seq,) in rows_of(db, "SELECT seq FROM _store.contents ORDER BY seq")]
    wanted = [int(str(seqs[i])) for i in (0, 1, 2, 3, 9, 15, 19)]

    found = candidates.texts_of(db, wanted)

    assert sorted(found) == wanted
    assert sorted(found.values()) == sorted(f"text {i}" for i in (0, 1, 2, 3, 9, 15, 19))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            "DELETE FROM _store.syndication_prints "
            "WHERE print = (SELECT min(print) FROM _store.syndication_prints)",
            "documents with a fingerprint too many or too few",
        ),
        (
            "INSERT INTO _store.syndication_prints VALUES (1, 99)",
            "documents with a fingerprint too many or too few",
        ),
        (
            "INSERT INTO _store.syndication_docs FROM _store.syndication_docs LIMIT 1",
            "contents fingerprinted twice",
        ),
        (
            "UPDATE _store.syndication_docs SET content_seq = 5 WHERE doc = 1",
            "fingerprinted documents without a content",
        ),
        (
            "INSERT INTO _store.syndication_pairs SELECT other_content_key, content_key, kind, "
            "jaccard, containment FROM _store.syndication_pairs",
            "pairs of contents stored twice",
        ),
        (
            "UPDATE _store.syndication_pairs SET content_key = uuid()",
            "pairs without a content",
        ),
    ],
)
def test_verify_names_a_damage_of_the_fingerprints(
    db: DuckDBPyConnection, damage: str, problem: str
) -> None:
    upsert(db, article(1, story(1)), article(2, story(1)[:-9]))

    db.execute(damage)

    assert any(one.startswith(problem) for one in verify(db).problems)


def test_more_documents_than_contents_end_a_completion(db: DuckDBPyConnection) -> None:
    upsert(db, article(1, story(1)))
    db.execute("UPDATE _store.syndication_docs SET content_seq = 5")
    db.execute("INSERT INTO _store.contents FROM _store.contents")

    complete_fingerprints(db)

    assert index.count_missing(db) == 0


def test_known_articles_load_nothing_for_the_comparison() -> None:
    code = (
        "import sys\nimport warehouse.upsert.articles, warehouse.care.erasure, flows.cli.dupes\n"
        "print([name for name in sys.modules if name.startswith('warehouse.syndication')])"
    )

    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == "['warehouse.syndication', 'warehouse.syndication.index']"


def test_other_fields_of_an_article_change_no_fingerprint(db: DuckDBPyConnection) -> None:
    row = article(1, story(1))
    upsert(db, row)
    before = stored(db)

    upsert(db, fetched_later(replace(row, publisher="另一社")))

    assert stored(db) == before
