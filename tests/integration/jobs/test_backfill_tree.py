"""Backfill by date through sitemaps and paged listings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.integration.jobs.test_listing_source import SELECTORS
from tests.integration.jobs.test_sitemap_source import make, numbers, site
from tests.site import gazette
from tests.site.gazette import GazetteSite, Story
from warehouse import connect, transaction
from warehouse.records import gaps
from warehouse.rows import NewGap

__all__ = ["make", "site"]

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MARCH: dict[str, Any] = {"first": date(2024, 3, 10), "last": date(2024, 3, 12)}


def story(day: int) -> Story:
    """The story of a day of March 2024 (1), April (32) and so on."""
    return Story(number=day, at=NOON + (day - 1) * DAY)


def lay_out_index(site: GazetteSite) -> None:
    months = {"2024-02": [], "2024-03": range(1, 32), "2024-04": range(32, 62)}
    site.put(story(day) for days in months.values() for day in days)
    site.pages |= {
        f"/{name}.xml": gazette.sitemap(map(story, days)) for name, days in months.items()
    }
    site.pages["/early.xml"] = gazette.sitemap([])
    files: dict[str, datetime | None] = {f"/{name}.xml": None for name in months}
    site.pages["/index.xml"] = gazette.index(files | {"/early.xml": NOON - 60 * DAY})


def lay_out_list(site: GazetteSite, *, dated: bool = True) -> None:
    """Days 31 to 1 of March, five a page, newest first; undated articles have short paths."""
    stories = [story(day) for day in range(31, 0, -1)]
    for start in range(0, 31, 5):
        page, shown = start // 5 + 1, stories[start : start + 5]
        older = f"/news/{page + 1}" if start + 5 < 31 else ""
        listed = gazette.list_page(shown, older=older)
        if not dated:
            body = listed.body
            for one in shown:
                body = body.replace(one.path.encode(), f"/p/{one.number}".encode())
                site.pages[f"/p/{one.number}"] = one.page()
            listed = gazette.Page(body=body)
        site.pages[f"/news/{page}"] = listed
    site.put(stories)


def read_lists(site: GazetteSite) -> list[str]:
    return [one for one in site.requests if one.startswith("/news/") or one.endswith(".xml")]


def test_sitemaps_that_cannot_have_the_days_are_not_read(site, make):
    lay_out_index(site)
    project = make("/index.xml")

    report = project.fill("gazette", **MARCH)

    assert report.state == "completed"
    assert numbers(project) == [10, 11, 12]
    assert read_lists(site) == ["/index.xml", "/2024-03.xml"]
    assert report.totals()["discovered"] == report.totals()["new"] == 3


def test_second_backfill_has_nothing_to_do_and_a_gap_of_these_days_is_closed(site, make):
    lay_out_index(site)
    project = make("/index.xml")
    project.sync("gazette")
    gap = NewGap(
        source="gazette",
        channel="sitemap",
        from_at=NOON + 9 * DAY,
        to_at=NOON + 10 * DAY,
        detected_by="a test",
    )
    with connect(project.settings.warehouse.path) as db, transaction(db):
        gaps.open_gap(db, gap, run_id="test")

    project.fill("gazette", **MARCH)
    site.requests.clear()
    second = project.fill("gazette", **MARCH)

    assert site.requests == []
    assert any("--restart" in one for one in second.warnings)
    assert project.rows("SELECT count(*) FROM gaps WHERE closed_at IS NOT NULL") == [(1,)]


def test_stopped_backfill_continues_with_what_is_left(site, make, small):
    lay_out_index(site)
    project = make("/index.xml")
    project.backfill("gazette", max_chunks=1, **MARCH)
    site.requests.clear()

    report = project.fill("gazette", **MARCH)

    assert report.state == "completed"
    assert numbers(project) == [10, 11, 12]
    assert "/index.xml" not in site.requests


def test_paged_list_is_read_until_its_dates_are_before_the_range(site, make):
    lay_out_list(site)
    project = make("/news/1", SELECTORS, "listing")

    report = project.fill("gazette", **MARCH)

    assert report.state == "completed"
    assert numbers(project) == [10, 11, 12]
    assert read_lists(site) == [f"/news/{page}" for page in range(1, 6)]


def test_list_without_dates_is_read_until_its_articles_are_before_the_range(site, make):
    lay_out_list(site, dated=False)
    project = make("/news/1", "links = 'h2 a'\nnext_page = '.older'", "listing")

    project.fill("gazette", first=date(2024, 3, 20), last=date(2024, 3, 22))

    assert set(numbers(project)) >= {20, 21, 22}
    # The articles of page 3 (21 to 17) reach before the range, all of those of page 4 are.
    assert read_lists(site) == [f"/news/{page}" for page in range(1, 5)]


@pytest.mark.parametrize("dated", [True, False])
def test_dry_run_names_the_articles_and_stores_nothing(site, make, dated):
    lay_out_list(site, dated=dated)
    options = SELECTORS if dated else "links = 'h2 a'\nnext_page = '.older'"
    project = make("/news/1", options, "listing")

    report = project.fill("gazette", dry_run=True, **MARCH)

    would = [one for one in report.warnings if "would fetch" in one]
    assert len(would) == (3 if dated else 5)
    assert not project.settings.warehouse.path.exists()


def test_list_that_ends_within_the_range_is_reported_with_a_remedy(site, make):
    lay_out_list(site)
    project = make("/news/1", SELECTORS, "listing")

    report = project.fill("gazette", first=date(2024, 2, 1), last=date(2024, 3, 2))

    assert report.exit_code == 3
    assert any("2024-03-01" in one and "--urls" in one for one in report.errors)
    assert numbers(project) == [1, 2]


def test_archive_brings_back_the_articles_of_every_sitemap(site, make):
    lay_out_index(site)
    project = make("/index.xml")
    project.fill("gazette", **MARCH)
    project.start_new_warehouse()
    site.requests.clear()

    report = project.fill("gazette", archive=project.settings.archive.path)

    assert report.totals()["new"] == 3
    assert site.requests == []


def test_sitemap_that_cannot_be_read_is_tried_again(site, make):
    lay_out_index(site)
    good = site.pages["/2024-03.xml"]
    site.pages["/2024-03.xml"] = gazette.html("<h1>Maintenance</h1>")
    project = make("/index.xml")

    first = project.fill("gazette", **MARCH)
    site.pages["/2024-03.xml"] = good
    second = project.fill("gazette", **MARCH)

    assert (first.totals()["quarantined"], first.totals()["new"]) == (1, 0)
    assert (second.state, second.totals()["new"]) == ("completed", 3)
