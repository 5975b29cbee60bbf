"""A source with ``parser = "listing"``: which pages a sync reads."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.integration.jobs.test_sitemap_source import NOW, make, numbers, site
from tests.site import gazette
from tests.site.gazette import GazetteSite, Story

__all__ = ["make", "site"]

SELECTORS = "links = '.teaser h2 a'\nnext_page = 'a.older'\ndate = '.teaser time'"


def story(number: int) -> Story:
    """A story; a higher number is newer."""
    return Story(number=number, at=NOW - timedelta(days=400 - number))


def lay_out(site: GazetteSite, newest: int, *, pinned: int | None = None, size: int = 3) -> None:
    """Serve the stories from 1 to the newest as pages of a listing."""
    stories = [story(number) for number in range(newest, 0, -1)]
    site.put(stories)
    for start in range(0, newest, size):
        number = start // size + 1
        older = f"/news/{number + 1}" if start + size < newest else ""
        shown = stories[start : start + size]
        if pinned and number == 1:
            shown = [story(pinned), *shown]
        site.pages[f"/news/{number}"] = gazette.list_page(shown, older=older)


def pages_read(site: GazetteSite) -> list[str]:
    return [one for one in site.requests if one.startswith("/news/")]


@pytest.mark.parametrize(("options", "pages"), [("", 1), ("pages = 2", 2), ("pages = 99", 4)])
def test_first_sync_reads_the_first_pages_only(site, make, options, pages):
    lay_out(site, 12)
    project = make("/news/1", f"{SELECTORS}\n{options}", "listing")

    report = project.sync("gazette")

    assert report.state == "completed"
    assert pages_read(site) == [f"/news/{n}" for n in range(1, pages + 1)]
    assert set(numbers(project)) == set(range(12, 12 - 3 * pages, -1))


@pytest.mark.parametrize("pinned", [None, 12])
def test_later_sync_reads_until_a_known_entry(site, make, pinned):
    lay_out(site, 12)
    project = make("/news/1", SELECTORS, "listing")
    project.sync("gazette")
    lay_out(site, 20, pinned=pinned)
    site.requests.clear()

    report = project.sync("gazette")

    assert pages_read(site) == ["/news/1", "/news/2", "/news/3"]
    assert (report.totals()["new"], report.totals()["gaps"]) == (8, 0)


def test_known_entry_that_is_beyond_the_last_page_to_read_is_a_gap(site, make, monkeypatch):
    monkeypatch.setattr("flows.pipeline.listing_tree.MAX_NEXT_PAGES", 2)
    lay_out(site, 12)
    project = make("/news/1", SELECTORS, "listing")
    project.sync("gazette")
    lay_out(site, 30)

    assert project.sync("gazette").totals()["gaps"] == 1


def test_new_layout_of_the_listing_is_quarantined_with_its_selector(site, make):
    lay_out(site, 3)
    site.pages["/news/1"] = gazette.html("<main><p>We have a new site.</p></main>")
    project = make("/news/1", SELECTORS, "listing")

    report = project.sync("gazette")

    assert report.totals()["quarantined"] == 1
    ((expected,),) = project.rows("SELECT expected FROM quarantine")
    assert "links" in expected
    assert ".teaser h2 a" in expected
