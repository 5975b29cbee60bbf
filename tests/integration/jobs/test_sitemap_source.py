"""A source with ``parser = "sitemap"``: what a sync reads, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project
from tests.site import gazette
from tests.site.gazette import GazetteSite, Story

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stories(*ages: timedelta) -> list[Story]:
    """Stories of these ages, each with a number of its own."""
    return [Story(number=100 + n, at=NOW - age) for n, age in enumerate(ages)]


@pytest.fixture
def site() -> Iterator[GazetteSite]:
    with GazetteSite() as running:
        yield running


@pytest.fixture
def make(tmp_path: Path, site: GazetteSite) -> Callable[..., Project]:
    def project(url: str, options: str = "", parser: str = "sitemap") -> Project:
        text = (
            f'[fetch]\nallow_private_hosts = ["{site.host}"]\ndeadline_seconds = 3\n'
            f'[sources.gazette]\nparser = "{parser}"\nurl = "{site.url}{url}"\n{options}\n'
        )
        (tmp_path / "copydesk.toml").write_text(text, encoding="utf-8")
        site_of_project: Any = site
        return Project(tmp_path, site_of_project, {})

    return project


def numbers(project: Project) -> list[int]:
    rows = project.rows("SELECT title FROM articles ORDER BY title")
    return [int(title.split()[2].rstrip(":")) for (title,) in rows]


def test_index_with_gzip_and_news_sitemap_brings_its_recent_articles(site, make):
    new, old = stories(HOUR, 2 * HOUR, DAY), stories(*[40 * DAY] * 3)
    site.put(new)
    site.pages |= {
        "/robots.txt": gazette.Page(body=f"Sitemap: {gazette.BASE}/index.xml\n".encode()),
        "/index.xml": gazette.index(
            {"/old.xml": NOW - 30 * DAY, "/posts.xml.gz": NOW, "/news.xml": None}
        ),
        "/posts.xml.gz": gazette.zipped(gazette.sitemap([*new, *old])),
        "/news.xml": gazette.news_sitemap(new[:2]),
        "/old.xml": gazette.sitemap(old),
    }
    project = make("/robots.txt", "time_zone = 'UTC'")

    report = project.sync("gazette")

    assert report.state == "completed"
    assert numbers(project) == [100, 101, 102]
    assert "/old.xml" not in site.requests
    assert [site.requests.count(one.path) for one in new] == [1, 1, 1]
    assert report.totals()["discovered"] == report.totals()["new"] == 3


def test_second_sync_brings_only_what_is_new_or_has_changed(site, make):
    first, later = stories(2 * HOUR, 3 * HOUR), Story(number=200, at=NOW - HOUR)
    site.put(first)
    site.pages["/sitemap.xml"] = gazette.sitemap(first)
    project = make("/sitemap.xml")
    project.sync("gazette")

    site.put(
        [later, Story(number=100, at=first[0].at, note="The harbour office corrects a figure.")]
    )
    changed = {100: (NOW + HOUR).isoformat()}
    site.pages["/sitemap.xml"] = gazette.sitemap([later, *first], changed=changed)
    report = project.sync("gazette")

    assert (report.totals()["new"], report.totals()["updated"]) == (1, 1)
    assert report.totals()["gaps"] == 0
    assert numbers(project) == [100, 101, 200]


def test_article_that_moves_from_the_news_sitemap_to_another_is_not_changed(site, make):
    made = stories(2 * HOUR, 3 * HOUR)
    site.put(made)
    site.pages |= {
        "/index.xml": gazette.index({"/news.xml": None, "/posts.xml": None}),
        "/news.xml": gazette.news_sitemap(made),
        "/posts.xml": gazette.sitemap([]),
    }
    project = make("/index.xml")
    project.sync("gazette")
    site.pages |= {"/news.xml": gazette.news_sitemap([]), "/posts.xml": gazette.sitemap(made)}

    report = project.sync("gazette")

    assert report.totals()["new"] == report.totals()["updated"] == 0
    assert report.state == "completed"
    # What is asked for again is asked conditionally.
    assert {one for one in site.requests if site.requests.count(one) > 1} - {
        "/robots.txt", "/index.xml", "/news.xml", "/posts.xml",
    } == set(site.conditional) - {"/index.xml", "/news.xml", "/posts.xml"}  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), [("", 2), ("max_age_days = 30", 3)])
def test_first_sync_leaves_the_archive_to_a_backfill(site, make, options, expected):
    made = stories(HOUR, 6 * DAY, 8 * DAY, 400 * DAY)
    site.put(made)
    site.pages["/sitemap.xml"] = gazette.sitemap(made)

    project = make("/sitemap.xml", options)

    project.sync("gazette")

    assert numbers(project) == [100, 101, 102, 103][:expected]


def test_entries_without_a_date_come_in_parts_of_a_bounded_size(site, make, monkeypatch):
    monkeypatch.setattr("flows.pipeline.listing_tree.MAX_UNDATED", 2)
    made = stories(*[HOUR] * 5)
    for one in made:
        site.pages[f"/p{one.number}"] = one.page()
    body = "\n".join(f"{gazette.BASE}/p{one.number}" for one in made).encode()
    site.pages["/sitemap.txt"] = gazette.Page(body=body, content_type="text/plain")
    project = make("/sitemap.txt")

    reports = [project.sync("gazette") for _ in range(4)]

    assert [one.totals()["new"] for one in reports] == [2, 2, 1, 0]
    assert [one.totals()["skipped"] for one in reports] == [3, 1, 0, 0]
    assert numbers(project) == [100, 101, 102, 103, 104]


def test_two_sources_with_one_sitemap_have_their_own_articles(site, make):
    site.put(made := stories(HOUR, 2 * HOUR))
    site.pages["/sitemap.xml"] = gazette.sitemap(made)
    second = f'[sources.second]\nparser = "sitemap"\nurl = "{site.url}/sitemap.xml"'
    project = make("/sitemap.xml", second)

    project.sync("gazette")
    project.sync("second")

    rows = project.rows("SELECT source, count(*) FROM articles GROUP BY source ORDER BY source")
    assert rows == [("gazette", 2), ("second", 2)]


def test_ring_of_indexes_ends(site, make):
    made = stories(HOUR)
    site.put(made)
    site.pages |= {
        "/a.xml": gazette.index({"/b.xml": None, "/a.xml": None, "/posts.xml": None}),
        "/b.xml": gazette.index({"/a.xml": None, "/c.xml": None}),
        "/c.xml": gazette.index({"/a.xml": None, "/b.xml": None}),
        "/posts.xml": gazette.sitemap(made),
    }

    report = make("/a.xml").sync("gazette")

    assert report.totals()["new"] == 1
    assert sorted(site.requests.count(f"/{one}.xml") for one in "abc") == [1, 1, 1]


@pytest.mark.parametrize(
    ("page", "counter"),
    [
        (gazette.html("<h1>Our site is new</h1>"), "quarantined"),
        (gazette.Page(body=b"gone", status=404), "failed"),
    ],
)
def test_file_of_an_index_that_cannot_be_read_costs_only_itself(site, make, page, counter):
    made = stories(HOUR)
    site.put(made)
    site.pages |= {
        "/index.xml": gazette.index({"/bad.xml": None, "/posts.xml": None}),
        "/bad.xml": page,
        "/posts.xml": gazette.sitemap(made),
    }
    project = make("/index.xml")

    report = project.sync("gazette")

    assert report.state == "completed_with_warnings"
    assert (report.totals()["new"], report.totals()[counter]) == (1, 1)
    assert report.totals()["discovered"] == 2


def test_cut_file_keeps_its_articles_and_reports_the_cut(site, make):
    made = stories(HOUR, 2 * HOUR)
    site.put(made)
    site.pages["/sitemap.xml"] = gazette.Page(body=gazette.sitemap(made).body[:-40])

    report = make("/sitemap.xml").sync("gazette")

    assert (report.totals()["new"], report.totals()["quarantined"]) == (1, 1)


def test_news_sitemap_that_lists_nothing_known_is_a_gap(site, make):
    site.pages["/news.xml"] = gazette.news_sitemap(made := stories(40 * HOUR))
    site.put(made)
    project = make("/news.xml")
    project.sync("gazette")
    site.put(later := [Story(number=300, at=NOW - HOUR)])
    site.pages["/news.xml"] = gazette.news_sitemap(later)

    assert project.sync("gazette").totals()["gaps"] == 1


def test_new_month_of_an_archive_is_no_gap(site, make):
    made = [Story(number=1, at=NOW - 20 * DAY)]
    site.put(made)
    site.pages |= {
        "/index.xml": gazette.index({"/a.xml": NOW - 20 * DAY}),
        "/a.xml": gazette.sitemap(made),
    }
    project = make("/index.xml", "max_age_days = 30")
    project.sync("gazette")
    site.put(later := [Story(number=2, at=NOW - HOUR)])
    site.pages |= {
        "/index.xml": gazette.index({"/a.xml": NOW - 20 * DAY, "/b.xml": NOW}),
        "/b.xml": gazette.sitemap(later),
    }
    project = make("/index.xml")

    report = project.sync("gazette")

    assert (report.totals()["new"], report.totals()["gaps"]) == (1, 0)


def test_redesign_is_visible_because_the_selector_of_the_body_is_strict(site, make):
    made = stories(HOUR)
    site.put(made)
    site.pages["/sitemap.xml"] = gazette.sitemap(made)
    project = make("/sitemap.xml", "select = { body = '.story-text', title = 'h1' }")

    report = project.sync("gazette")

    assert report.totals()["quarantined"] == 1
    ((reason, expected),) = project.rows("SELECT reason, expected FROM quarantine")
    assert reason == "layout_changed"
    assert "select.body" in expected
    assert ".story-text" in expected
