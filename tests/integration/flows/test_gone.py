"""An entry whose page answers 404 or 410 is reported once, and asked for less and less often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.pipeline.batch import Batch, FetchTarget
from flows.pipeline.gone import interval
from flows.pipeline.run import RunContext
from flows.pipeline.steps import fetch
from tests.site import Fault
from warehouse import connect


@pytest.fixture
def gone_page(project, faults):
    """The address of one OFweek article after a sync in which its page answered 404."""
    project.sync("ofweek")
    ((path,),) = project.rows(
        "select regexp_extract(url, '^[a-z]+://[^/]+(/.*)$', 1) from articles "
        "where source = 'ofweek' order by url limit 1"
    )
    faults[path] = Fault(status=404)
    project.age(hours=2)
    return path


def outcome(report) -> tuple[int, int, int]:
    counts = report.stats[0].counts
    return report.exit_code, counts["failed"], counts["skipped"]


def states(project) -> dict[str, int]:
    return dict(project.rows("select state, count(*) from articles group by 1 order by 1"))


def age(project, **past: int) -> None:
    """Move the answers of gone pages into the past."""
    with connect(project.settings.warehouse.path) as db:
        db.execute(
            "update _store.gone set last_checked_at = last_checked_at - ?, gone_at = gone_at - ?",
            [timedelta(**past)] * 2,
        )


def test_gone_page_is_reported_once_and_the_article_stays_with_its_state(project, gone_page):
    first, *later = [project.sync("ofweek") for _ in range(3)]

    assert outcome(first) == (0, 0, 1)
    assert "gone" in " ".join(first.warnings)
    assert [outcome(one) for one in later] == [(0, 0, 1)] * 2
    assert states(project) == {"gone": 1, "live": 10}


def test_gone_page_is_asked_for_again_when_its_interval_is_over(project, gone_page, faults):
    project.sync("ofweek")
    age(project, minutes=6)
    again = project.sync("ofweek")

    with connect(project.settings.warehouse.path) as db:
        assert db.execute("select check_count from _store.gone").fetchall() == [(2,)]
    assert outcome(again) == (0, 0, 1)
    del faults[gone_page]
    age(project, minutes=6)
    assert project.sync("ofweek").stats[0].counts["skipped"] == 1  # 20 minutes by now
    age(project, minutes=20)
    project.sync("ofweek")
    assert states(project) == {"live": 11}


def test_backfill_of_a_gone_page_reports_it(project, gone_page):
    project.sync("ofweek")
    source = project.settings.source("ofweek")
    entry = source.parser.entry_of(source, f"{project.news_site.url}{gone_page}")
    with RunContext("backfill", project.settings, ["ofweek"]) as run:
        run.stats["ofweek"].add(discovered=1)
        fetch(run, source, Batch([FetchTarget(entry, None)]))
        report = run.finish()

    assert outcome(report) == (3, 1, 0)


def test_gone_page_is_asked_for_when_its_line_of_the_listing_changes(project, gone_page, faults):
    project.sync("ofweek")
    del faults[gone_page]
    with connect(project.settings.warehouse.path) as db:
        db.execute(
            "update _store.fetches set listing_entry = replace(listing_entry, 'title', 'headline') "
            "where status = 404"
        )

    project.sync("ofweek")

    assert states(project) == {"live": 11}


def test_intervals_grow_up_to_a_month():
    minutes = [interval(count) / timedelta(minutes=1) for count in (1, 2, 3, 100)]

    assert minutes == [5, 20, 80, 30 * 24 * 60]
