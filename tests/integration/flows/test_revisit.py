"""A sync asks for new and changed entries, and for stored articles when their rule makes them due."""

from __future__ import annotations

import pytest

from tests.site import Fault
from warehouse import connect

FILES = "*.warc.gz"
PAGE = "/ART-"


def requests_of(project, run) -> list[str]:
    """The requests that a run makes, robots.txt left out."""
    before = len(project.news_site.requests)
    run()
    found = [one.target for one in project.news_site.requests[before:]]
    return [one for one in found if "robots.txt" not in one]


def configure(project, text: str, *, section: str = "[sources.ofweek]") -> None:
    config = project.config.read_text(encoding="utf-8")
    assert section in config
    project.config.write_text(config.replace(section, f"{section}\n{text}"), encoding="utf-8")


def size_of(project) -> tuple[int, int]:
    """Files and rows of what each run used to add to."""
    with connect(project.settings.warehouse.path) as db:
        (rows,) = db.execute(
            "SELECT (SELECT count(*) FROM _store.fetches) + (SELECT count(*) FROM _store.sightings) "
            "+ (SELECT count(*) FROM _store.entries) + (SELECT count(*) FROM _store.quarantine)"
        ).fetchone() or (0,)
    return len(list(project.settings.archive.path.glob(FILES))), rows


@pytest.fixture
def read(project):
    """A project that has read OFweek: one listing, eleven articles."""
    project.first = requests_of(project, lambda: project.sync("ofweek"))
    return project


def test_run_without_news_asks_for_the_listing_alone_and_stores_no_row_and_no_file(read):
    before = size_of(read)

    again = requests_of(read, lambda: read.sync("ofweek"))

    assert len(read.first) == 14  # one article has three pages
    assert len(again) == 1
    assert size_of(read) == before


def test_feed_read_every_five_minutes_for_an_hour_saves_more_than_80_percent(read):
    hour = [len(requests_of(read, lambda: read.sync("ofweek"))) for _ in range(5)]
    read.age(hours=1)
    hour.append(len(requests_of(read, lambda: read.sync("ofweek"))))

    assert hour == [1, 1, 1, 1, 1, 14]
    assert 11 * hour[0] + hour[-1] < 0.2 * (12 * len(read.first))


def test_entries_of_a_listing_without_news_move_last_seen(read):
    sql = "SELECT article_id, last_seen_at FROM articles ORDER BY ALL"
    before = dict(read.rows(sql))

    read.sync("ofweek")

    after = dict(read.rows(sql))
    assert len(after) == 11
    assert all(after[one] > before[one] for one in before)


def test_due_articles_are_asked_for_conditionally_and_only_once(read):
    read.age(hours=2)

    report = read.sync("ofweek")
    again = requests_of(read, lambda: read.sync("ofweek"))

    asked = [one for one in read.news_site.requests if PAGE in one.target and one.is_conditional]
    counts = report.stats[0].counts
    assert len({one.target for one in asked}) == 10  # the article of three pages is read whole
    assert (counts["discovered"], counts["not_modified"], counts["unchanged"]) == (12, 11, 1)
    assert len(again) == 1


def test_article_that_left_its_listing_is_fetched_again_and_corrected(read, faults):
    faults["/2021-05/ART-93000-8420-30501216"] = Fault(
        rename=("加速键".encode("gbk"), "减速键".encode("gbk"))
    )
    faults["/CATList"] = Fault(rename=(b"30501216", b"30509999"))
    faults["/2021-05/ART-93000-8420-30509999"] = Fault(status=404)
    read.age(days=2)

    report = read.sync("ofweek")

    assert report.stats[0].counts["updated"] == 1
    assert read.rows(
        "SELECT revision_count, text LIKE '%减速键%' FROM articles WHERE url LIKE '%30501216%'"
    ) == [(2, True)]
    assert (
        read.rows(
            "SELECT list_sort(list(DISTINCT unnest_channels)) FROM (SELECT unnest(channels) "
            "AS unnest_channels FROM sightings WHERE url LIKE '%30501216%')"
        )[0][0][-1]
        == "revisit"
    )


def test_missed_revisits_are_one(read):
    read.age(days=30)

    requests_of(read, lambda: read.sync("ofweek"))

    assert len(requests_of(read, lambda: read.sync("ofweek"))) == 1


def test_empty_rule_never_asks_again(read):
    configure(read, "revisit = []")
    read.age(days=2)

    assert len(requests_of(read, lambda: read.sync("ofweek"))) == 1


def test_limit_of_a_run_leaves_the_other_due_articles_to_the_next(read):
    text = read.config.read_text(encoding="utf-8")
    read.config.write_text(f"{text}\n[run]\nmax_revisits = 8\n", encoding="utf-8")
    read.age(hours=2)

    asked = [requests_of(read, lambda: read.sync("ofweek")) for _ in range(3)]

    first_pages = [[one for one in run if PAGE in one and "_" not in one] for run in asked]
    assert [len(one) for one in first_pages] == [8, 3, 0]


def test_failed_revisit_waits_before_the_next_attempt(read, faults):
    faults |= {f"{folder}{PAGE}": Fault(status=500) for folder in ("/2021-05", "/news/2021-05")}
    read.age(hours=2)

    first = read.sync("ofweek")
    paths = set(requests_of(read, lambda: read.sync("ofweek")))

    assert first.stats[0].counts["failed"] == 11
    assert not [one for one in paths if PAGE in one]
    faults.clear()
    read.age(minutes=6)
    assert read.sync("ofweek").stats[0].counts["failed"] == 0


def test_entry_that_failed_is_asked_for_again_although_its_listing_is_unchanged(project, faults):
    faults["/2021-05/ART-260009-8420-30500850.html"] = Fault(status=500)
    first = project.sync("ofweek")
    faults.clear()

    second = project.sync("ofweek")

    assert (first.stats[0].counts["new"], first.stats[0].counts["failed"]) == (10, 1)
    assert second.stats[0].counts["new"] == 1


def test_feed_whose_text_changes_without_its_items_is_not_stored_again(project, faults):
    project.sync("woshipm")
    before = size_of(project)
    faults["/woshipm/latest"] = Fault(rename=(b"</channel>", b"<ttl>5</ttl></channel>"))

    report = project.sync("woshipm")

    counts = report.stats[0].counts
    assert counts["unchanged"] == counts["discovered"] > 5
    assert size_of(project) == before


def test_dry_run_names_what_is_due(read):
    read.age(hours=2)

    report = read.sync("ofweek", dry_run=True)

    assert "would fetch again 11 stored articles" in " ".join(report.warnings)
