"""Runs, quarantine, pages, watermarks and gaps: the tables beside the articles."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, NOON, rows_of
from warehouse import Counters, process, transaction
from warehouse.errors import WarehouseError
from warehouse.records import fetches, gaps, quarantine, runs, watermarks
from warehouse.rows import FetchRow, NewGap, NewQuarantineEntry, Validators, Watermark

# --- runs ----------------------------------------------------------------------------------


def start(db: DuckDBPyConnection, **changes: object) -> str:
    with transaction(db):
        return runs.start_run(
            db, flow="sync", sources=["finews", "ofweek"], code_version="0.1.0",
            parsers={"finews": ("finews", "3")}, at=NOON, **changes,  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_run_has_a_row_for_each_source_from_its_start(db: DuckDBPyConnection) -> None:
    run_id = start(db)

    found = [(one.source, one.state, one.parser, one.parser_version) for one in runs.list_runs(db)]
    assert found == [("finews", "running", "finews", "3"), ("ofweek", "running", "", "")]
    assert run_id.startswith("20260314T120000-")


def test_counters_add_up_batch_by_batch(db: DuckDBPyConnection) -> None:
    run_id = start(db)
    with transaction(db):
        runs.add_counters(db, run_id, "finews", Counters(new=3, duplicate=1, seconds=0.5))
        runs.add_counters(db, run_id, "finews", Counters(new=2))
        runs.finish_run(db, run_id, "finews", counters=Counters(seconds=1.0), at=NOON + HOUR)

    first = runs.list_runs(db, run_id=run_id)[0]
    assert first.counters == Counters(new=5, duplicate=1, seconds=1.5)
    assert (first.state, first.ended_at) == ("completed", NOON + HOUR)


def test_a_run_whose_process_is_gone_is_marked_crashed_by_the_next(
    db: DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    me = process.this_process()
    monkeypatch.setattr(runs, "this_process", lambda: replace(me, pid=child.pid))
    lost = start(db)
    monkeypatch.undo()
    alive = start(db)
    last = start(db)

    states = {one.run_id: one.state for one in runs.list_runs(db)}
    assert states == {lost: "crashed", alive: "running", last: "running"}
    assert len(runs.list_runs(db, run_id=lost)[0].messages) == 1


@pytest.mark.parametrize(
    ("change", "is_alive"),
    [
        ({}, True),
        ({"started": "1"}, False),  # its number was given to another process
        ({"boot": "before"}, False),
        ({"host": "elsewhere", "pid": 1}, True),
        ({"pid": 2**22 + 1}, False),
    ],
)
def test_a_process_is_reported_from_a_later_one_with_its_number(
    change: dict[str, object], is_alive: bool
) -> None:
    one = replace(process.this_process(), **change)  # type: ignore[arg-type]

    assert one.is_alive is is_alive


def test_ended_process_whose_exit_code_was_not_collected_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while process.process_exists(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert Path(f"/proc/{child.pid}").exists(), "it is still there for its parent"
    assert not process.process_exists(child.pid)
    child.wait()


# --- quarantine ------------------------------------------------------------------------------

FAILED = NewQuarantineEntry(
    source="finews",
    channel="emnews",
    url="https://example.org/1",
    article_id="finews:1",
    reason="layout_changed",
    message="expected one 'h1', found 0",
    expected="one 'h1'",
    found="0",
    page=b"\xff\x00<html>",
    page_more=(b"2", b"3"),
    content_type="text/html",
    listing_entry='{"entry": {}}',
    fetched_at=NOON,
    parser="finews",
    parser_version="1",
)


def put(db: DuckDBPyConnection, *rows: NewQuarantineEntry, run_id: str = "run") -> int:
    with transaction(db):
        return quarantine.put(db, rows, run_id=run_id, at=NOON)


def test_a_failure_comes_back_whole(db: DuckDBPyConnection) -> None:
    assert put(db, FAILED) == 1

    (found,) = quarantine.open_failures(db)
    assert found.row == FAILED
    assert (found.attempts, found.first_failed_at, found.resolved_at) == (1, NOON, None)
    assert quarantine.get(db, found.quarantine_id[:8]) == found


def test_the_same_failing_page_counts_attempts_and_is_never_doubled(
    db: DuckDBPyConnection,
) -> None:
    put(db, FAILED)

    assert put(db, FAILED, replace(FAILED, reason="incomplete_article", page=b"new")) == 0
    (found,) = quarantine.open_failures(db)
    assert (found.attempts, found.row.reason, found.row.page) == (3, "incomplete_article", b"new")


@pytest.mark.parametrize(
    "other",
    [
        replace(FAILED, url="https://example.org/2"),
        replace(FAILED, source="ofweek"),
        replace(FAILED, article_id=None),
        replace(FAILED, url="", article_id=None, page=b"{}"),
    ],
)
def test_another_page_is_another_failure(db: DuckDBPyConnection, other: NewQuarantineEntry) -> None:
    assert put(db, FAILED, other) == 2
    assert len(quarantine.open_failures(db)) == 2


def test_lines_without_address_are_reported_by_their_bytes(db: DuckDBPyConnection) -> None:
    line = replace(FAILED, url="", article_id=None)

    assert put(db, line, replace(line, page=b"b"), line) == 2


def test_text_that_is_no_unicode_does_not_stop_the_quarantine(db: DuckDBPyConnection) -> None:
    put(db, replace(FAILED, message="found \udc80"))

    assert quarantine.open_failures(db)[0].row.message == "found \\udc80"


@pytest.mark.parametrize(
    "names",
    [{"article_ids": ["finews:1"]}, {"listings": [("finews", "https://example.org/1")]}],
)
def test_a_later_success_resolves_and_a_later_failure_reopens(
    db: DuckDBPyConnection, names: dict[str, list[Any]]
) -> None:
    put(db, FAILED)
    with transaction(db):
        assert quarantine.resolve(db, run_id="later", at=NOON + HOUR, **names) == 1
        assert quarantine.resolve(db, run_id="later", **names) == 0

    assert quarantine.open_failures(db) == []
    (found,) = quarantine.open_failures(db, is_resolved=True)
    assert (found.resolved_at, found.resolved_by) == (NOON + HOUR, "later")
    put(db, FAILED)
    assert quarantine.open_failures(db)[0].attempts == 2


def test_a_listing_that_another_source_reads_resolves_nothing(db: DuckDBPyConnection) -> None:
    put(db, FAILED)
    with transaction(db):
        assert quarantine.resolve(db, run_id="r", listings=[("ofweek", FAILED.url)]) == 0
        assert quarantine.resolve(db, run_id="r", listings=[(FAILED.source, FAILED.url)]) == 1


def test_failures_are_listed_by_reason_and_source(db: DuckDBPyConnection) -> None:
    put(db, FAILED, replace(FAILED, source="ofweek", reason="bad_listing"))

    assert [one.row.source for one in quarantine.open_failures(db, reason="bad_listing")] == [
        "ofweek"
    ]
    assert [one.row.source for one in quarantine.open_failures(db, source="finews")] == ["finews"]


def test_message_about_an_unknown_id_names_the_list_of_ids(db: DuckDBPyConnection) -> None:
    with pytest.raises(WarehouseError, match="found 0: `copydesk quarantine list`"):
        quarantine.get(db, "abc")


# --- pages -----------------------------------------------------------------------------------

PAGE = FetchRow(
    source="finews", channel="emnews", url="https://example.org/list", status=200, bytes=10,
    etag='"1"', last_modified="Sat, 14 Mar 2026 12:00:00 GMT", vary="Accept", fetched_at=NOON,
    archive_file="a.warc.gz", archive_offset=7, listing_entry='{"id": 1}', body_sha256="d" * 64,
    final_url="https://example.org/list?",
)  # fmt: skip


def test_validators_are_those_of_the_last_whole_answer(db: DuckDBPyConnection) -> None:
    newer = replace(PAGE, etag='"2"', fetched_at=NOON + HOUR, archive_offset=9)
    failed = replace(PAGE, status=503, etag='"3"', fetched_at=NOON + 2 * HOUR)
    none = replace(PAGE, url="https://example.org/none", etag=None, last_modified=None)
    with transaction(db):
        fetches.record(db, [newer, PAGE, failed, none], run_id="run")

    assert fetches.validators(db, [PAGE.url, none.url, "https://example.org/never"]) == {
        PAGE.url: Validators(
            etag='"2"',
            last_modified=PAGE.last_modified,
            vary="Accept",
            fetched_at=NOON + HOUR,
            archive_file="a.warc.gz",
            archive_offset=9,
            listing_entry='{"id": 1}',
            body_sha256="d" * 64,
            final_url="https://example.org/list?",
        )
    }


def test_host_that_asked_for_patience_is_known_until_it_is_over(db: DuckDBPyConnection) -> None:
    until = NOON + 2 * HOUR
    asked = replace(PAGE, status=503, etag=None, retry_after_at=until)
    with transaction(db):
        fetches.record(db, [asked, replace(asked, retry_after_at=NOON + HOUR), PAGE], run_id="run")

    assert fetches.pauses(db, NOON) == {PAGE.final_url: until}
    assert fetches.pauses(db, until) == {}


def test_what_came_of_each_request_is_recorded(db: DuckDBPyConnection) -> None:
    with transaction(db):
        fetches.record(
            db,
            [replace(PAGE, attempt_results=("unexpected_answer 503", "ok 200"), seconds=0.25)],
            run_id="run",
        )

    found = db.execute("SELECT attempt_results, seconds, body_sha256 FROM fetches").fetchall()
    assert found == [(["unexpected_answer 503", "ok 200"], 0.25, "d" * 64)]


def test_an_answer_that_dropped_its_validators_leaves_none(db: DuckDBPyConnection) -> None:
    bare = replace(PAGE, etag=None, last_modified=None, fetched_at=NOON + HOUR)
    with transaction(db):
        fetches.record(db, [PAGE, bare], run_id="run")

    assert fetches.validators(db, [PAGE.url]) == {}


def test_a_fetch_without_an_answer_is_a_row_too(db: DuckDBPyConnection) -> None:
    with transaction(db):
        fetches.record(db, [replace(PAGE, status=None, error="timed out")], run_id="run")

    assert rows_of(db, "SELECT status, error, fetched_at FROM fetches") == [
        (None, "timed out", NOON)
    ]


# --- watermarks and gaps -----------------------------------------------------------------------


def test_a_watermark_never_goes_back(db: DuckDBPyConnection) -> None:
    def advance(hours: float, value: str) -> int:
        with transaction(db):
            mark = (NOON + hours * HOUR, value)
            return watermarks.advance(db, {("finews", "emnews"): mark}, run_id="run")

    assert watermarks.get(db, "finews", "emnews") is None
    assert [advance(1, "a"), advance(0, "b"), advance(2, "c")] == [1, 0, 1]
    assert watermarks.get(db, "finews", "emnews") == Watermark(
        source="finews", channel="emnews", at=NOON + 2 * HOUR, value="c", run_id="run"
    )
    assert watermarks.get(db, "finews", "media") is None


def test_a_watermark_without_a_time_is_replaced(db: DuckDBPyConnection) -> None:
    for value in ("a", "b"):
        watermarks.advance(db, {("finews", "emnews"): (None, value)}, run_id="run")

    found = watermarks.get(db, "finews", "emnews")
    assert found
    assert found.value == "b"


GAP = NewGap(
    source="finews", channel="emnews", from_at=NOON, to_at=NOON + HOUR, detected_by="list full"
)


def test_the_same_gap_is_noted_once(db: DuckDBPyConnection) -> None:
    assert gaps.open_gap(db, GAP, run_id="run", at=NOON) is True
    assert gaps.open_gap(db, GAP, run_id="other", at=NOON) is False
    assert [one.row for one in gaps.list_gaps(db)] == [GAP]


@pytest.mark.parametrize(
    ("from_hour", "to_hour", "closed"),
    [(0, 1, 1), (-1, 2, 1), (None, None, 1), (0.5, 2, 0), (-1, 0.5, 0), (None, 0.5, 0)],
)
def test_a_stretch_closes_the_gaps_that_lie_within(
    db: DuckDBPyConnection, from_hour: float | None, to_hour: float | None, closed: int
) -> None:
    gaps.open_gap(db, GAP, run_id="run", at=NOON)
    gaps.open_gap(db, replace(GAP, channel="media"), run_id="run", at=NOON)

    ends = [None if hours is None else NOON + hours * HOUR for hours in (from_hour, to_hour)]
    assert gaps.close_gaps(
        db, "finews", "emnews", from_at=ends[0], to_at=ends[1], run_id="backfill", at=NOON
    ) == closed  # fmt: skip
    assert len(gaps.list_gaps(db, is_closed=True)) == closed
    assert rows_of(db, "SELECT DISTINCT closed_by FROM gaps WHERE closed_at IS NOT NULL") == (
        [("backfill",)] * closed
    )
