"""Bad input: each kind of failure is stored and reported, and the next run repairs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import demo_run
from flows.cli.exit_codes import exit_code_of
from flows.errors import ConfigurationError
from flows.fetch import TransientFetchError
from tests.site import Fault
from warehouse import connect
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseFull

pytestmark = pytest.mark.e2e

HOLD = """
import sys
from warehouse import connect
with connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


BUSY = Fault(body=b"<html><body>busy</body></html>")
FAILURES = "SELECT reason, expected, found, channel FROM quarantine WHERE resolved_at IS NULL"


def test_listing_that_is_not_json_is_quarantined_and_the_other_channels_continue(project, faults):
    faults["/web/webapi?type=45"] = BUSY

    report = project.sync("finews")

    assert len([one for one in report.errors if "listing media" in one]) == 1
    assert (report.exit_code, report.totals()["new"] > 20) == (3, True)
    ((reason, _, found, channel),) = project.rows(f"{FAILURES} AND reason = 'bad_listing'")
    assert (reason, channel) == ("bad_listing", "media")
    assert "<html><body>busy" in found

    faults.clear()
    repaired = project.sync("finews")

    assert repaired.totals()["new"] > 0
    assert project.rows(f"{FAILURES} AND reason = 'bad_listing'") == []


def test_renamed_key_is_named_with_the_keys_found(project, faults):
    faults["/newmarket/web/webapi?marketType=38"] = Fault(rename=(b'"record"', b'"records"'))

    report = project.sync("finews")

    ((_, expected, found, _),) = project.rows(f"{FAILURES} AND channel = 'market-38'")
    assert "'record'" in expected
    assert "records" in found
    assert report.totals()["new"] > 20


def test_key_renamed_in_the_lines_quarantines_each_line_and_no_other_channel(project, faults):
    faults["/newmarket/web/webapi?marketType=38"] = Fault(rename=(b'"medianame"', b'"mediaName"'))

    report = project.sync("finews")

    lines = project.rows(f"{FAILURES} AND channel = 'market-38'")
    assert len(lines) >= 5
    assert all("medianame" in expected and "mediaName" in found for _, expected, found, _ in lines)
    assert report.totals()["new"] > 20


def test_each_source_and_channel_is_named_once_in_a_message(project, faults):
    faults |= {
        "/web/webapi?type=45": BUSY,
        "/newmarket/web/webapi?marketType=37": Fault(rename=(b'"infoCode"', b'"code"')),
        "/newmarket/web/webapi?marketType=38": Fault(rename=(b'"record"', b'"records"')),
        "/__api": Fault(rename=(b'"permalink"', b'"link"')),
        "/CATList": BUSY,
    }

    report = project.sync("finews", "woshipm_direct", "ofweek")

    for channel in ("listing media:", "7 lines of market-37", "market-38", "latest", "CATList"):
        (message,) = [one for one in report.errors if channel in one]
        assert message.count(channel) == 1
    for message in report.errors:
        assert message.count(message.split(": ")[0]) == 1


def test_dead_host_is_one_message(project):
    text = project.config.read_text(encoding="utf-8")
    dead = f"127.0.0.1:{demo_run.free_port(0)}"
    project.config.write_text(
        text.replace(f"127.0.0.1:{project.news_site.port}", dead), encoding="utf-8"
    )

    report = project.sync("finews")

    (listings,) = [one for one in report.errors if "listing" in one]
    channels = "emnews, media, market-37, market-38, market-39"
    assert listings.startswith(f"finews: 5 listings of {dead} ({channels}): ")
    assert report.totals()["failed"] == 6  # the share link, too


def test_channel_that_suddenly_lists_nothing_is_a_failure(project, faults):
    project.sync("finews")
    faults["/newmarket/web/webapi?marketType=38"] = Fault(body=b'{"record": []}')

    report = project.sync("finews")

    assert (report.totals()["failed"], report.exit_code) == (1, 3)
    assert any("market-38" in problem for problem in report.errors)


def test_channel_that_never_listed_anything_is_no_failure(project, faults):
    faults["/newmarket/web/webapi?marketType=38"] = Fault(body=b'{"record": []}')

    assert project.sync("finews").totals()["failed"] == 0
    assert project.sync("finews").totals()["failed"] == 0


def test_article_without_text_waits_in_quarantine_with_its_page(project, faults):
    article = "NW202203142308441556"
    faults[f"/NewsData/GetNewsText.do?id={article}"] = Fault(body=b'{"text": "", "content": ""}')

    project.sync("finews")

    sql = (
        "SELECT reason, expected, resolved_at IS NOT NULL FROM quarantine "
        f"WHERE article_id = 'finews:{article}'"
    )
    ((reason, expected, is_resolved),) = project.rows(sql)
    assert (reason, is_resolved) == ("incomplete_article", False)
    assert "'text'" in expected
    assert project.rows(f"SELECT 1 FROM articles WHERE source_article_id = '{article}'") == []

    faults.clear()
    project.sync("finews")

    assert project.rows(sql)[0][2] is True
    assert project.rows(f"SELECT 1 FROM articles WHERE source_article_id = '{article}'") == [(1,)]


@pytest.mark.parametrize(
    "body",
    [
        b"<html><head><title>Error</title></head><body>RSSHub error</body></html>",
        b"not a feed at all",
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><item><title>x',
        b"",
    ],
    ids=["error page", "plain text", "cut", "empty"],
)
def test_broken_feed_is_an_error_of_its_source_alone(project, faults, body):
    faults["/woshipm/latest"] = Fault(body=body)

    report = project.sync("woshipm", "ofweek_feed")

    counts = project.counts(report, "new", "quarantined", "failed")
    assert counts["woshipm"]["new"] == 0
    assert counts["woshipm"]["quarantined"] + counts["woshipm"]["failed"] == 1
    assert [one for one in report.errors if one.startswith("woshipm: listing feed: ")]
    assert counts["ofweek_feed"]["new"] > 0
    assert report.exit_code == 3

    faults.clear()
    assert project.sync("woshipm").totals()["new"] > 0


def test_unknown_source_is_refused_before_anything_runs(project):
    with pytest.raises(
        ConfigurationError, match="no source 'finew', did you mean 'finews'"
    ) as caught:
        project.sync("finew")

    assert exit_code_of(caught.value) == 2
    assert project.news_site.requests == ()
    with connect(project.settings.warehouse.path) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchall() == [(0,)]


def test_source_that_is_down_fails_alone(project, faults):
    for path in ("/woshipm", "/__api"):
        faults[path] = Fault(status=503)

    report = project.sync("woshipm", "ofweek")

    broken = {stats.source: stats.is_broken for stats in report.stats}
    assert broken == {"woshipm": True, "ofweek": False}
    assert report.exit_code == 3
    assert any("503" in problem for problem in report.errors)
    states = dict(project.rows("SELECT source, state FROM runs"))
    assert states == {"woshipm": "failed", "ofweek": "completed"}


def test_every_source_down_is_a_failed_run(project, faults):
    faults["/"] = Fault(status=503)

    report = project.sync("woshipm")

    assert (report.state, report.exit_code) == ("failed", 1)


def test_page_that_never_comes_is_counted_and_fetched_by_the_next_run(project, faults):
    faults["/NewsData/GetNewsText.do?id=NW202203142308441556"] = Fault(status=503)

    report = project.sync("finews")

    assert report.totals()["failed"] == 1
    assert any("NW202203142308441556" in problem for problem in report.errors)
    error = project.rows("SELECT error FROM fetches WHERE error IS NOT NULL")
    assert "503" in error[0][0]

    faults.clear()
    assert project.sync("finews").totals()["new"] == 1


def test_missing_following_page_keeps_no_half_article(project, faults):
    faults["/2021-05/ART-260009-8420-30500850_2"] = Fault(status=404)

    report = project.sync("ofweek")

    assert report.totals()["failed"] == 1
    assert any("30500850" in problem for problem in report.errors)
    assert project.rows("SELECT 1 FROM articles WHERE source_article_id = '30500850'") == []

    faults.clear()
    with connect(project.settings.warehouse.path) as db:  # six minutes later
        db.execute("UPDATE _store.gone SET last_checked_at = last_checked_at - INTERVAL 6 MINUTE")
    project.sync("ofweek")
    assert project.rows("SELECT 1 FROM articles WHERE source_article_id = '30500850'") == [(1,)]


def test_warehouse_that_another_process_holds_names_it_and_loses_nothing(project):
    project.sync("ofweek")
    before = project.rows("SELECT count(*) FROM articles")
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project.settings.warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert held.stdout.readline() == "held\n"
        text = project.config.read_text(encoding="utf-8")
        quick = text.replace("[warehouse]", "[warehouse]\nlock_timeout_seconds = 0.3")
        project.config.write_text(quick, encoding="utf-8")

        with pytest.raises(WarehouseBusy, match=f"process {held.pid}|PID {held.pid}") as caught:
            project.sync("finews")

        assert str(project.settings.warehouse.path) in str(caught.value)
        assert exit_code_of(caught.value) == 1
        assert any(str(held.pid) in message for message in project.messages)
        assert project.rows("SELECT count(*) FROM articles") == before
    finally:
        held.communicate()
    assert project.sync("finews").totals()["new"] > 0


def test_reader_is_never_locked_out_while_the_warehouse_is_held(project):
    report = project.sync("ofweek")
    # On a busy machine fetches may take longer than this project waits: that would be another story.
    assert report.totals()["new"] > 0, report.errors

    with connect(project.settings.warehouse.path):
        assert project.rows("SELECT count(*) > 0 FROM articles") == [(True,)]


def test_full_disk_ends_the_run_with_whole_batches_and_the_next_run_continues(tmp_path):
    """A size limit on files replaces the full disk: the system call fails in the same way."""
    script = Path(__file__).with_name("full_disk.py")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}

    full = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert full.returncode == 0, full.stderr
    kind, message, before, after_failure, after_space = full.stdout.strip().split("|")
    assert kind == WarehouseFull.__name__
    assert "no space left" in message
    assert "earlier batches" in message
    assert int(before) == int(after_failure) > 0
    assert int(after_space) > int(after_failure)


def test_full_disk_is_an_expected_error():
    assert issubclass(WarehouseFull, WarehouseError)
    assert exit_code_of(WarehouseFull("x")) == 1
    assert exit_code_of(TransientFetchError("x")) == 1
    assert exit_code_of(ZeroDivisionError()) is None
