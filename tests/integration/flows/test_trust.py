"""The parts of a server's response that a run uses: validators, Retry-After, whole pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from flows.pipeline import run
from tests.site import Fault
from warehouse import connect

pytestmark = pytest.mark.e2e

ARTICLE = "NW202203142308441556"
TEXT = f"/NewsData/GetNewsText.do?id={ARTICLE}"
TITLE = f"SELECT title, revision_count FROM articles WHERE article_id = 'finews:{ARTICLE}'"


@pytest.fixture
def short_timeouts(project):
    """A project that sends no validators."""
    text = project.config.read_text(encoding="utf-8")
    project.config.write_text(
        text.replace("[fetch]", "[fetch]\nrevalidate_after_days = 0"), encoding="utf-8"
    )
    return project


def asked_conditionally(project):
    return [one for one in project.news_site.requests if one.target == TEXT and one.is_conditional]


def test_validators_are_sent_while_they_are_trusted(project):
    project.sync("finews")
    project.age(hours=2)
    project.sync("finews")

    assert len(asked_conditionally(project)) == 1


def test_page_is_fetched_whole_once_its_validators_are_too_old(short_timeouts):
    short_timeouts.sync("finews")
    short_timeouts.age(hours=2)
    short_timeouts.sync("finews")

    assert asked_conditionally(short_timeouts) == []


def test_page_that_changed_under_its_validators_is_stored_without_them(short_timeouts, faults):
    short_timeouts.sync("finews")
    faults[TEXT] = Fault(rename=("双碳".encode(), "三碳".encode()), has_validators=True)
    short_timeouts.age(hours=2)

    report = short_timeouts.sync("finews")

    assert report.totals()["updated"] == 1
    assert short_timeouts.rows(TITLE)[0][1] == 2
    assert any("validators" in note for note in report.warnings)
    reported = short_timeouts.rows(
        "SELECT url, etag FROM fetches WHERE error LIKE '%validators stayed%'"
    )
    assert [(TEXT in url, etag) for url, etag in reported] == [(True, None)]


def test_retry_after_of_a_host_binds_the_next_run(project, faults):
    faults["/woshipm"] = Fault(status=503, retry_after="3600")
    first = project.sync("woshipm")
    asked = len(project.news_site.requests)
    assert first.totals()["failed"] == 1
    ((until,),) = project.rows("SELECT max(retry_after_at) FROM fetches")
    assert until > datetime.now(UTC) + timedelta(minutes=50)

    faults.clear()
    second = project.sync("woshipm")

    assert second.totals()["failed"] == 1
    assert len(project.news_site.requests) == asked
    assert "wait" in " ".join(second.errors)


def test_host_is_asked_again_after_its_retry_after(project, faults, monkeypatch):
    faults["/woshipm"] = Fault(status=503, retry_after="3600")
    project.sync("woshipm")
    with connect(project.settings.warehouse.path) as db:
        later = datetime.now(UTC) + timedelta(hours=2)
        assert run.fetches.pauses(db, later) == {}
        db.execute("UPDATE _store.fetches SET retry_after_at = retry_after_at - INTERVAL 2 HOUR")

    faults.clear()

    assert project.sync("woshipm").totals()["new"] > 0


def test_article_page_that_was_cut_is_fetched_again_and_never_kept(project, faults):
    link = "/2021-05/ART-260009-8420-30500850.html"
    faults[link] = Fault(rename=(b"</html>", b""))

    report = project.sync("ofweek")

    assert report.totals()["failed"] == 1
    assert any("</html>" in problem for problem in report.errors)
    assert project.rows("SELECT 1 FROM articles WHERE source_article_id = '30500850'") == []
    ((tries,),) = project.rows(
        "SELECT attempt_results FROM fetches WHERE url LIKE '%30500850.html'"
    )
    assert len(tries) > 1
    assert set(tries) == {"failed_content_check 200"}

    faults.clear()
    project.sync("ofweek")
    assert project.rows("SELECT 1 FROM articles WHERE source_article_id = '30500850'") == [(1,)]


def test_every_fetch_is_recorded_with_where_its_page_lies(project):
    project.sync("finews")

    rows = project.rows(
        "SELECT url, status, attempt_results, archive_file, archive_offset >= 0 AND seconds > 0,"
        " length(body_sha256) FROM fetches"
    )
    assert len(rows) > 40
    assert {(status, tuple(tries), whole, size) for _, status, tries, _, whole, size in rows} == {
        (200, ("ok 200",), True, 64)
    }
    assert all(re.fullmatch(r".+\.warc\.gz", file) for _, _, _, file, _, _ in rows)
