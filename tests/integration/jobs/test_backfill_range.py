"""Backfill of a date range: it reads the range, and nothing outside of it."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, date, datetime

import pytest

from flows.backfill import do_chunk
from flows.pipeline import locks
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.backfill_steps import plan_chunks, run_backfill
from flows.pipeline.run import RunContext
from tests import site
from tests.e2e.backfill_helpers import BEFORE, LISTED, SHANGHAI, days, texts, window
from tests.site import Fault
from warehouse import connect, transaction
from warehouse.records import gaps, watermarks
from warehouse.rows import NewGap

# --- a window ----------------------------------------------------------------------------


def test_range_stores_its_days_and_no_others(project):
    report = project.fill("finews", **window("2022-03-11", "2022-03-13"))

    assert days(project) == [date(2022, 3, 11), date(2022, 3, 12), date(2022, 3, 13)]
    oracle = site.oracle(1).of("finews", "api")
    inside = {
        one
        for one, held in oracle.items()
        if held.published_at
        and date(2022, 3, 11) <= held.published_at.astimezone(SHANGHAI).date() <= date(2022, 3, 13)
    }
    stored = {one for (one,) in project.rows("SELECT source_article_id FROM articles")}
    assert stored == inside
    assert report.totals()["new"] + report.totals()["duplicate"] == len(inside)
    assert dict(project.rows("SELECT source, flow FROM runs")) == {"finews": "backfill"}


def test_range_continues_through_older_listing_pages_until_it_is_covered(project):
    report = project.fill("woshipm_direct", **window("2015-01-01", "2022-03-20"))

    pages = [one.target for one in project.news_site.requests if "stream-list" in one.target]
    assert pages[-1].endswith("/page/3")
    assert report.state == "completed"
    assert project.fill("woshipm_direct", **window("2010-01-01", "2014-12-31")).totals()["new"] == 1
    assert [one.target for one in project.news_site.requests if "stream-list" in one.target][
        -1
    ].endswith("/page/4")


def test_range_beyond_the_listing_is_reported_with_a_remedy(project):
    report = project.fill("finews", **window("2022-01-01", "2022-02-10"))

    assert report.exit_code == 3
    assert any("2022-02-08 09:30" in message for message in report.errors)
    assert any("--urls" in message for message in report.errors)


def test_listing_that_carries_its_articles_is_backfilled_without_other_pages(project):
    report = project.fill("woshipm", **window("2022-03-15", "2022-03-20"))

    assert report.totals()["fetched"] == report.totals()["discovered"] > 0
    assert {one.target for one in project.news_site.requests} == {"/robots.txt", "/woshipm/latest"}
    dated = [day for day in days(project) if day]
    assert dated
    assert all(date(2022, 3, 15) <= day <= date(2022, 3, 20) for day in dated)


def test_second_time_there_is_nothing_to_do_and_restart_changes_nothing(project):
    project.fill("finews", **window("2022-03-11", "2022-03-13"))
    before = project.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")
    project.news_site.clear_requests()

    second = project.fill("finews", **window("2022-03-11", "2022-03-13"))

    assert project.news_site.requests == ()
    assert any("--restart" in message for message in second.warnings)

    third = project.fill("finews", restart=True, **window("2022-03-11", "2022-03-13"))

    assert third.totals()["not_modified"] > 0
    assert (third.totals()["new"], third.totals()["updated"]) == (0, 0)
    after = project.rows("SELECT * EXCLUDE (last_seen_at) FROM articles ORDER BY article_id")
    assert after == before


def test_range_that_is_not_over_is_read_again(project):
    today = datetime.now(SHANGHAI).date()
    project.fill("finews", first=date(2022, 3, 16), last=today)
    project.news_site.edition = 3

    report = project.fill("finews", first=date(2022, 3, 16), last=today)

    assert report.totals()["new"] > 0


def test_dry_run_reports_what_it_would_fetch_and_stores_nothing(project):
    project.settings.warehouse.path.unlink()
    report = project.fill("finews", dry_run=True, **window("2022-03-11", "2022-03-13"))

    would = [message for message in report.warnings if "would fetch" in message]
    assert len(would) > 3
    assert texts(project) == []
    assert not project.settings.warehouse.path.exists()
    assert [message for message in would if LISTED in message] == []


@pytest.mark.parametrize(
    ("source", "channel", "turns", "expected"),
    [
        (
            "finews",
            "emnews",
            (1, 2),
            ["type=102&count=1000&newsid=1", "type=102&count=2000&newsid=1"],
        ),
        ("finews", "market-38", (1,), ["marketType=38&count=200"]),
        ("finews", "media", (7,), [None]),
        ("woshipm_direct", "latest", (1, 40), ["stream-list/page/4", "stream-list/page/43"]),
        ("ofweek", "CATList-8100-CHANGYIEXINWE", (1,), [None]),
        ("woshipm", "feed", (1,), [None]),
    ],
)
def test_older_listing_pages_are_where_the_source_has_them(
    project, source, channel, turns, expected
):
    found = project.settings.source(source)
    pages = [found.parser.older_listing(found, channel, turn) for turn in turns]

    assert [page and page.url.endswith(end) for page, end in zip(pages, expected, strict=True)] == [
        None if end is None else True for end in expected
    ]


# --- unchanged by a backfill -------------------------------------------------------------


def test_watermarks_stay_and_newer_content_stays(project):
    project.news_site.edition = 2
    project.sync("finews")
    marks = project_marks(project)
    before = project.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL")
    project.news_site.edition = (
        1  # the test site goes back; an old copy must not replace a newer one
    )

    archive = project.folder / "old"
    shutil.copytree(project.settings.archive.path, archive)
    report = project.fill("finews", archive=archive)

    assert project_marks(project) == marks
    assert report.totals()["updated"] == 0
    assert project.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL") == before


def project_marks(project):
    with connect(project.settings.warehouse.path) as db:
        return [
            watermarks.get(db, "finews", channel)
            for channel in ("emnews", "media", "market-37", "market-38", "market-39")
        ]


def test_range_leaves_watermarks_unchanged(project):
    project.sync("finews")
    marks = project_marks(project)

    project.fill("finews", **window("2022-03-11", "2022-03-13"))

    assert all(mark is not None for mark in marks)
    assert project_marks(project) == marks


def test_covered_gap_is_closed_and_another_is_not(project):
    project.sync("finews")
    now = datetime.now(UTC)
    with connect(project.settings.warehouse.path) as db, transaction(db):
        for channel, from_at in (("market-38", now - BEFORE), ("market-39", None)):
            row = NewGap(
                source="finews", channel=channel, from_at=from_at, to_at=now, detected_by="x"
            )
            gaps.open_gap(db, row, run_id="r")

    report = project.fill("finews", first=date(2022, 3, 1), last=datetime.now(SHANGHAI).date())

    assert any("market-38" in message for message in report.warnings)
    found = project.rows("SELECT channel, closed_by FROM gaps ORDER BY ALL")
    assert found == [("market-38", report.run_id), ("market-39", None)]


def test_gap_outside_of_the_range_stays_open(project):
    project.sync("finews")
    now = datetime.now(UTC)
    with connect(project.settings.warehouse.path) as db, transaction(db):
        row = NewGap(
            source="finews", channel="market-38", from_at=now - BEFORE, to_at=now, detected_by="x"
        )
        gaps.open_gap(db, row, run_id="r")

    project.fill("finews", **window("2022-03-01", "2022-03-13"))

    assert project.rows("SELECT closed_by FROM gaps") == [(None,)]


def test_gap_that_a_backfill_would_hide_from_the_next_sync_is_noted(project):
    project.sync("finews")
    project.news_site.edition = 3

    project.fill("finews", **window("2022-03-01", "2022-03-31"))

    assert project.rows("SELECT channel FROM gaps") == [("market-38",)]


def test_fetch_that_hangs_ends_at_the_deadline_and_the_run_continues(project, faults):
    faults[f"/NewsData/GetNewsText.do?id={LISTED}"] = Fault(delay_seconds=600)
    project.environment["COPYDESK_FETCH__DEADLINE_SECONDS"] = "8"

    report = project.fill("finews", **window("2022-03-14", "2022-03-14"))

    assert report.totals()["failed"] == 1
    assert report.totals()["new"] > 0


def test_each_chunk_logs_what_it_brought_and_how_far_the_plan_is(project, caplog):
    project.faults["/newmarket/web/webapi?marketType=38"] = Fault(status=404)
    request = project.request("finews", **window("2022-03-11", "2022-03-13"))

    with caplog.at_level(logging.INFO), RunContext("backfill", project.settings, ["finews"]) as run:
        job = run_backfill(run, request, do_chunk=do_chunk.fn)

    lines = [line for line in caplog.messages if line.startswith("chunk ")]
    assert len(lines) == len(job.plan.chunks)
    (failed,) = [line for line in lines if "listing market-38" in line]
    assert "1 failed" in failed
    assert "left for the next backfill" in failed
    done, total = job.plan.progress()
    assert any(f"{done} of {total} articles done" in line for line in lines)


def test_chunk_holds_the_lock_of_its_source(project, monkeypatch):
    owners = []

    def run_chunk(job, _chunk):
        owners.append(locks.lock_owner(job.run.settings, "ofweek"))

    monkeypatch.setattr("flows.pipeline.backfill_steps.run_chunk", run_chunk)
    urls = ["https://www.ofweek.com/2021-05/ART-260009-8420-30500850.html"]
    request = project.request("ofweek", urls=urls)
    with RunContext("backfill", project.settings, ["ofweek"]) as run:
        job = BackfillContext(run, request)
        plan_chunks(job)
        chunk = job.plan.next_chunk()
        assert chunk is not None
        do_chunk.fn(job, chunk)

    assert [owner.flow for owner in owners if owner] == ["backfill"]
    assert locks.lock_owner(project.settings, "ofweek") is None
