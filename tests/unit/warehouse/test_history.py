from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from duckdb import DuckDBPyConnection
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.warehouse.factories import (
    HOUR,
    NOON,
    article,
    everything,
    fetched_later,
    rows_of,
    upsert,
    with_text,
)
from warehouse import ArticleRow, UpsertCounts, connect, observe, transaction, upsert_articles
from warehouse.care.compact import merge_sightings
from warehouse.care.integrity import verify

ROW = article()


# --- current and earlier versions -------------------------------------------------------


def history(db: DuckDBPyConnection) -> list[tuple[object, ...]]:
    return rows_of(
        db,
        "SELECT revision, title, valid_from, valid_to, is_current FROM revisions "
        "WHERE article_id = 'finews:1' ORDER BY revision",
    )


def test_a_content_that_returns_gets_its_own_revision(db: DuckDBPyConnection) -> None:
    for row in (ROW, fetched_later(with_text(ROW, "乙")), fetched_later(ROW, 2)):
        upsert(db, row)

    assert history(db) == [
        (1, "降准", NOON, NOON + HOUR, False),
        (2, "乙", NOON + HOUR, NOON + 2 * HOUR, False),
        (3, "降准", NOON + 2 * HOUR, None, True),
    ]
    assert rows_of(db, "SELECT title, revision_count FROM articles") == [("降准", 3)]
    assert rows_of(db, "SELECT count(*) FROM sightings") == [(2,)]


def test_an_older_page_becomes_a_past_revision(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, fetched_later(with_text(ROW, "传降准"), -1))

    assert history(db) == [
        (1, "传降准", NOON - HOUR, NOON, False),
        (2, "降准", NOON, None, True),
    ]
    assert rows_of(db, "SELECT title, text FROM articles") == [("降准", "降准")]


def test_confirmations_are_sightings_and_nothing_else(db: DuckDBPyConnection) -> None:
    for hours in range(5):
        upsert(db, fetched_later(ROW, hours))

    counts = "SELECT (SELECT count(*) FROM _store.article_versions), (SELECT count(*) FROM _store.sightings)"
    assert rows_of(db, counts) == [(1, 5)]


def test_a_late_page_before_another_content_adds_one_link(db: DuckDBPyConnection) -> None:
    for row in (
        ROW,
        fetched_later(with_text(ROW, "乙"), 5),
        fetched_later(ROW, 9),
        fetched_later(with_text(ROW, "丙"), 3),
    ):
        upsert(db, row)

    assert [title for _, title, *_ in history(db)] == ["降准", "丙", "乙", "降准"]
    assert rows_of(db, "SELECT count(*) FROM _store.article_versions") == [(4,)]


def test_a_late_page_is_undone_by_the_first_confirmation_even_if_merged(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, ROW)
    for hours in (5, 9):
        upsert(db, replace(fetched_later(ROW, hours), channel="media"))
    with transaction(db):
        assert merge_sightings(db) == (3, 2)

    upsert(db, fetched_later(with_text(ROW, "乙"), 3))

    assert [start for _, _, start, *_ in history(db)] == [NOON, NOON + 3 * HOUR, NOON + 5 * HOUR]


def test_a_replay_never_undoes_a_later_confirmation(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, fetched_later(ROW, 3))

    assert upsert(db, fetched_later(with_text(ROW, "降准半个百分点"))) == UpsertCounts(unchanged=1)
    assert history(db) == [
        (1, "降准", NOON, NOON + HOUR, False),
        (2, "降准半个百分点", NOON + HOUR, NOON + 3 * HOUR, False),
        (3, "降准", NOON + 3 * HOUR, None, True),
    ]


def test_two_readings_of_one_moment_stay_two_when_replayed_after_merging(
    db: DuckDBPyConnection,
) -> None:
    first, second, third, fourth = (
        article(1, "words", fetched_at=NOON + hour * HOUR, url=f"https://example.org/{name}")
        for name, hour in (("a", 0), ("b", 1), ("c", 1), ("d", 2))
    )
    rows = [first, second, third, fourth]
    upsert(db, *rows)
    with transaction(db):
        assert merge_sightings(db) == (3, 1)
    before = rows_of(db, "SELECT * EXCLUDE run_id FROM _store.article_versions ORDER BY seq")

    upsert(db, *rows)
    upsert(db, *rows)

    assert (
        rows_of(db, "SELECT * EXCLUDE run_id FROM _store.article_versions ORDER BY seq") == before
    )


def test_a_confirmation_replayed_does_not_undo_a_better_reading(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, fetched_later(ROW))
    upsert(db, fetched_later(with_text(ROW, "乙")))  # the same moment, read again

    assert upsert(db, fetched_later(ROW)) == UpsertCounts(unchanged=1)
    assert rows_of(db, "SELECT title FROM articles") == [("乙",)]


def test_repaired_metadata_is_current_but_no_revision(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, replace(fetched_later(ROW), published_at=NOON - 2 * HOUR))

    found = rows_of(
        db, "SELECT published_at, revision_count, first_seen_at, last_seen_at FROM articles"
    )
    assert found == [(NOON - 2 * HOUR, 1, NOON, NOON + HOUR)]


def test_exact_words_are_kept_when_only_punctuation_differs(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, fetched_later(replace(ROW, title="降准!", text="降准!", body_html="<p>降准!</p>")))
    upsert(db, article(2))

    assert rows_of(
        db, "SELECT title, text, body_html, revision_count FROM articles ORDER BY ALL"
    ) == [
        ("降准", "降准", "<p>降准</p>", 1),
        ("降准!", "降准!", "<p>降准!</p>", 1),
    ]
    assert rows_of(db, "SELECT count(*) FROM _store.contents") == [(1,)]


def test_a_stored_article_comes_back_whole(db: DuckDBPyConnection) -> None:
    row = replace(
        ROW, text="甲\0乙\n\n丙", title="“引号” \\ : # {", authors=(), updated_at=NOON,
        lead_image="https://example.org/1.jpg", original_url="https://example.org/0",
    )  # fmt: skip
    upsert(db, row)

    cursor = db.execute("SELECT * FROM articles")
    names = [one[0] for one in cursor.description or ()]
    found = dict(zip(names, cursor.fetchall()[0], strict=True))
    expected = {
        name: list(value) if isinstance(value := getattr(row, name), tuple) else value
        for name in ArticleRow.__dataclass_fields__
        if name not in {"channel", "fetched_at", "post", "other_ids"}
    }
    assert {name: found[name] for name in expected} == expected
    assert all(
        found[name].utcoffset().total_seconds() == 0
        for name in ("published_at", "updated_at", "first_seen_at", "last_seen_at")
    )
    assert (found["revision_count"], found["duplicate_count"]) == (1, 0)


def test_twins_count_each_other(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, article(2), article(source="ofweek"), article(3, "另一篇"))

    assert rows_of(db, "SELECT article_id, duplicate_count FROM articles ORDER BY ALL") == [
        ("finews:1", 2),
        ("finews:2", 2),
        ("finews:3", 0),
        ("ofweek:1", 2),
    ]


def test_a_sighting_names_its_channels_and_times(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, replace(fetched_later(ROW), channel="market-37"))

    assert rows_of(
        db, "SELECT article_id, channels, first_seen_at, last_seen_at FROM sightings"
    ) == [("finews:1", ["emnews", "market-37"], NOON, NOON + HOUR)]


def test_one_moment_in_two_channels_is_seen_in_both(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, replace(ROW, channel="media"))

    assert rows_of(db, "SELECT channels FROM sightings") == [(["emnews", "media"],)]


def test_cleaner_markup_of_the_same_words_is_current(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, replace(fetched_later(ROW), body_html="<p><b>降准</b></p>"))

    assert rows_of(db, "SELECT body_html, text FROM articles") == [("<p><b>降准</b></p>", "降准")]


def test_two_upserts_in_one_transaction_are_as_good_as_two(db: DuckDBPyConnection) -> None:
    with transaction(db):
        upsert_articles(db, map(observe, [ROW, with_text(ROW, "乙")]), run_id="run")
        upsert_articles(db, map(observe, [article(2, "甲"), with_text(ROW, "丙")]), run_id="run")

    assert rows_of(db, "SELECT title FROM articles ORDER BY article_id") == [("丙",), ("甲",)]
    assert verify(db).problems == ()


def test_the_corpus_as_of_a_time_knows_nothing_later(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, fetched_later(with_text(ROW, "降准半个百分点")), fetched_later(article(2), 2))

    def as_of(hours: float) -> list[tuple[object, ...]]:
        return rows_of(
            db,
            "SELECT article_id, title, revision_count, duplicate_count, last_seen_at "
            "FROM articles_as_of(?) ORDER BY ALL",
            NOON + hours * HOUR,
        )

    assert as_of(-0.5) == []
    assert as_of(0) == [("finews:1", "降准", 1, 0, NOON)]
    assert as_of(1.5) == [("finews:1", "降准半个百分点", 2, 0, NOON + HOUR)]
    assert as_of(9)[1] == ("finews:2", "降准", 1, 0, NOON + 2 * HOUR)


# --- every order of arrival gives the same history ---------------------------------------

SIGHTS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from("甲乙丙"), st.integers(1, 2)),
    min_size=1,
    max_size=9,
)


def reported(observations: list[tuple[int, str, int]]) -> dict[str, list[tuple[int, str]]]:
    """The plain answer: the version at each time, equal neighbours merged."""
    histories = {}
    for number in sorted({number for _, _, number in observations}):
        arrived = dict.fromkeys((hour, text) for hour, text, who in observations if who == number)
        last = dict(sorted(arrived, key=lambda one: one[0]))  # stable: the later arrival stays
        chain = list(last.items())
        kept = [one for before, one in pairwise(chain) if before[1] != one[1]]
        histories[f"finews:{number}"] = [chain[0], *kept]
    return histories


@given(observations=SIGHTS, cuts=st.sets(st.integers(1, 8)))
def test_any_batches_in_any_order_give_the_same_history(
    observations: list[tuple[int, str, int]], cuts: set[int]
) -> None:
    ends = [*sorted(cut for cut in cuts if cut < len(observations)), len(observations)]
    arrived: list[tuple[int, str, int]] = []
    with connect(":memory:") as db:
        for start, end in zip([0, *ends], ends, strict=False):
            batch = observations[start:end]
            upsert(
                db,
                *(article(who, text, fetched_at=NOON + h * HOUR) for h, text, who in batch),
            )
            arrived += sorted(batch, key=lambda one: one[0])
        found: dict[str, list[tuple[int, str]]] = {}
        for name, title, start_at in rows_of(
            db,
            "SELECT article_id, title, valid_from FROM revisions "
            "WHERE valid_from IS DISTINCT FROM valid_to ORDER BY article_id, revision",
        ):
            chain = found.setdefault(str(name), [])
            if not chain or chain[-1][1] != title:
                chain.append(((start_at - NOON) // HOUR, str(title)))  # type: ignore[operator]
        assert found == reported(arrived)
        before = everything(db)
        upsert(db, *(article(w, text, fetched_at=NOON + h * HOUR) for h, text, w in observations))
        assert everything(db) == before
