from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.made import (
    HOUR,
    NOON,
    article,
    everything,
    hash_of,
    rows_of,
    upsert,
)
from warehouse import ArticleRow, StoredPost, Upserted, connect, transaction, upsert_articles
from warehouse.compact import merge_sightings
from warehouse.errors import BadRow
from warehouse.keys import content_key, key_of
from warehouse.sights import check_row
from warehouse.verify import verify

ROW = article()


def says(row: ArticleRow, words: str) -> ArticleRow:
    return replace(
        row, title=words, text=words, body_html=f"<p>{words}</p>", content_hash=hash_of(words)
    )


def later(row: ArticleRow, hours: float = 1) -> ArticleRow:
    return replace(row, fetched_at=row.fetched_at + hours * HOUR)


# --- what a second batch does ------------------------------------------------------------


def nothing_changes(row: ArticleRow) -> ArticleRow:
    return row


def page_is_fetched_again(row: ArticleRow) -> ArticleRow:
    return later(row)


def page_is_seen_in_another_channel(row: ArticleRow) -> ArticleRow:
    return replace(later(row), channel="market-37")


def words_change(row: ArticleRow) -> ArticleRow:
    return later(says(row, "降准半个百分点"))


def words_change_at_the_same_moment(row: ArticleRow) -> ArticleRow:
    return says(row, "降准半个百分点")


def date_is_repaired(row: ArticleRow) -> ArticleRow:
    return replace(later(row), published_at=NOON - 2 * HOUR)


def markup_is_cleaner(row: ArticleRow) -> ArticleRow:
    return replace(later(row), body_html="<p><b>降准</b></p>")


def older_page_is_replayed(row: ArticleRow) -> ArticleRow:
    return later(says(row, "传降准"), -1)


def older_page_says_the_same(row: ArticleRow) -> ArticleRow:
    return later(row, -1)


def other_article_says_the_same(row: ArticleRow) -> ArticleRow:
    return article(2)


def other_source_says_the_same(row: ArticleRow) -> ArticleRow:
    return article(source="ofweek")


def other_article_says_something_else(row: ArticleRow) -> ArticleRow:
    return article(2, "加息")


@pytest.mark.parametrize(
    ("when", "then"),
    [
        (nothing_changes, Upserted(unmodified=1)),
        (page_is_fetched_again, Upserted(unmodified=1)),
        (page_is_seen_in_another_channel, Upserted(unmodified=1)),
        (words_change, Upserted(modified=1)),
        (words_change_at_the_same_moment, Upserted(modified=1)),
        (date_is_repaired, Upserted(unmodified=1)),
        (markup_is_cleaner, Upserted(unmodified=1)),
        (older_page_is_replayed, Upserted(unmodified=1)),
        (older_page_says_the_same, Upserted(unmodified=1)),
        (other_article_says_the_same, Upserted(duplicate=1)),
        (other_source_says_the_same, Upserted(duplicate=1)),
        (other_article_says_something_else, Upserted(new=1)),
    ],
)
def test_second_upsert(
    db: DuckDBPyConnection, when: Callable[[ArticleRow], ArticleRow], then: Upserted
) -> None:
    assert upsert(db, ROW) == Upserted(new=1)

    assert upsert(db, when(ROW)) == then

    before = everything(db)
    assert upsert(db, when(ROW)) == Upserted(unmodified=1)
    assert everything(db) == before


# --- what is repeated inside one batch ---------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "counts", "titles"),
    [
        pytest.param([ROW, ROW], Upserted(new=1, unmodified=1), ["降准"], id="row_is_repeated"),
        pytest.param(
            [ROW, later(says(ROW, "乙"))],
            Upserted(new=1, modified=1),
            ["降准", "乙"],
            id="one_id_has_two_contents",
        ),
        pytest.param(
            [later(says(ROW, "乙")), ROW],
            Upserted(new=1, modified=1),
            ["降准", "乙"],
            id="newer_page_comes_first",
        ),
        pytest.param(
            [ROW, says(ROW, "乙")],
            Upserted(new=1, modified=1),
            ["降准", "乙"],
            id="two_contents_at_one_moment_the_later_in_the_batch_wins",
        ),
        pytest.param(
            [ROW, later(says(ROW, "乙")), later(ROW, 2)],
            Upserted(new=1, modified=2),
            ["降准", "乙", "降准"],
            id="content_returns",
        ),
        pytest.param(
            [ROW, article(2)],
            Upserted(new=1, duplicate=1),
            ["降准"],
            id="two_ids_have_one_content",
        ),
    ],
)
def test_keys_repeated_inside_a_batch(
    db: DuckDBPyConnection, rows: list[ArticleRow], counts: Upserted, titles: list[str]
) -> None:
    assert upsert(db, *rows) == counts

    found = rows_of(
        db, "SELECT title FROM revisions WHERE article_id = 'finews:1' ORDER BY revision"
    )
    assert [title for (title,) in found] == titles
    before = everything(db)
    assert upsert(db, *rows) == Upserted(unmodified=len(rows))
    assert everything(db) == before


def test_counts_come_by_source(db: DuckDBPyConnection) -> None:
    with transaction(db):
        done = upsert_articles(db, [ROW, article(2, "甲"), article(source="ofweek")], run_id="run")

    assert done == {"finews": Upserted(new=2), "ofweek": Upserted(duplicate=1)}


def test_an_empty_batch_is_nothing(db: DuckDBPyConnection) -> None:
    with transaction(db):
        assert upsert_articles(db, [], run_id="run") == {}


# --- what is current, and what was -------------------------------------------------------


def history(db: DuckDBPyConnection) -> list[tuple[object, ...]]:
    return rows_of(
        db,
        "SELECT revision, title, valid_from, valid_to, is_current FROM revisions "
        "WHERE article_id = 'finews:1' ORDER BY revision",
    )


def test_a_content_that_returns_gets_a_revision_of_its_own(db: DuckDBPyConnection) -> None:
    for row in (ROW, later(says(ROW, "乙")), later(ROW, 2)):
        upsert(db, row)

    assert history(db) == [
        (1, "降准", NOON, NOON + HOUR, False),
        (2, "乙", NOON + HOUR, NOON + 2 * HOUR, False),
        (3, "降准", NOON + 2 * HOUR, None, True),
    ]
    assert rows_of(db, "SELECT title, revision, revisions FROM articles") == [("降准", 3, 3)]
    assert rows_of(db, "SELECT count(*) FROM sightings") == [(2,)]


def test_an_older_page_becomes_a_past_revision(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, older_page_is_replayed(ROW))

    assert history(db) == [
        (1, "传降准", NOON - HOUR, NOON, False),
        (2, "降准", NOON, None, True),
    ]
    assert rows_of(db, "SELECT title, text FROM articles") == [("降准", "降准")]


def test_confirmations_are_sightings_and_nothing_else(db: DuckDBPyConnection) -> None:
    for hours in range(5):
        upsert(db, later(ROW, hours))

    counts = "SELECT (SELECT count(*) FROM _store.versions), (SELECT count(*) FROM _store.seen)"
    assert rows_of(db, counts) == [(1, 5)]


def test_a_late_page_before_another_content_adds_one_link(db: DuckDBPyConnection) -> None:
    for row in (ROW, later(says(ROW, "乙"), 5), later(ROW, 9), later(says(ROW, "丙"), 3)):
        upsert(db, row)

    assert [title for _, title, *_ in history(db)] == ["降准", "丙", "乙", "降准"]
    assert rows_of(db, "SELECT count(*) FROM _store.versions") == [(4,)]


def test_a_late_page_is_undone_by_the_first_confirmation_even_if_merged(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, ROW)
    for hours in (5, 9):
        upsert(db, replace(later(ROW, hours), channel="media"))
    with transaction(db):
        assert merge_sightings(db) == (3, 2)

    upsert(db, later(says(ROW, "乙"), 3))

    assert [start for _, _, start, *_ in history(db)] == [NOON, NOON + 3 * HOUR, NOON + 5 * HOUR]


def test_a_replay_never_undoes_a_later_confirmation(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, later(ROW, 3))

    assert upsert(db, words_change(ROW)) == Upserted(unmodified=1)
    assert history(db) == [
        (1, "降准", NOON, NOON + HOUR, False),
        (2, "降准半个百分点", NOON + HOUR, NOON + 3 * HOUR, False),
        (3, "降准", NOON + 3 * HOUR, None, True),
    ]


def test_a_confirmation_replayed_does_not_undo_a_better_reading(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, later(ROW))
    upsert(db, later(says(ROW, "乙")))  # the same moment, read again

    assert upsert(db, later(ROW)) == Upserted(unmodified=1)
    assert rows_of(db, "SELECT title FROM articles") == [("乙",)]


def test_repaired_metadata_is_current_but_no_revision(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, date_is_repaired(ROW))

    found = rows_of(db, "SELECT published_at, revisions, first_seen_at, last_seen_at FROM articles")
    assert found == [(NOON - 2 * HOUR, 1, NOON, NOON + HOUR)]


def test_exact_words_are_kept_when_only_punctuation_differs(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, later(replace(ROW, title="降准!", text="降准!", body_html="<p>降准!</p>")))
    upsert(db, article(2))

    assert rows_of(db, "SELECT title, text, body_html, revisions FROM articles ORDER BY ALL") == [
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
        if name not in {"channel", "fetched_at", "post"}
    }
    assert {name: found[name] for name in expected} == expected
    assert all(
        found[name].utcoffset().total_seconds() == 0
        for name in ("published_at", "updated_at", "first_seen_at", "last_seen_at")
    )
    assert (found["revision"], found["revisions"], found["duplicates"]) == (1, 1, 0)


def test_twins_count_each_other(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, article(2), article(source="ofweek"), article(3, "另一篇"))

    assert rows_of(db, "SELECT article_id, duplicates FROM articles ORDER BY ALL") == [
        ("finews:1", 2),
        ("finews:2", 2),
        ("finews:3", 0),
        ("ofweek:1", 2),
    ]


def test_a_sighting_names_its_channels_and_times(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, page_is_seen_in_another_channel(ROW))

    assert rows_of(
        db, "SELECT article_id, channel, channels, first_seen_at, last_seen_at FROM sightings"
    ) == [("finews:1", "emnews, market-37", ["emnews", "market-37"], NOON, NOON + HOUR)]


def test_one_moment_in_two_channels_is_seen_in_both(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, replace(ROW, channel="media"))

    assert rows_of(db, "SELECT channels FROM sightings") == [(["emnews", "media"],)]


def test_cleaner_markup_of_the_same_words_is_current(db: DuckDBPyConnection) -> None:
    upsert(db, ROW)
    upsert(db, markup_is_cleaner(ROW))

    assert rows_of(db, "SELECT body_html, text FROM articles") == [("<p><b>降准</b></p>", "降准")]


def test_two_upserts_in_one_transaction_are_as_good_as_two(db: DuckDBPyConnection) -> None:
    with transaction(db):
        upsert_articles(db, [ROW, says(ROW, "乙")], run_id="run")
        upsert_articles(db, [article(2, "甲"), says(ROW, "丙")], run_id="run")

    assert rows_of(db, "SELECT title FROM articles ORDER BY article_id") == [("丙",), ("甲",)]
    assert verify(db).problems == ()


# Their keys begin with the same 32 bits.
TWO_ARTICLES = ("82527", "132550")
TWO_CONTENTS = ("69235", "95303")


@pytest.mark.parametrize("is_together", [True, False])
def test_articles_that_share_a_tag_are_told_apart(
    db: DuckDBPyConnection, is_together: bool
) -> None:
    first, second = (article(number, f"words of {number}") for number in TWO_ARTICLES)
    if is_together:
        assert upsert(db, first, second) == Upserted(new=2)
    else:
        assert upsert(db, first) == Upserted(new=1)
        assert upsert(db, second) == Upserted(new=1)

    assert upsert(db, first, second) == Upserted(unmodified=2)
    assert upsert(db, later(first), later(second)) == Upserted(unmodified=2)
    assert upsert(db, later(says(second, "乙"), 2)) == Upserted(modified=1)
    assert upsert(db, later(first, 3)) == Upserted(unmodified=1)
    assert rows_of(db, "SELECT article_id, title, revisions FROM articles ORDER BY 1") == [
        (second.article_id, "乙", 2),
        (first.article_id, first.title, 1),
    ]


def test_contents_that_share_a_tag_are_told_apart(db: DuckDBPyConnection) -> None:
    assert upsert(db, article(1, TWO_CONTENTS[0])) == Upserted(new=1)
    assert upsert(db, article(2, TWO_CONTENTS[1])) == Upserted(new=1)

    assert rows_of(db, "SELECT text FROM articles ORDER BY 1") == [(one,) for one in TWO_CONTENTS]
    assert upsert(db, article(3, TWO_CONTENTS[1])) == Upserted(duplicate=1)
    assert verify(db).problems == ()


def test_the_pairs_of_these_tests_do_share_their_tags(db: DuckDBPyConnection) -> None:
    assert len({key_of(f"finews:{number}")[:4] for number in TWO_ARTICLES}) == 1
    assert len({content_key(hash_of(words))[:4] for words in TWO_CONTENTS}) == 1


def test_the_corpus_as_of_a_time_knows_nothing_later(db: DuckDBPyConnection) -> None:
    upsert(db, ROW, words_change(ROW), later(article(2), 2))

    def as_of(hours: float) -> list[tuple[object, ...]]:
        return rows_of(
            db,
            "SELECT article_id, title, revision, duplicates, last_seen_at "
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


def told(sights: list[tuple[int, str, int]]) -> dict[str, list[tuple[int, str]]]:
    """The plain answer: what held at each time, neighbours that agree as one."""
    histories = {}
    for number in sorted({number for _, _, number in sights}):
        arrived = dict.fromkeys((hour, words) for hour, words, who in sights if who == number)
        last = dict(sorted(arrived, key=lambda one: one[0]))  # stable: the later arrival stays
        chain = list(last.items())
        kept = [one for before, one in pairwise(chain) if before[1] != one[1]]
        histories[f"finews:{number}"] = [chain[0], *kept]
    return histories


@settings(max_examples=60, deadline=None)
@given(sights=SIGHTS, cuts=st.sets(st.integers(1, 8)))
def test_any_batches_in_any_order_tell_the_same_history(
    sights: list[tuple[int, str, int]], cuts: set[int]
) -> None:
    ends = [*sorted(cut for cut in cuts if cut < len(sights)), len(sights)]
    arrived: list[tuple[int, str, int]] = []
    with connect(":memory:") as db:
        for start, end in zip([0, *ends], ends, strict=False):
            batch = sights[start:end]
            upsert(
                db,
                *(article(who, words, fetched_at=NOON + h * HOUR) for h, words, who in batch),
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
        assert found == told(arrived)
        before = everything(db)
        upsert(db, *(article(w, words, fetched_at=NOON + h * HOUR) for h, words, w in sights))
        assert everything(db) == before


# --- imported posts ----------------------------------------------------------------------


def test_the_file_of_an_imported_article_is_kept_once_byte_for_byte(
    db: DuckDBPyConnection,
) -> None:
    post = StoredPost(dialect="jekyll", path="_posts/a.md", data=b"\n---\r\n\xff\x00")
    upsert(db, replace(ROW, post=post))
    upsert(db, replace(ROW, post=post), replace(ROW, post=replace(post, path="old_post/a.md")))

    assert rows_of(db, "SELECT path, data FROM _store.posts ORDER BY path") == [
        ("_posts/a.md", post.data),
        ("old_post/a.md", post.data),
    ]


# --- rows that cannot be stored ----------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        (article(""), "source_article_id", "expected an id, found none"),
        (replace(ROW, article_id="finews:2"), "article_id", "expected <source>:"),
        (replace(ROW, content_hash="c1:12"), "content_hash", "expected c1: and 64 hex digits"),
        (replace(ROW, content_hash="c1:" + "z" * 64), "content_hash", "64 hex digits"),
        (replace(ROW, title="降\ud800准"), "title", "half a surrogate pair at 1"),
        (replace(ROW, text="\udc80"), "text", "half a surrogate pair at 0"),
        (replace(ROW, tags=("\udc80",)), "tags", "half a surrogate pair"),
        (replace(ROW, channel="\udc80"), "channel", "half a surrogate pair"),
        (
            replace(ROW, post=StoredPost(dialect="hexo", path="\udc80", data=b"")),
            "post",
            "half a surrogate pair",
        ),
        (replace(ROW, fetched_at=NOON.replace(tzinfo=None)), "fetched_at", "with a zone"),
        (replace(ROW, published_at=NOON.replace(tzinfo=None)), "published_at", "with a zone"),
    ],
)
def test_a_row_that_cannot_be_stored_is_named_and_nothing_of_its_batch_is_kept(
    db: DuckDBPyConnection, row: ArticleRow, field: str, message: str
) -> None:
    with pytest.raises(BadRow, match=message) as caught:
        upsert(db, article(7), row)

    assert caught.value.field == field
    assert str(caught.value).encode()  # can be printed
    assert rows_of(db, "SELECT count(*) FROM articles") == [(0,)]
    with pytest.raises(BadRow, match=message):
        check_row(row)
