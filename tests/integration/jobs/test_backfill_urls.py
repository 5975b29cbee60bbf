"""Backfill of addresses and of an archive."""

from __future__ import annotations

import shutil

from flows.pipeline.backfill_context import BackfillContext
from tests import site
from tests.e2e.backfill_helpers import LISTED
from tests.site import Fault

# --- addresses ---------------------------------------------------------------------------


def test_share_links_of_every_host_lead_to_their_articles(project):
    number = "202203082300310099"
    links = [
        f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW{number}",
        "http://choicewzp1.eastmoney.com/html_News/NewsShare.html?infoCode=NW202203082300310099",
        f"https://finance.eastmoney.com/a/{number}.html",
        f"http://stock.eastmoney.com/news/1344,{number}.html",
        f"https://wap.eastmoney.com/a/{number}.html",
        "https://elsewhere.example/news.html",
        "# a comment",
    ]

    report = project.fill("finews", urls=links)

    ids = [one for (one,) in project.rows("SELECT source_article_id FROM articles ORDER BY ALL")]
    assert ids == [number, f"NW{number}"]
    (problem,) = report.errors
    assert "elsewhere.example" in problem
    assert report.exit_code == 3


def test_address_of_an_article_known_from_its_listing_replaces_nothing(project):
    project.sync("finews")
    share = f"http://finews.zning.xyz/html_News/NewsShare.html?infoCode={LISTED}"
    project.news_site.clear_requests()

    report = project.fill("finews", urls=[share])

    assert project.news_site.requests == ()
    assert report.totals()["unchanged"] == 1
    assert project.rows(
        f"SELECT published_precision, revision_count FROM articles WHERE source_article_id = '{LISTED}'"
    ) == [("second", 1)]


def test_page_that_did_not_come_is_tried_again_and_the_others_are_not(project, faults, small):
    oracle = site.oracle(1).of("ofweek", "direct")
    rows = project.sync("ofweek").totals()["new"]
    assert rows == len(oracle)
    urls = [url for (url,) in project.rows("SELECT url FROM articles ORDER BY url")]
    shutil.rmtree(project.settings.warehouse.path.parent / "locks", ignore_errors=True)
    project.start_new_warehouse()
    missing = urls[5].rpartition("/")[2]
    faults[f"/{urls[5].split('/', 3)[3]}"] = Fault(status=503)

    first = project.fill("ofweek", urls=urls)
    faults.clear()
    project.news_site.clear_requests()
    second = project.fill("ofweek", urls=urls)

    assert first.totals()["failed"] == 1
    assert any("chunks are left" in message for message in first.warnings)
    assert second.totals()["new"] == 1
    asked = {one.target for one in project.news_site.requests if "ART-" in one.target}
    articles = {target for target in asked if "_" not in target}
    assert len(articles) == BackfillContext.entries_per_chunk
    assert any(missing in target for target in articles)


# --- an archive --------------------------------------------------------------------------


def test_archive_rebuilds_a_lost_warehouse_without_network(project):
    project.sync("finews", "ofweek", "woshipm")
    sql = "SELECT * EXCLUDE (first_seen_at, last_seen_at) FROM articles ORDER BY article_id"
    before = project.rows(sql)
    project.start_new_warehouse()
    project.news_site.clear_requests()

    reports = [
        project.fill(source, archive=project.settings.archive.path)
        for source in ("finews", "ofweek", "woshipm")
    ]

    assert project.news_site.requests == ()
    assert [report.totals()["failed"] for report in reports] == [0, 0, 0]
    assert project.rows(sql) == before
    pages = project.rows(
        "SELECT count(*), count(DISTINCT (archive_file, archive_offset)) FROM fetches"
    )
    assert pages[0][0] == pages[0][1] > 50

    again_ = project.fill("finews", archive=project.settings.archive.path)
    assert again_.totals()["discovered"] == 0
