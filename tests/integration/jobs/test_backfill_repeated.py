"""Repeated backfills: errors are reported again, and newer pages are not lost."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flows.archive import index
from flows.fetch import FetchFailure
from flows.fetch.errors import DisallowedByRobots, PolicyRefusal, TimedOut
from flows.pipeline import backfill_archive, backfill_listings, backfill_steps, steps
from flows.pipeline import load as load_steps
from flows.pipeline.backfill_context import BackfillContext, entries_of
from flows.pipeline.checkpoint import CLOSE_GAPS, FETCH_ENTRIES, LIST_PAGES
from flows.pipeline.date_range import InvalidBackfillRequest, parse_request
from flows.pipeline.run import RunContext
from tests.e2e.backfill_helpers import window
from warehouse import connect, transaction
from warehouse.care.erasure import erase

SHARE = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode="


# --- addresses ---------------------------------------------------------------------------

LINKS = (
    f"{SHARE}NW202203082300310099",
    "http://choicewzp1.eastmoney.com/html_News/NewsShare.html?infoCode=NW202203082300310099",
    f"{SHARE}NW209901010000000000",
    "https://elsewhere.example/news.html",
    "no address",
)


def test_wrong_addresses_are_reported_at_every_call(project):
    first, _ = project.backfill("finews", urls=LINKS)
    second, job = project.backfill("finews", urls=LINKS)

    assert job.was_done
    assert (first.exit_code, second.exit_code) == (3, 3)
    for report in (first, second):
        reported = "\n".join(report.errors)
        assert "elsewhere.example" in reported
        assert "no address" in reported
        assert any("1 of the URLs name articles" in one for one in report.warnings)
    assert first.totals()["discovered"] == first.totals()["new"] + first.totals()["failed"] == 4


def test_address_whose_page_is_gone_is_named_when_asked_again(project):
    first, _ = project.backfill("finews", urls=LINKS)
    second, _ = project.backfill("finews", urls=LINKS)

    assert any("209901010000000000" in message for message in first.errors)
    (reported,) = [message for message in second.warnings if "gave no page" in message]
    assert "209901010000000000" in reported
    assert "1 of the URLs" in reported


def test_wrong_address_is_reported_by_the_run_that_continues_after_a_kill(project, monkeypatch):
    monkeypatch.setattr(BackfillContext, "entries_per_chunk", 1)
    project.backfill("finews", urls=LINKS, max_chunks=1)

    report, job = project.backfill("finews", urls=LINKS)

    assert not job.was_done
    assert any("elsewhere.example" in message for message in report.errors)


def test_stopped_backfill_keeps_whole_chunks_and_the_next_one_continues(project, small):
    days = window("2022-03-11", "2022-03-31")
    stopped, job = project.backfill("finews", max_chunks=7, **days)

    assert (stopped.state, stopped.exit_code) == ("interrupted", 130)
    open_count = job.plan.open_count
    assert open_count > 0
    assert any(f"{open_count} of" in warning for warning in stopped.warnings)

    rest, job = project.backfill("finews", **days)

    assert rest.totals()["new"] > 0
    assert job.plan.is_done


# --- an archive --------------------------------------------------------------------------


def test_damaged_archive_file_needs_attention_at_every_call(project):
    project.sync("woshipm")
    (file,) = project.settings.archive.path.glob("*.warc.gz")
    (file.parent / "broken.warc.gz").write_bytes(b"this is no archive")

    reports = [project.backfill("woshipm", archive=file.parent)[0] for _ in range(2)]

    for report in reports:
        assert report.exit_code == 3
        assert report.totals()["failed"] == 1
        assert "broken.warc.gz" in report.errors[0]
    assert reports[0].totals()["discovered"] - 1 == reports[0].totals()["fetched"] > 1


def record(*fields, body=b"<p>x</p>"):
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = ["WARC/1.0", "WARC-Type: response", "Content-Type: application/http; msgtype=response"]
    lines = [*head, *fields, f"Content-Length: {len(answer)}"]
    return gzip.compress("\r\n".join(lines).encode() + b"\r\n\r\n" + answer + b"\r\n\r\n")


@pytest.fixture
def foreign(tmp_path):
    """A folder with a WARC file that others wrote."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    url = "WARC-Target-URI: https://www.ofweek.com/1"
    (folder / "a.warc.gz").write_bytes(
        record(url)
        + record("WARC-Date: 2022-03-14T12:00:00Z")
        + record("WARC-Date: yesterday", url)
        + record("WARC-Date: 2022-03-14T12:00:00", url)
        + record("WARC-Date: 2022-03-14T13:00:00Z", url)
    )
    return folder


def test_records_that_others_wrote_are_read_and_what_they_lack_is_reported(project, foreign):
    found = index.build_index(foreign, project.settings.source("ofweek"))

    places = found.by_key["https://www.ofweek.com/1"]
    assert [one.at for one in places] == [
        datetime(2022, 3, 14, hour, tzinfo=UTC) for hour in (12, 13)
    ]
    assert ["WARC-Date" in one or "WARC-Target-URI" in one for one in found.damaged] == [True] * 3
    assert "yesterday" in found.damaged[2]


def test_page_dated_without_a_zone_is_stored_under_utc(project, tmp_path):
    project.sync("woshipm")
    project_file = next(iter(project.settings.archive.path.glob("*.warc.gz")))
    ((at,),) = project.rows("SELECT max(fetched_at) FROM fetches WHERE status = 200")
    folder = tmp_path / "foreign"
    folder.mkdir()
    stamp = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    plain = gzip.decompress(project_file.read_bytes())
    members = [gzip.compress(one) for one in _members(plain, stamp)]
    (folder / "a.warc.gz").write_bytes(b"".join(members))

    report, _ = project.backfill("woshipm", archive=folder)

    assert report.totals()["fetched"] > 1
    assert report.totals()["failed"] == 0


def _members(plain, stamp):
    """The records of a file, their dates without a zone."""
    for part in plain.split(b"WARC/1.1\r\n")[1:]:
        head, end, rest = part.partition(b"\r\n\r\n")
        lines = [
            line[:-1] if line.startswith(b"WARC-Date: ") and line.endswith(b"Z") else line
            for line in head.split(b"\r\n")
        ]
        yield b"WARC/1.1\r\n" + b"\r\n".join(lines) + end + rest


def test_damaged_record_is_tried_again_when_its_file_came_back(project, tmp_path):
    project.sync("woshipm")
    folder = tmp_path / "copy"
    folder.mkdir()
    (file,) = project.settings.archive.path.glob("*.warc.gz")
    copy = folder / file.name
    copy.write_bytes(file.read_bytes())
    project.start_new_warehouse()

    def damaged(*_args):
        raise backfill_archive.ArchiveError("the record is damaged")

    first = _with(
        backfill_archive,
        "pages_at",
        damaged,
        lambda: project.backfill("woshipm", archive=folder)[0],
    )
    assert first.totals()["failed"] == 1

    second, _ = project.backfill("woshipm", archive=folder)

    assert second.totals()["new"] > 1


def _with(module, name, value, call):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, value)
        return call()


# --- a window ----------------------------------------------------------------------------


def test_range_whose_listing_was_read_before_its_end_is_not_done(project):
    """Walked on the last day of the window, the rest done a day later."""
    asked = window("2022-03-11", "2022-03-13")
    _, job = project.backfill("finews", **asked)
    assert project.backfill("finews", **asked)[1].was_done
    before = (job.request.date_range.end - timedelta(hours=5)).isoformat()

    with connect(project.settings.warehouse.path) as db, transaction(db):
        for n, spec in db.execute(
            "SELECT number, spec FROM _store.backfill_chunks WHERE kind = ?", [CLOSE_GAPS]
        ).fetchall():
            facts = json.dumps(json.loads(spec) | {"since": before})
            db.execute("UPDATE _store.backfill_chunks SET spec = ? WHERE number = ?", [facts, n])
    project.news_site.clear_requests()

    report, again = project.backfill("finews", **asked)

    assert not again.was_done
    assert any("webapi" in one.target for one in project.news_site.requests)
    assert report.totals()["discovered"] > 0


def test_run_that_ends_long_after_its_listing_was_read_reports_the_gap(project, monkeypatch):
    listed = backfill_listings.list_pages

    def earlier(job, chunk):
        spec = json.loads(chunk.spec)
        spec["since"] = (job.request.date_range.end - timedelta(hours=5)).isoformat()
        listed(job, replace(chunk, spec=json.dumps(spec)))

    changed = {**backfill_steps._STEPS, LIST_PAGES: earlier}
    monkeypatch.setattr(backfill_steps, "_STEPS", changed)

    report, _ = project.backfill("finews", **window("2022-03-11", "2022-03-13"))

    assert any("before the range was over" in message for message in report.warnings)


def test_counted_gaps_are_those_in_the_table_of_gaps(project):
    report, _ = project.backfill("finews", **window("2022-01-01", "2022-02-10"))

    assert report.exit_code == 3
    assert any("2022-02-08 09:30" in message for message in report.errors)
    assert report.totals()["gaps"] == 0
    assert project.rows("SELECT count(*) FROM gaps") == [(0,)]


def test_gap_that_a_backfill_finds_is_counted(project):
    project.sync("finews")
    project.news_site.edition = 3

    report, _ = project.backfill("finews", **window("2022-03-01", "2022-03-31"))

    assert project.rows("SELECT count(*) FROM gaps") == [(report.totals()["gaps"],)] == [(1,)]


def test_dry_run_leaves_no_file(project):
    project.settings.warehouse.path.unlink()
    report, _ = project.backfill("finews", dry_run=True, **window("2022-03-11", "2022-03-13"))

    assert report.totals()["discovered"] > 0
    assert not project.settings.archive.path.exists()
    assert not project.settings.warehouse.path.exists()


@pytest.mark.parametrize(("first", "last"), [("0001-01-01", "0001-01-03"), ("1969-12-31",) * 2])
def test_range_before_all_news_is_refused_with_a_message(project, first, last):
    with pytest.raises(InvalidBackfillRequest, match="expected a range from 1970-01-01 on, found"):
        parse_request(project.settings, "finews", **window(first, last))


# --- pages that do not come --------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "is_done"),
    [
        (DisallowedByRobots("robots.txt does not allow it"), True),
        (PolicyRefusal("it is loopback", rule="loopback"), True),
        (TimedOut("no answer"), False),
    ],
)
def test_page_that_is_refused_for_good_does_not_keep_a_plan_open(
    project, monkeypatch, error, is_done
):
    def refuse(_run, requests):
        at = datetime.now(UTC)
        return iter(
            [
                FetchFailure(request=one, url=one.url, error=error, fetched_at=at, seconds=0.0)
                for one in requests
            ]
        )

    monkeypatch.setattr(RunContext, "fetch_all", refuse)

    report, job = project.backfill("finews", urls=LINKS[:1])

    assert report.totals()["failed"] == 1
    assert job.plan.is_done == is_done


def test_suppressed_article_does_not_keep_a_plan_open(project):
    with connect(project.settings.warehouse.path) as db, transaction(db):
        erase(db, ["finews:NW202203082300310099"], reason="asked to")

    report, job = project.backfill("finews", urls=LINKS[:1])

    assert report.totals()["fetched"] == 0
    assert job.plan.is_done


def test_piece_that_takes_long_is_cut_and_the_rest_is_another_piece(project, monkeypatch):
    """A site that wants half a minute between two requests."""
    now = [0.0]
    fetch = steps.fetch

    def slow(run, source, batch):
        now[0] += 30.0 * len(batch.targets)
        return fetch(run, source, batch)

    monkeypatch.setattr(steps, "fetch", slow)
    monkeypatch.setattr(BackfillContext, "clock", staticmethod(lambda: now[0]))

    report, job = project.backfill("finews", **window("2022-03-01", "2022-03-31"))

    chunks = [one for one in job.plan.chunks if one.kind == FETCH_ENTRIES]
    assert max(one.entry_count for one in chunks) <= BackfillContext.chunk_seconds / 30
    assert job.plan.is_done
    ids = {e.source_article_id for one in chunks for e in entries_of(one)}
    held = {one for (one,) in project.rows("SELECT source_article_id FROM articles")}
    assert held <= ids
    assert sum(one.entry_count for one in chunks) == len(ids)
    assert report.totals()["new"] > 20


# --- runs that end by an error -----------------------------------------------------------


class Broken(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "state"), [(Broken("the disk sang"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_run_that_ends_by_an_error_is_failed_in_the_table_of_runs(project, error, state):
    run = RunContext("backfill", project.settings, ["finews"])

    with pytest.raises(type(error)), run:
        raise error

    assert [one[0] for one in project.rows("SELECT state FROM runs")] == [state]
    ((reported,),) = project.rows("SELECT array_to_string(messages, chr(10)) FROM runs")
    assert type(error).__name__ in reported
    project.sync("woshipm")
    assert "crashed" not in {one for (one,) in project.rows("SELECT state FROM runs")}


def test_chunk_that_was_not_stored_is_not_done_although_its_run_recorded_its_end(
    project, monkeypatch
):
    def load(*_args, **_options):
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(load_steps, "load", load)
        with pytest.raises(Broken):
            project.backfill("finews", urls=LINKS[:1])
    assert project.rows("SELECT state FROM runs") == [("failed",)]

    report, _ = project.backfill("finews", urls=LINKS[:1])

    assert report.totals()["new"] == 1


# --- listings under another address ------------------------------------------------------


def test_pages_of_a_feed_are_read_again_after_its_address_changed(project):
    project.sync("woshipm")
    before = project.reparse("woshipm")
    config = project.config.read_text(encoding="utf-8")
    assert "/woshipm/latest" in config
    project.config.write_text(
        config.replace("/woshipm/latest", "/woshipm/latest?mode=fulltext"), encoding="utf-8"
    )

    after = project.reparse("woshipm")

    assert after.totals()["discovered"] == before.totals()["discovered"] > 1


def test_pages_of_a_channel_that_is_gone_are_counted_and_reported(project):
    project.sync("finews")
    config = project.config.read_text(encoding="utf-8")
    assert '"market-39"' in config
    gone = config.replace(', "market-39"', "")
    assert gone != config
    project.config.write_text(gone, encoding="utf-8")

    report = project.reparse("finews")

    assert any(
        "archived pages of the channel 'market-39'" in message for message in report.warnings
    )
