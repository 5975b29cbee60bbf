"""Entries of listings: how they were last handled, and which articles have revisits left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, rows_of, upsert
from warehouse import transaction
from warehouse.care.erasure import erase
from warehouse.keys import as_uuid, key_of
from warehouse.records import entries
from warehouse.records.entries import EntryName, FetchedEntry, VisitTimes

NAME = EntryName(entry_id="finews:1", channel="emnews")
DAY = timedelta(days=1)


def fetched(hours: int = 0, **values: Any) -> FetchedEntry:
    defaults = {
        "name": NAME,
        "source": "finews",
        "url": "https://example.org/1",
        "article_id": "finews:1",
        "digest": key_of("one"),
        "listing_entry": '{"source_article_id": "1"}',
        "at": NOON + hours * HOUR,
    }
    return FetchedEntry(**(defaults | values))


def record(db: DuckDBPyConnection, *rows: FetchedEntry) -> None:
    with transaction(db):
        entries.record_fetched(db, rows, run_id="run")


def fail(db: DuckDBPyConnection, hours: int, name: EntryName = NAME) -> None:
    with transaction(db):
        entries.record_failed(db, [name], at=NOON + hours * HOUR)


def pending(db: DuckDBPyConnection, *, days: float) -> list[str]:
    now = NOON + days * DAY
    found = entries.pending_entries(db, ["finews"], first=HOUR, last=7 * DAY, now=now)
    return [one.listing_entry for one in found.get("finews", [])]


def test_entry_is_stored_with_its_first_and_last_answer(db: DuckDBPyConnection) -> None:
    record(db, fetched())
    record(db, fetched(2, digest=key_of("two"), article_id=None, keeps_article=True))

    found = entries.stored_entries(db, [NAME, EntryName(entry_id="finews:1", channel="media")])

    assert found[NAME].times == VisitTimes(
        first_fetched_at=NOON, last_fetched_at=NOON + 2 * HOUR, failed_at=None, failure_count=0
    )
    assert found[NAME].digest == as_uuid(key_of("two"))
    assert found[NAME].article_key == as_uuid(key_of("finews:1"))
    assert list(found) == [NAME]


def test_page_that_is_no_article_any_more_has_none(db: DuckDBPyConnection) -> None:
    record(db, fetched())
    record(db, fetched(2, article_id=None))

    assert entries.stored_entries(db, [NAME])[NAME].article_key is None


def test_failures_are_counted_until_the_next_answer(db: DuckDBPyConnection) -> None:
    record(db, fetched())
    fail(db, 1)
    fail(db, 2)
    fail(db, 2, EntryName(entry_id="finews:9", channel="emnews"))
    failed = entries.stored_entries(db, [NAME])[NAME].times

    record(db, fetched(3))

    assert (failed.failed_at, failed.failure_count) == (NOON + 2 * HOUR, 2)
    assert entries.stored_entries(db, [NAME])[NAME].times.failure_count == 0
    assert rows_of(db, "SELECT count(*) FROM _store.entries") == [(1,)]


def test_article_is_pending_from_its_first_revisit_to_its_last(db: DuckDBPyConnection) -> None:
    record(db, fetched(), fetched(name=EntryName(entry_id="finews:1", channel="media")))

    assert [len(pending(db, days=days)) for days in (0.01, 1, 8, 36, 38)] == [0, 1, 1, 1, 0]

    record(db, fetched(8 * 24))
    assert pending(db, days=9) == []


def test_entry_whose_listing_carries_its_article_has_no_revisit(db: DuckDBPyConnection) -> None:
    record(db, fetched(listing_entry=""))

    assert pending(db, days=1) == []


def test_erasure_removes_the_entries_of_an_article(db: DuckDBPyConnection) -> None:
    upsert(db, article(1), article(2, "加息"))
    other = EntryName(entry_id="finews:2", channel="emnews")
    record(
        db,
        fetched(),
        fetched(name=other, article_id="finews:2", url="https://example.org/2", listing_entry="{}"),
    )

    with transaction(db):
        erase(db, ["finews:1"])

    assert list(entries.stored_entries(db, [NAME, other])) == [other]
