"""Erasure and integrity checks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, rows_of, upsert
from warehouse import StoredPost, UpsertCounts, transaction
from warehouse.care import erasure
from warehouse.care.integrity import IntegrityReport, stored_records, verify
from warehouse.errors import WarehouseError
from warehouse.records import backfill_chunks, fetches, gone, quarantine, suppression
from warehouse.rows import FetchRow, NewQuarantineEntry

POST = StoredPost(dialect="jekyll", path="a.md", data=b"1")


def failure(source: str, article_id: str | None) -> NewQuarantineEntry:
    return NewQuarantineEntry(
        source=source, channel="emnews", url=article_id, article_id=article_id, reason="x",
        message="", page=b"", fetched_at=NOON, parser="finews", parser_version="1",
    )  # fmt: skip


def gone_answer(own_id: str) -> gone.GoneAnswer:
    return gone.GoneAnswer(
        article_id=f"finews:{own_id}", source="finews", url="u", status=404, at=NOON
    )


@pytest.fixture
def project(db: DuckDBPyConnection) -> DuckDBPyConnection:
    upsert(
        db,
        article(1, post=POST),
        article(1, "降准了", fetched_at=NOON + HOUR),
        article(2),  # the first text of article 1
        article(3, "加息", source="ofweek"),
    )
    page = FetchRow(
        source="finews", channel="emnews", url="https://example.org/1", status=200,
        fetched_at=NOON, archive_file="a.warc.gz", archive_offset=0,
        listing_entry='{"source_article_id": "1"}',
    )  # fmt: skip
    piece = backfill_chunks.NewChunk(
        kind="fetch_entries", description="some", spec='[{"source_article_id": "1"}]'
    )
    with transaction(db):
        quarantine.put(
            db, [failure("finews", "finews:1"), failure("ofweek", "ofweek:9")], run_id="r"
        )
        fetches.record(db, [page], run_id="r")
        backfill_chunks.add(db, "plan", "finews", [piece, piece], run_id="r")
        gone.record_gone(db, [gone_answer("1"), gone_answer("2")], run_id="r")
    return db


def names(db: DuckDBPyConnection) -> list[object]:
    return [name for (name,) in rows_of(db, "SELECT article_id FROM articles ORDER BY 1")]


# --- erasure ---------------------------------------------------------------------------------


def test_an_erased_article_leaves_only_what_other_sources_published(
    project: DuckDBPyConnection,
) -> None:
    with transaction(project):
        assert erasure.erase(project, ["finews:1"], reason="publisher's request").articles == 1

    assert names(project) == ["finews:2", "ofweek:3"]
    assert rows_of(project, "SELECT text FROM _store.contents ORDER BY 1") == [("加息",), ("降准",)]
    assert rows_of(project, "SELECT count(*) FROM _store.posts") == [(0,)]
    assert rows_of(project, "SELECT article_id FROM quarantine") == [("ofweek:9",)]
    assert rows_of(project, "SELECT count(*) FROM fetches") == [(0,)]
    assert backfill_chunks.chunks_of_plan(project, "plan") == []
    assert set(gone.gone_articles(project, ["finews:1", "finews:2"])) == {"finews:2"}
    assert rows_of(project, "SELECT article_id, reason FROM _store.suppressions") == [
        ("finews:1", "publisher's request")
    ]
    assert verify(project, is_deep=True).problems == ()


def test_the_next_run_does_not_store_an_erased_article_again(project: DuckDBPyConnection) -> None:
    with transaction(project):
        erasure.erase(project, ["finews:1"])

    assert upsert(project, article(1), article(7, "另一篇")) == UpsertCounts(new=1, suppressed=1)
    assert names(project) == ["finews:2", "finews:7", "ofweek:3"]


def test_an_article_that_is_not_stored_can_be_kept_out(project: DuckDBPyConnection) -> None:
    with transaction(project):
        assert erasure.erase(project, ["finews:99"]).articles == 0
        assert erasure.erase(project, ["finews:99"]).articles == 0

    assert upsert(project, article(99)) == UpsertCounts(suppressed=1)
    assert rows_of(project, "SELECT count(*) FROM _store.suppressions") == [(1,)]


def test_no_article_of_an_erased_source_is_stored_again(project: DuckDBPyConnection) -> None:
    with transaction(project):
        assert erasure.erase(project, source="finews").articles == 2

    assert names(project) == ["ofweek:3"]
    assert upsert(project, article(50), article(50, source="ofweek")) == UpsertCounts(
        new=1, suppressed=1
    )
    assert verify(project).problems == ()


def test_addresses_that_others_share_take_nothing_of_theirs_away(
    project: DuckDBPyConnection,
) -> None:
    listing = FetchRow(
        source="finews", channel="emnews", url="https://example.org/feed", status=200,
        fetched_at=NOON, archive_file="a.warc.gz", archive_offset=9,
    )  # fmt: skip
    feed = "https://example.org/feed"
    with transaction(project):
        fetches.record(project, [listing], run_id="r")
        line = replace(failure("finews", None), url="")
        item = replace(failure("finews", "finews:88"), url=feed)
        quarantine.put(project, [line, item], run_id="r")
        empty = backfill_chunks.NewChunk(
            kind="fetch_entries", description="other", spec='[{"channel": ""}]'
        )
        backfill_chunks.add(project, "another plan", "finews", [empty], run_id="r")
    # A feed's item without a link has the feed's address; an imported post may have none.
    upsert(project, article(60, "没有链接", url=feed, canonical_url=""))
    upsert(project, article(61, "也没有", url=feed, canonical_url=feed))
    before = rows_of(project, "SELECT count(*) FROM _store.quarantine")

    with transaction(project):
        gone = erasure.erase(project, ["finews:60"])

    assert gone == erasure.ErasedRows(articles=1, contents=1)
    assert rows_of(project, "SELECT count(*) FROM _store.quarantine") == before
    assert rows_of(project, f"SELECT count(*) FROM _store.fetches WHERE url = '{feed}'") == [(1,)]
    assert backfill_chunks.chunks_of_plan(project, "another plan")
    assert "finews:61" in names(project)


def test_a_page_left_in_the_archive_is_found_by_the_next_erasure(
    project: DuckDBPyConnection,
) -> None:
    with transaction(project):
        erasure.erase(project, ["finews:1"], left=[("a.warc.gz", 0)])

    assert [one.file for one in erasure.archived_pages(project, ["finews:2"])] == ["a.warc.gz"]
    with transaction(project):
        assert erasure.erase(project, ["finews:1"]).fetches == 1
    assert erasure.archived_pages(project, ["finews:1"]) == []


def test_a_lifted_suppression_lets_the_next_run_bring_it_back(project: DuckDBPyConnection) -> None:
    with transaction(project):
        erasure.erase(project, ["finews:1"])
        erasure.erase(project, source="ofweek")
        assert suppression.lift_suppression(project, article_id="finews:1") is True
        assert suppression.lift_suppression(project, article_id="finews:1") is False
        assert suppression.lift_suppression(project, source="ofweek") is True

    assert upsert(project, article(1), article(3, "加息", source="ofweek")).suppressed == 0


def test_a_preview_reports_what_would_be_erased_and_changes_nothing(
    project: DuckDBPyConnection,
) -> None:
    would = erasure.preview(project, ["finews:1"])

    assert would == erasure.ErasedRows(
        articles=1, contents=1, posts=1, fetches=1, quarantine=1, plans=2
    )
    assert erasure.archived_pages(project, ["finews:1"]) == [
        erasure.ArchivedPageLocation(
            "finews", "a.warc.gz", 0, "https://example.org/1", is_shared=False
        )
    ]
    assert names(project) == ["finews:1", "finews:2", "ofweek:3"]
    assert suppression.list_suppressions(project) == []
    with transaction(project):
        assert erasure.erase(project, ["finews:1"]) == would
    assert erasure.preview(project, ["finews:1"]) == erasure.ErasedRows()


def test_what_others_have_at_other_addresses_stays(project: DuckDBPyConnection) -> None:
    with transaction(project):
        found = erasure.erase(project, ["finews:2", "ofweek:3"])

    assert (found.articles, found.contents, found.fetches, found.plans) == (2, 1, 0, 0)
    assert rows_of(project, "SELECT count(*) FROM fetches") == [(1,)]
    assert len(backfill_chunks.chunks_of_plan(project, "plan")) == 2
    assert verify(project, is_deep=True).problems == ()


def test_a_failure_of_an_erased_article_is_not_kept(project: DuckDBPyConnection) -> None:
    with transaction(project):
        erasure.erase(project, ["finews:1"])
        erasure.erase(project, source="ofweek")
        kept = quarantine.put(
            project,
            [
                failure("finews", "finews:1"),
                failure("finews", "finews:5"),
                failure("ofweek", "ofweek:9"),
            ],
            run_id="r",
        )

    assert kept == 1
    assert rows_of(project, "SELECT article_id FROM quarantine") == [("finews:5",)]


@pytest.mark.parametrize("wrong", ["finews", ":1", "finews:", ""])
def test_erasure_requires_a_whole_article_id(project: DuckDBPyConnection, wrong: str) -> None:
    with pytest.raises(WarehouseError, match="expected <source>:<source_article_id>"):
        erasure.erase(project, [wrong])


# --- verifying -------------------------------------------------------------------------------


def test_a_sound_warehouse_has_no_problems(project: DuckDBPyConnection) -> None:
    found = verify(project, is_deep=True)

    assert found.problems == ()
    assert found.rows["contents"] == 3
    assert isinstance(found, IntegrityReport)


def test_every_record_has_the_keys_of_its_columns(project: DuckDBPyConnection) -> None:
    found = list(stored_records(project, rows_each=2))

    assert sorted((one.row.article_id, one.row.title, one.wrong) for one in found) == [
        ("finews:1", "降准", ""), ("finews:1", "降准了", ""), ("finews:2", "降准", ""),
        ("ofweek:3", "加息", ""),
    ]  # fmt: skip
    assert rows_of(project, "SELECT current_setting('disabled_optimizers')") == [("",)]


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        ("UPDATE _store.article_records SET url = 'https://elsewhere.example/'", "record_key"),
        ("UPDATE _store.article_records SET source_article_id = '9'", "article_key"),
        ("UPDATE _store.contents SET text = text || '?'", "body_key"),
        ("UPDATE _store.contents SET content_hash = 'c1:' || repeat('0', 64)", "content_key"),
    ],
)
def test_a_row_that_contradicts_its_key_is_reported(
    project: DuckDBPyConnection, damage: str, key: str
) -> None:
    project.execute(damage)

    assert {one.wrong for one in stored_records(project)} == {key}


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("INSERT INTO _store.contents FROM _store.contents LIMIT 1", "contents stored twice: 1"),
        ("INSERT INTO _store.article_records FROM _store.article_records LIMIT 1", "records stored twice: 1"),
        ("INSERT INTO _store.article_versions FROM _store.article_versions LIMIT 1", "used twice: 1"),
        ("INSERT INTO _store.quarantine FROM _store.quarantine LIMIT 1", "quarantine entries stored twice: 1"),
        ("INSERT INTO _store.posts FROM _store.posts", "imported files stored twice: 1"),
        ("DELETE FROM _store.article_records", "versions without a record: 4"),
        ("DELETE FROM _store.contents", "versions without a content: 4"),
        ("DELETE FROM _store.article_versions", "records without a version: 4"),
        ("DELETE FROM _store.sightings", "versions without a sighting: 4"),
        ("UPDATE _store.sightings SET content_key = uuid()", "sightings without a version: 4"),
        ("UPDATE _store.posts SET record_key = uuid()", "imported files without a record: 1"),
        ("UPDATE _store.contents SET content_hash = 'c1:' || repeat('0', 64)", "does not match their hash: 3"),
        ("UPDATE _store.contents SET content_tag = 1", "contents whose tag does not match their key: 3"),
        ("UPDATE _store.article_versions SET article_tag = 1", "tag does not match their article: 4"),
        ("UPDATE _store.article_versions SET record_tag = 1", "tag does not match their article: 4"),
        ("INSERT INTO _store.suppressions VALUES (NULL, NULL, 'ofweek', '', now())", "stored although suppressed: 1"),
        ("UPDATE _store.sightings SET last_seen_at = first_seen_at - INTERVAL 1 DAY", "end before they start: 4"),
        ("DROP TABLE _store.gaps", "gaps: cannot be read"),
        ("DROP TABLE _store.backfill_chunks", "chunks: cannot be read"),
        ("INSERT INTO _store.backfill_chunks FROM _store.backfill_chunks LIMIT 1", "chunks of backfills stored twice: 1"),
        ("UPDATE _store.backfill_chunks SET state = 'lost'", "chunks of backfills in no known state: 2"),
        ("DELETE FROM _store.backfill_chunks WHERE number = 1", "backfills with a chunk missing: 1"),
        ("UPDATE _store.fetches SET url_key = uuid()", "fetches whose key does not match their URL: 1"),
        ("UPDATE _store.fetches SET archive_offset = NULL", "with an archive file and no offset: 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_counted(
    project: DuckDBPyConnection, damage: str, problem: str
) -> None:
    project.execute(damage)

    assert any(problem in one for one in verify(project, is_deep=True).problems)
