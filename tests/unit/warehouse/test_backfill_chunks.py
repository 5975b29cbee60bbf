"""Plans of long runs, and articles as of a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article
from warehouse import observe, transaction, upsert_articles
from warehouse.read import archived_fetches
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, WAITING, NewChunk

T0 = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def one(what: str, entries: int = 2) -> NewChunk:
    return NewChunk(kind="fetch_entries", description=what, spec="[]", entry_count=entries)


def test_a_plan_grows_and_its_pieces_are_ended_one_by_one(db: DuckDBPyConnection) -> None:
    with transaction(db):
        backfill_chunks.add(db, "p", "a", [one("first"), one("second")], run_id="r1", at=T0)
        backfill_chunks.add(db, "p", "a", [one("third")], run_id="r1", at=T0)
        backfill_chunks.add(db, "other", "a", [one("of another")], run_id="r1", at=T0)
    first, second, _ = backfill_chunks.chunks_of_plan(db, "p")
    with transaction(db):
        backfill_chunks.finish(db, first, state=DONE, run_id="r2", at=T0 + HOUR)
        backfill_chunks.finish(
            db, second, state=INCOMPLETE, run_id="r2", entry_count=5, at=T0 + HOUR
        )

    found = [
        (c.number, c.description, c.state, c.entry_count, c.run_id, c.ended_at)
        for c in backfill_chunks.chunks_of_plan(db, "p")
    ]
    assert found == [
        (1, "first", DONE, 2, "r2", T0 + HOUR),
        (2, "second", INCOMPLETE, 5, "r2", T0 + HOUR),
        (3, "third", WAITING, 2, "r1", None),
    ]
    assert [(p.plan, p.chunks, p.done) for p in backfill_chunks.list_plans(db)] in (
        [("p", 3, 1), ("other", 1, 0)],
        [("other", 1, 0), ("p", 3, 1)],
    )


def test_a_deleted_plan_starts_again_and_no_other(db: DuckDBPyConnection) -> None:
    with transaction(db):
        backfill_chunks.add(db, "p", "a", [one("first")], run_id="r", at=T0)
        backfill_chunks.add(db, "q", "a", [one("first")], run_id="r", at=T0)
        backfill_chunks.delete_plan(db, "p")

    assert backfill_chunks.chunks_of_plan(db, "p") == []
    assert len(backfill_chunks.chunks_of_plan(db, "q")) == 1


def test_only_plans_without_any_progress_are_deleted(db: DuckDBPyConnection) -> None:
    with transaction(db):
        for plan in ("old", "ended late"):
            backfill_chunks.add(db, plan, "a", [one("x")], run_id="r", at=T0)
        (late,) = backfill_chunks.chunks_of_plan(db, "ended late")
        backfill_chunks.finish(db, late, state=DONE, run_id="r", at=T0 + 2 * HOUR)
        assert backfill_chunks.delete_old_plans(db, before=T0 + HOUR) == 1

    assert [plan.plan for plan in backfill_chunks.list_plans(db)] == ["ended late"]


def test_articles_as_of_a_time_are_the_versions_valid_then(db: DuckDBPyConnection) -> None:
    first = replace(article(1, "first words"), fetched_at=T0)
    second = replace(article(1, "second words"), fetched_at=T0 + 2 * HOUR)
    with transaction(db):
        upsert_articles(db, map(observe, [first, second]), run_id="r")

    asked = [
        ("finews:1", T0 - HOUR),
        ("finews:1", T0 + HOUR),
        ("finews:1", T0 + 3 * HOUR),
        ("finews:2", T0),
    ]
    found = archived_fetches.articles_as_of(db, asked)

    assert {at: row["content_hash"] for (_, at), row in found.items()} == {
        T0 + HOUR: first.content_hash,
        T0 + 3 * HOUR: second.content_hash,
    }
