from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection

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
from warehouse import (
    ArticleRow,
    StoredPost,
    UpsertCounts,
    connect,
    stage,
    transaction,
    upsert_articles,
)
from warehouse.care.integrity import verify
from warehouse.errors import BadRow, WarehouseError
from warehouse.read.articles import read_articles
from warehouse.rows import MediaRow
from warehouse.search.query import search
from warehouse.upsert.observations import observe

ROW = article()
PICTURE = MediaRow(kind="picture", url="https://example.org/a.jpg")
AUDIO = MediaRow(
    kind="audio", url="https://example.org/a.mp3", type="audio/mpeg", length=5_000, duration=90
)


# --- second batches ----------------------------------------------------------------------


def nothing_changes(row: ArticleRow) -> ArticleRow:
    return row


def page_is_fetched_again(row: ArticleRow) -> ArticleRow:
    return fetched_later(row)


def page_is_seen_in_another_channel(row: ArticleRow) -> ArticleRow:
    return replace(fetched_later(row), channel="market-37")


def words_change(row: ArticleRow) -> ArticleRow:
    return fetched_later(with_text(row, "降准半个百分点"))


def words_change_at_the_same_moment(row: ArticleRow) -> ArticleRow:
    return with_text(row, "降准半个百分点")


def date_is_repaired(row: ArticleRow) -> ArticleRow:
    return replace(fetched_later(row), published_at=NOON - 2 * HOUR)


def zone_becomes_known(row: ArticleRow) -> ArticleRow:
    known = replace(row, published_timezone="Europe/Paris", published_on=date(2026, 3, 14))
    return fetched_later(known)


def page_is_only_a_teaser(row: ArticleRow) -> ArticleRow:
    return replace(fetched_later(row), completeness="teaser")


def markup_is_cleaner(row: ArticleRow) -> ArticleRow:
    return replace(fetched_later(row), body_html="<p><b>降准</b></p>")


def media_are_attached(row: ArticleRow) -> ArticleRow:
    return replace(fetched_later(row), media=(PICTURE,))


def older_page_is_replayed(row: ArticleRow) -> ArticleRow:
    return fetched_later(with_text(row, "传降准"), -1)


def older_page_says_the_same(row: ArticleRow) -> ArticleRow:
    return fetched_later(row, -1)


def other_article_says_the_same(row: ArticleRow) -> ArticleRow:
    return article(2)


def other_source_says_the_same(row: ArticleRow) -> ArticleRow:
    return article(source="ofweek")


def other_article_says_something_else(row: ArticleRow) -> ArticleRow:
    return article(2, "加息")


@pytest.mark.parametrize(
    ("when", "then"),
    [
        (nothing_changes, UpsertCounts(unchanged=1)),
        (page_is_fetched_again, UpsertCounts(unchanged=1)),
        (page_is_seen_in_another_channel, UpsertCounts(unchanged=1)),
        (words_change, UpsertCounts(updated=1)),
        (words_change_at_the_same_moment, UpsertCounts(updated=1)),
        (date_is_repaired, UpsertCounts(unchanged=1)),
        (zone_becomes_known, UpsertCounts(unchanged=1)),
        (page_is_only_a_teaser, UpsertCounts(unchanged=1)),
        (markup_is_cleaner, UpsertCounts(unchanged=1)),
        (media_are_attached, UpsertCounts(unchanged=1)),
        (older_page_is_replayed, UpsertCounts(unchanged=1)),
        (older_page_says_the_same, UpsertCounts(unchanged=1)),
        (other_article_says_the_same, UpsertCounts(duplicate=1)),
        (other_source_says_the_same, UpsertCounts(duplicate=1)),
        (other_article_says_something_else, UpsertCounts(new=1)),
    ],
)
def test_second_upsert(
    db: DuckDBPyConnection, when: Callable[[ArticleRow], ArticleRow], then: UpsertCounts
) -> None:
    assert upsert(db, ROW) == UpsertCounts(new=1)

    assert upsert(db, when(ROW)) == then

    before = everything(db)
    assert upsert(db, when(ROW)) == UpsertCounts(unchanged=1)
    assert everything(db) == before


def test_new_columns_are_stored_and_a_title_may_be_missing(db: DuckDBPyConnection) -> None:
    row = replace(
        article(title=None),
        published_on=date(2026, 3, 14),
        published_timezone="Europe/Paris",
        completeness="partial",
    )
    upsert(db, row)

    columns = "title, published_on, published_timezone, completeness, state, provenance ->> 'title'"
    assert rows_of(db, f"SELECT {columns} FROM articles") == [
        (None, date(2026, 3, 14), "Europe/Paris", "partial", "live", "listing:title")
    ]
    assert next(read_articles(db)) == replace(row, channel="")


def test_media_alone_are_an_article_whose_text_is_null(db: DuckDBPyConnection) -> None:
    row = replace(ROW, text=None, body_html="", media=(AUDIO, PICTURE))

    assert upsert(db, row) == UpsertCounts(new=1)

    found = rows_of(
        db, "SELECT text, media[1].kind, media[1].duration, media[2].length FROM articles"
    )
    assert found == [(None, "audio", 90.0, None)]
    assert rows_of(db, "SELECT text, len(media) FROM revisions") == [(None, 2)]
    assert next(read_articles(db)) == replace(row, channel="")
    (hit,) = search(db, "降准").hits
    assert (hit.article_id, hit.snippet) == (row.article_id, "")
    untitled = article(
        2, title=None, text=None, body_html="", media=(PICTURE,), content_hash=hash_of("p")
    )
    assert upsert(db, untitled) == UpsertCounts(new=1)
    assert len(search(db, "降准").hits) == 1
    assert verify(db, is_deep=True).problems == ()


@pytest.mark.parametrize(
    "media",
    [
        (PICTURE, AUDIO),
        (replace(AUDIO, kind="video"),),
        (replace(AUDIO, type=None),),
        (replace(AUDIO, length=None),),
        (replace(AUDIO, duration=None),),
        (),
    ],
)
def test_other_media_are_another_record(media: tuple[MediaRow, ...]) -> None:
    row = replace(ROW, media=(AUDIO,))

    assert observe(replace(row, media=media)).record_key != observe(row).record_key
    same = replace(AUDIO, duration=90.0)  # as DuckDB returns it
    assert observe(replace(row, media=(same,))).record_key == observe(row).record_key


@pytest.mark.parametrize(
    "changes",
    [
        {"published_timezone": "Europe/Paris"},
        {"published_on": date(2026, 3, 13), "published_timezone": "Asia/Shanghai"},
        {"completeness": "partial"},
    ],
)
def test_a_changed_day_zone_or_completeness_is_another_record(changes: dict[str, object]) -> None:
    shanghai = replace(ROW, published_on=date(2026, 3, 14), published_timezone="Asia/Shanghai")

    assert observe(shanghai).record_key == observe(ROW).record_key
    assert observe(replace(shanghai, **changes)).record_key != observe(ROW).record_key  # type: ignore[arg-type]


# --- repetitions in one batch -------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "counts", "titles"),
    [
        pytest.param([ROW, ROW], UpsertCounts(new=1, unchanged=1), ["降准"], id="row_is_repeated"),
        pytest.param(
            [ROW, fetched_later(with_text(ROW, "乙"))],
            UpsertCounts(new=1, updated=1),
            ["降准", "乙"],
            id="one_id_has_two_contents",
        ),
        pytest.param(
            [fetched_later(with_text(ROW, "乙")), ROW],
            UpsertCounts(new=1, updated=1),
            ["降准", "乙"],
            id="newer_page_comes_first",
        ),
        pytest.param(
            [ROW, with_text(ROW, "乙")],
            UpsertCounts(new=1, updated=1),
            ["降准", "乙"],
            id="two_contents_at_one_moment_the_later_in_the_batch_wins",
        ),
        pytest.param(
            [ROW, fetched_later(with_text(ROW, "乙")), fetched_later(ROW, 2)],
            UpsertCounts(new=1, updated=2),
            ["降准", "乙", "降准"],
            id="content_returns",
        ),
        pytest.param(
            [ROW, article(2)],
            UpsertCounts(new=1, duplicate=1),
            ["降准"],
            id="two_ids_have_one_content",
        ),
    ],
)
def test_keys_repeated_inside_a_batch(
    db: DuckDBPyConnection, rows: list[ArticleRow], counts: UpsertCounts, titles: list[str]
) -> None:
    assert upsert(db, *rows) == counts

    found = rows_of(
        db, "SELECT title FROM revisions WHERE article_id = 'finews:1' ORDER BY revision"
    )
    assert [title for (title,) in found] == titles
    before = everything(db)
    assert upsert(db, *rows) == UpsertCounts(unchanged=len(rows))
    assert everything(db) == before


def test_counts_come_by_source(db: DuckDBPyConnection) -> None:
    with transaction(db):
        done = upsert_articles(
            db, map(observe, [ROW, article(2, "甲"), article(source="ofweek")]), run_id="run"
        )

    assert done == {"finews": UpsertCounts(new=2), "ofweek": UpsertCounts(duplicate=1)}


def test_an_empty_batch_is_nothing(db: DuckDBPyConnection) -> None:
    with transaction(db):
        assert upsert_articles(db, [], run_id="run") == {}


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
        (replace(ROW, title="降\ud800准"), "title", "a lone surrogate at 1"),
        (replace(ROW, text="\udc80"), "text", "a lone surrogate at 0"),
        (replace(ROW, tags=("\udc80",)), "tags", "a lone surrogate"),
        (replace(ROW, channel="\udc80"), "channel", "a lone surrogate"),
        (replace(ROW, media=(replace(PICTURE, url="\udc80"),)), "media", "a lone surrogate"),
        (
            replace(ROW, post=StoredPost(dialect="hexo", path="\udc80", data=b"")),
            "post",
            "a lone surrogate",
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
        observe(row)


def test_an_error_in_a_transaction_is_reported_as_it_was(path: Path) -> None:
    rows = stage.table(name=(["a"], pa.string()))

    with pytest.raises(WarehouseError) as error, connect(path) as db, transaction(db):
        stage.insert(db, "no_such_table", rows)

    assert "no_such_table" in str(error.value)
