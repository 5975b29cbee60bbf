"""Old rows without content are deleted; what reparse, health and as-of queries need stays."""

from __future__ import annotations

from datetime import timedelta

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import NOON, rows_of
from warehouse import transaction
from warehouse.care.retention import delete_old_fetches, delete_old_runs
from warehouse.records import fetches, runs
from warehouse.rows import FetchRow

DAY = timedelta(days=1)


def fetch(day: int, status: int | None, url: str = "https://example.org/1") -> FetchRow:
    return FetchRow(
        source="finews", channel="emnews", url=url, status=status, fetched_at=NOON + day * DAY
    )


def test_fetches_without_a_page_go_except_the_last_of_each_url(db: DuckDBPyConnection) -> None:
    other = "https://example.org/2"
    rows = [fetch(0, 200), fetch(1, 304), fetch(2, 500), fetch(3, 304), fetch(9, 304)]
    with transaction(db):
        fetches.record(db, [*rows, fetch(1, 404, other)], run_id="r")
        deleted = delete_old_fetches(db, before=NOON + 5 * DAY)

    left = rows_of(db, "SELECT url, status FROM fetches ORDER BY ALL")
    assert deleted == 3
    assert left == [(rows[0].url, 200), (rows[0].url, 304), (other, 404)]


def test_runs_go_except_imports_and_the_last_success(db: DuckDBPyConnection) -> None:
    with transaction(db):
        for day, flow, state in (
            (0, "sync", "completed"),
            (1, "import", "completed"),
            (2, "sync", "completed_with_warnings"),
            (3, "sync", "failed"),
            (9, "sync", "failed"),
        ):
            at = NOON + day * DAY
            run_id = runs.start_run(db, flow=flow, sources=["finews"], code_version="1", at=at)
            runs.finish_run(db, run_id, "finews", state=state, at=at)
        deleted = delete_old_runs(db, before=NOON + 5 * DAY)

    left = rows_of(db, "SELECT flow, state FROM runs ORDER BY started_at")
    assert deleted == 2
    assert left == [
        ("import", "completed"),
        ("sync", "completed_with_warnings"),
        ("sync", "failed"),
    ]
