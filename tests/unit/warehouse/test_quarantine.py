"""The quarantine in the order of time: the page fetched last decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, upsert
from warehouse import transaction
from warehouse.records import not_modified, quarantine
from warehouse.records.not_modified import NotModified
from warehouse.rows import NewQuarantineEntry, QuarantineEntry

FAILED = NewQuarantineEntry(
    source="finews",
    channel="emnews",
    url="https://example.org/1",
    article_id="finews:1",
    reason="layout_changed",
    message="expected one 'h1', found 0",
    page=b"<html>noon",
    listing_entry='{"at": "noon"}',
    fetched_at=NOON,
    parser="finews",
    parser_version="1",
)
NEWER = replace(
    FAILED, page=b"<html>one", page_more=(b"two",), listing_entry='{"at": "one"}', reason="bad_date",
    fetched_at=NOON + HOUR,
)  # fmt: skip


def put(db: DuckDBPyConnection, *rows: NewQuarantineEntry, run_id: str = "run") -> int:
    with transaction(db):
        return quarantine.put(db, rows, run_id=run_id)


def read(db: DuckDBPyConnection, at: datetime, run_id: str = "reader") -> int:
    upsert(db, article(fetched_at=at), run_id=run_id)
    with transaction(db):
        return quarantine.resolve_parsed(db, {"finews:1": at}, run_id=run_id)


def open_entries(db: DuckDBPyConnection) -> list[QuarantineEntry]:
    return quarantine.open_failures(db)


def test_older_page_that_fails_again_replaces_no_newer_one_and_counts(
    db: DuckDBPyConnection,
) -> None:
    put(db, NEWER)

    put(db, FAILED, run_id="reparse")

    (found,) = open_entries(db)
    assert found.row == NEWER
    assert (found.attempts, found.run_id) == (2, "reparse")


def test_newer_page_that_fails_replaces_the_older_one(db: DuckDBPyConnection) -> None:
    put(db, FAILED)

    put(db, NEWER)

    assert [(one.row, one.attempts) for one in open_entries(db)] == [(NEWER, 2)]


def test_of_two_pages_in_one_batch_the_newer_is_kept(db: DuckDBPyConnection) -> None:
    assert put(db, NEWER, FAILED) == 1

    assert [(one.row, one.attempts) for one in open_entries(db)] == [(NEWER, 2)]


def test_failure_older_than_the_current_version_is_not_opened_again(
    db: DuckDBPyConnection,
) -> None:
    put(db, FAILED)
    assert read(db, NOON + HOUR) == 1

    put(db, FAILED, run_id="reparse")

    assert open_entries(db) == []
    (found,) = quarantine.open_failures(db, is_resolved=True)
    assert (found.attempts, found.resolved_by) == (2, "reader")


def test_failure_that_an_older_copydesk_opened_again_is_resolved_when_it_is_tried(
    db: DuckDBPyConnection,
) -> None:
    put(db, FAILED)
    upsert(db, article(fetched_at=NOON + HOUR))

    put(db, FAILED, run_id="replay")

    (found,) = quarantine.open_failures(db, is_resolved=True)
    assert (found.attempts, found.resolved_by) == (2, "replay")


def test_older_page_that_never_failed_before_is_kept_as_resolved(db: DuckDBPyConnection) -> None:
    upsert(db, article(fetched_at=NOON + HOUR))

    assert put(db, FAILED) == 1

    assert open_entries(db) == []
    assert quarantine.open_failures(db, is_resolved=True)[0].row == FAILED


def test_page_confirmed_afterwards_counts_as_the_current_version(db: DuckDBPyConnection) -> None:
    upsert(db, article(fetched_at=NOON - HOUR))
    with transaction(db):
        not_modified.record(db, {"finews:1": NotModified("emnews", NOON + HOUR)}, run_id="sync")

    put(db, FAILED)

    assert open_entries(db) == []


def test_page_that_was_read_and_now_is_not_is_opened_again(db: DuckDBPyConnection) -> None:
    put(db, FAILED)
    read(db, NOON)

    put(db, FAILED)

    assert [one.attempts for one in open_entries(db)] == [2]


def test_newer_failure_remains_open_although_an_older_page_was_parsed(
    db: DuckDBPyConnection,
) -> None:
    put(db, NEWER)

    assert read(db, NOON) == 0
    assert [one.row for one in open_entries(db)] == [NEWER]
    put(db, FAILED)
    assert [one.row for one in open_entries(db)] == [NEWER]


def test_failures_without_article_are_never_overtaken(db: DuckDBPyConnection) -> None:
    upsert(db, article(fetched_at=NOON + HOUR))

    put(db, replace(FAILED, article_id=None))

    assert len(open_entries(db)) == 1
