"""Lookups find known articles and no others: by short keys, in any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.warehouse.factories import (
    HOUR,
    NOON,
    article,
    everything,
    fetched_later,
    hash_of,
    rows_of,
    upsert,
    with_text,
)
from warehouse import ArticleRow, UpsertCounts, connect, observe
from warehouse.care.integrity import verify
from warehouse.keys import content_key, key_of
from warehouse.upsert import insert, lookup

ROW = article()
STORED = """
    SELECT (SELECT count(*) FROM _store.contents), (SELECT count(*) FROM _store.article_records),
           (SELECT count(*) FROM _store.article_versions), (SELECT count(*) FROM _store.sightings)
"""

# --- tags ------------------------------------------------------------------------------------

# Their keys start with the same 32 bits.
TWO_ARTICLES = ("82527", "132550")
TWO_CONTENTS = ("69235", "95303")


@pytest.fixture(params=["a_few_are_asked_for_one_by_one", "many_at_once"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many_at_once":
        monkeypatch.setattr(lookup, "_FEW", 0)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("is_together", [True, False])
def test_articles_that_share_a_tag_are_reported_apart(
    db: DuckDBPyConnection, is_together: bool
) -> None:
    first, second = (article(number, f"words of {number}") for number in TWO_ARTICLES)
    if is_together:
        assert upsert(db, first, second) == UpsertCounts(new=2)
    else:
        assert upsert(db, first) == UpsertCounts(new=1)
        assert upsert(db, second) == UpsertCounts(new=1)

    assert upsert(db, first, second) == UpsertCounts(unchanged=2)
    assert upsert(db, fetched_later(first), fetched_later(second)) == UpsertCounts(unchanged=2)
    assert upsert(db, fetched_later(with_text(second, "乙"), 2)) == UpsertCounts(updated=1)
    assert upsert(db, fetched_later(first, 3)) == UpsertCounts(unchanged=1)
    assert rows_of(db, "SELECT article_id, title, revision_count FROM articles ORDER BY 1") == [
        (second.article_id, "乙", 2),
        (first.article_id, first.title, 1),
    ]


@pytest.mark.usefixtures("few")
def test_contents_that_share_a_tag_are_reported_apart(db: DuckDBPyConnection) -> None:
    assert upsert(db, article(1, TWO_CONTENTS[0])) == UpsertCounts(new=1)
    assert upsert(db, article(2, TWO_CONTENTS[1])) == UpsertCounts(new=1)

    assert rows_of(db, "SELECT text FROM articles ORDER BY 1") == [(one,) for one in TWO_CONTENTS]
    assert upsert(db, article(3, TWO_CONTENTS[1])) == UpsertCounts(duplicate=1)
    assert verify(db).problems == ()


def test_the_pairs_of_these_tests_do_share_their_tags(db: DuckDBPyConnection) -> None:
    assert len({key_of(f"finews:{number}")[:4] for number in TWO_ARTICLES}) == 1
    assert len({content_key(hash_of(text))[:4] for text in TWO_CONTENTS}) == 1


# --- parts of a record -----------------------------------------------------------------------

OTHERS = {
    "a_blank_in_the_text": replace(ROW, text="降准 "),
    "a_blank_in_the_markup": replace(ROW, body_html="<p>降准</p> "),
    "a_tag_split_in_two": replace(ROW, tags=("东财", "滚动新闻")),
    "the_mark_between_parts": replace(ROW, tags=("东财\x1f滚动新闻",)),
    "a_tag_that_is_a_category": replace(ROW, tags=(), categories=("emnews", *ROW.tags)),
    "an_empty_publisher": replace(ROW, publisher=""),
    "no_publisher": replace(ROW, publisher=None),
    "a_publisher_called_minus": replace(ROW, publisher="-"),
    "another_microsecond": replace(ROW, published_at=NOON.replace(microsecond=1)),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=list(OTHERS))
def test_a_row_that_differs_to_the_letter_is_another_record(
    db: DuckDBPyConnection, other: ArticleRow
) -> None:
    upsert(db, ROW)

    assert upsert(db, fetched_later(other)) == UpsertCounts(unchanged=1)
    names = "body_html, text, publisher, published_at, tags, categories"
    assert rows_of(db, f"SELECT {names} FROM articles") == [
        (other.body_html, other.text, other.publisher, other.published_at, list(other.tags),
         list(other.categories))
    ]  # fmt: skip
    assert rows_of(db, "SELECT count(*) FROM _store.article_records") == [(2,)]


def test_no_two_of_these_records_share_a_key() -> None:
    keys = {observe(row).record_key for row in (ROW, *OTHERS.values())}

    assert len(keys) == len(OTHERS) + 1


# --- any batch is as good as its rows one by one ---------------------------------------------

ROWS = st.lists(
    st.builds(
        lambda number, text, hour, channel, markup: replace(
            with_text(article(number), text),
            body_html=markup,
            channel=channel,
            fetched_at=NOON + hour * HOUR,
        ),
        st.integers(1, 3),
        st.sampled_from("甲乙"),
        st.integers(0, 3),
        st.sampled_from(["emnews", "media"]),
        st.sampled_from(["<p>甲</p>", "<p>乙</p>"]),
    ),
    min_size=1,
    max_size=7,
)


@given(before=ROWS, batch=ROWS)
def test_a_batch_leaves_what_its_rows_one_by_one_leave(
    before: list[ArticleRow], batch: list[ArticleRow]
) -> None:
    with connect(":memory:") as together, connect(":memory:") as alone:
        upsert(together, *before)
        upsert(alone, *before)

        counts = upsert(together, *batch)

        ordered = sorted(batch, key=lambda row: row.fetched_at)
        assert sum((upsert(alone, row) for row in ordered), UpsertCounts()) == counts
        assert everything(together) == everything(alone)
        assert rows_of(together, STORED) == rows_of(alone, STORED)
        assert verify(together).problems == ()


def test_known_new_and_repeated_rows_mixed_in_one_batch(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, article(2, "甲"), article(3, "乙"))
    batch = [
        fetched_later(ROW), fetched_later(ROW), fetched_later(ROW, 2),  # one moment twice, and a later one
        fetched_later(article(2, "甲")),
        fetched_later(with_text(article(3), "丙")), fetched_later(article(3, "乙"), 2),
        article(4, "丁"), article(4, "丁"), fetched_later(article(5, "丁")),
        fetched_later(article(6, "甲")),
    ]  # fmt: skip

    assert upsert(db, *batch) == UpsertCounts(new=1, updated=2, unchanged=5, duplicate=2)
    assert rows_of(db, STORED) == [(5, 7, 8, 11)]
    before = everything(db)
    assert upsert(db, *batch) == UpsertCounts(unchanged=len(batch))
    assert everything(db) == before


# --- large batches ---------------------------------------------------------------------------


def test_a_large_batch_is_stored_whole_and_in_parts(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insert, "_ROWS_EACH", 7)
    rows = [article(number, f"第{number}篇") for number in range(50)]

    assert upsert(db, *rows) == UpsertCounts(new=50)
    assert rows_of(db, "SELECT article_id, text FROM articles ORDER BY ALL") == sorted(
        (row.article_id, row.text) for row in rows
    )
    assert rows_of(db, "SELECT count(DISTINCT seq) FROM _store.contents") == [(50,)]
    assert verify(db).problems == ()
    assert upsert(db, *map(fetched_later, rows)) == UpsertCounts(unchanged=50)


def test_a_large_first_load_goes_past_the_log_and_the_next_batch_into_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insert, "_BULK_ROWS", 3000)
    log = path.with_name(path.name + ".wal")
    rows = [article(number, f"第{number}篇") for number in range(3000)]

    with connect(path) as db:
        upsert(db, *rows)
        written = log.stat().st_size if log.exists() else 0
        upsert(db, article(3001, "另一篇"))
        assert written < 10_000
        assert log.stat().st_size > written
        assert verify(db, is_deep=True).problems == ()
    with connect(path) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(3001,)]


def test_lists_distinguish_their_items() -> None:
    lists = [((), ("甲",)), (("甲",), ()), (("甲", "乙"), ()), (("甲",), ("乙",))]
    rows = [replace(ROW, tags=tags, categories=more) for tags, more in lists]

    assert len({observe(row).record_key for row in rows}) == len(rows)


def test_the_key_of_a_content_is_that_of_its_hash() -> None:
    assert content_key(hash_of("降准")) == bytes.fromhex(hash_of("降准")[3:35])
