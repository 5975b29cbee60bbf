"""Health of the sources: findings, and rows that runs change in place."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, rows_of
from warehouse.care import erasure
from warehouse.care.integrity import verify
from warehouse.records import health
from warehouse.records.health import ChannelDay, ChannelState, Finding, SourceHealth

MISSING = Finding(
    source="finews", channel="media", kind="field_missing", field="authors",
    expected="98 % of 120 articles", found="none of the last 6", since=NOON,
)  # fmt: skip
DAY = ChannelDay(source="finews", channel="media", day=date(2026, 3, 14), run_count=1, new_count=3)


def test_an_open_finding_is_listed_until_a_run_closes_it(db: DuckDBPyConnection) -> None:
    stored = health.open_finding(db, MISSING, run_id="a", at=NOON + HOUR)

    assert health.list_findings(db) == [stored]
    assert health.list_findings(db, source="ofweek") == []
    health.close_finding(db, stored.finding_id, closed_by="b", at=NOON + 2 * HOUR)
    assert health.list_findings(db) == []
    closed = replace(stored, closed_at=NOON + 2 * HOUR, closed_by="b")
    assert health.list_findings(db, is_closed=True) == [closed]


def test_a_closed_finding_keeps_its_first_end(db: DuckDBPyConnection) -> None:
    stored = health.open_finding(db, MISSING, run_id="a", at=NOON)
    health.close_finding(db, stored.finding_id, closed_by="b", at=NOON + HOUR)
    health.close_finding(db, stored.finding_id, closed_by="c", at=NOON + 2 * HOUR)

    assert [one.closed_by for one in health.list_findings(db, is_closed=True)] == ["b"]


def test_a_finding_that_returns_is_another_row(db: DuckDBPyConnection) -> None:
    first = health.open_finding(db, MISSING, run_id="a", at=NOON)
    health.close_finding(db, first.finding_id, closed_by="b", at=NOON + HOUR)
    second = health.open_finding(db, MISSING, run_id="c", at=NOON + 2 * HOUR)

    assert second.finding_id != first.finding_id
    assert [one.run_id for one in health.list_findings(db)] == ["c"]
    assert rows_of(db, "SELECT count(*) FROM health_findings") == [(2,)]


def test_the_day_of_a_channel_is_one_row_that_changes_in_place(db: DuckDBPyConnection) -> None:
    later = replace(DAY, run_count=2, new_count=4, min_entry_count=20, fields='{"title": [4, 0]}')
    health.put_days(db, [(DAY, None)])
    health.put_days(db, [(later, DAY)])
    health.put_days(db, [(later, later)])

    assert health.channel_days(db, "finews", from_day=DAY.day) == [later]


def test_days_of_other_channels_and_sources_stay_as_they_are(db: DuckDBPyConnection) -> None:
    others = [replace(DAY, channel="emnews"), replace(DAY, source="ofweek")]
    for one in (DAY, *others):
        health.put_days(db, [(one, None)])
    health.put_days(db, [(replace(DAY, new_count=9), DAY)])

    assert health.channel_days(db, "ofweek", from_day=DAY.day) == [others[1]]
    assert [one.new_count for one in health.channel_days(db, "finews", from_day=DAY.day)] == [3, 9]


def test_old_days_are_deleted_and_no_others(db: DuckDBPyConnection) -> None:
    health.put_days(db, [(replace(DAY, day=date(2025, 1, 1)), None)])
    health.put_days(db, [(DAY, None)])

    assert health.delete_old_days(db, before=date(2026, 1, 1)) == 1
    assert health.channel_days(db, "finews", from_day=date(2000, 1, 1)) == [DAY]


def test_states_and_health_are_stored_and_replaced(db: DuckDBPyConnection) -> None:
    state = ChannelState(source="finews", channel="media", since=NOON)
    moved = replace(state, last_new_at=NOON + HOUR, entry_count=20, recent='{"pages": []}')
    learning = SourceHealth(
        source="finews", state="learning", learning=("14 more days",), evaluated_at=NOON, run_id="a"
    )
    known = replace(learning, state="ok", learning=(), silence_limit_seconds=7200)
    health.put_states(db, [(state, None)])
    health.put_states(db, [(moved, state)])
    health.put_sources(db, [(learning, None)])
    health.put_sources(db, [(known, learning)])

    assert health.channel_states(db, "finews") == [moved]
    assert health.source_health(db, "finews") == known
    assert health.source_health(db, "ofweek") is None
    found = rows_of(db, "SELECT source, health, learning, normal_silence_hours FROM sources")
    assert found == [("finews", "ok", [], 2.0)]


def test_the_view_of_sources_counts_open_findings(db: DuckDBPyConnection) -> None:
    stored = health.open_finding(db, MISSING, run_id="a", at=NOON)
    health.open_finding(db, replace(MISSING, field="tags"), run_id="a", at=NOON)
    health.close_finding(db, stored.finding_id, closed_by="b", at=NOON + HOUR)

    assert rows_of(db, "SELECT source, open_finding_count FROM sources") == [("finews", 1)]


def test_erasing_a_source_deletes_its_health(db: DuckDBPyConnection) -> None:
    health.put_days(db, [(DAY, None)])
    health.put_states(db, [(ChannelState(source="finews", channel="media", since=NOON), None)])
    health.open_finding(db, MISSING, run_id="a", at=NOON)
    erasure.erase(db, source="finews", reason="asked", at=NOON)

    assert health.list_findings(db) == []
    assert health.channel_days(db, "finews", from_day=DAY.day) == []
    assert health.channel_states(db, "finews") == []


def test_an_open_finding_stored_twice_is_a_problem(db: DuckDBPyConnection) -> None:
    health.open_finding(db, MISSING, run_id="a", at=NOON)
    assert verify(db).problems == ()
    health.open_finding(db, MISSING, run_id="b", at=NOON + HOUR)

    assert [one.split(":")[0] for one in verify(db).problems] == [
        "open health findings stored twice"
    ]
