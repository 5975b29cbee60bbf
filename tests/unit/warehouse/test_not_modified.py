"""Known articles, and those that a server answers with 304."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, article, everything, rows_of, upsert
from warehouse import transaction
from warehouse.records.not_modified import (
    NotModified,
    UnchangedListing,
    ids_in_other_channels,
    record,
    record_listings,
    stored_ids,
)

LAST_SEEN = "SELECT article_id, last_seen_at FROM articles ORDER BY article_id"


def confirm_at(db: DuckDBPyConnection, article_id: str, *, hours: int) -> None:
    with transaction(db):
        confirmed = NotModified(channel="emnews", at=NOON + hours * HOUR)
        record(db, {article_id: confirmed}, run_id="confirming")


def test_confirmation_moves_last_seen_and_nothing_else(db: DuckDBPyConnection) -> None:
    upsert(db, article(1), article(2, "加息"))
    before = everything(db)["revisions"]

    confirm_at(db, "finews:1", hours=2)

    assert rows_of(db, LAST_SEEN) == [("finews:1", NOON + 2 * HOUR), ("finews:2", NOON)]
    assert [row[:6] for row in everything(db)["revisions"]] == [row[:6] for row in before]


def test_confirmation_of_what_is_not_stored_is_passed_over(db: DuckDBPyConnection) -> None:
    confirm_at(db, "finews:9", hours=1)

    assert rows_of(db, LAST_SEEN) == []


def test_confirmation_is_of_what_was_current_then(db: DuckDBPyConnection) -> None:
    upsert(db, article(1))
    upsert(db, article(1, "加息", fetched_at=NOON + 3 * HOUR))

    confirm_at(db, "finews:1", hours=1)

    seen = rows_of(db, "SELECT content_hash, last_seen_at FROM sightings ORDER BY last_seen_at")
    assert [at for _, at in seen] == [NOON + HOUR, NOON + 3 * HOUR]
    assert rows_of(db, "SELECT title FROM articles") == [("加息",)]


def test_replayed_page_from_before_a_confirmation_does_not_become_current(
    db: DuckDBPyConnection,
) -> None:
    upsert(db, article(1))
    confirm_at(db, "finews:1", hours=4)

    done = upsert(db, article(1, "加息", fetched_at=NOON + 2 * HOUR))

    assert (done.updated, done.unchanged) == (0, 1)
    assert rows_of(db, "SELECT title FROM articles") == [("降准",)]


def test_an_unmodified_listing_moves_last_seen_of_the_articles_that_it_carries(
    db: DuckDBPyConnection,
) -> None:
    upsert(
        db,
        article(1, fetched_at=NOON - HOUR),  # left the listing
        article(2, "加息"),
        article(3, "汇率", channel="media"),
        article(4, "股市", source="ofweek"),
    )
    before = everything(db)["revisions"]
    for hours in (2, 3):
        with transaction(db):
            listing = NotModified(channel="emnews", at=NOON + hours * HOUR)
            record_listings(
                db, [UnchangedListing(source="finews", answer=listing, sent_at=NOON)], run_id="r"
            )

    assert rows_of(db, LAST_SEEN) == [
        ("finews:1", NOON - HOUR),
        ("finews:2", NOON + 3 * HOUR),
        ("finews:3", NOON),
        ("ofweek:4", NOON),
    ]
    assert everything(db)["revisions"] == before


def test_known_articles_are_those_that_were_stored(db: DuckDBPyConnection) -> None:
    upsert(db, article(1), article(2, "加息"))

    assert stored_ids(db, ["finews:1", "finews:3", "finews:1"]) == {"finews:1"}
    assert stored_ids(db, []) == set()


def test_article_seen_elsewhere_is_one_with_another_channel(db: DuckDBPyConnection) -> None:
    upsert(db, article(1), article(2, "加息", channel="share"))

    assert ids_in_other_channels(db, ["finews:1", "finews:2"], channel="share") == {"finews:1"}
