"""The clock jumps, a source is down for a day: nothing is lost, doubled or stuck for ever."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import pytest

from flows.pipeline.restore import start_new_warehouse
from flows.reporting import events
from tests import site
from tests.site import Fault

pytestmark = pytest.mark.e2e

HOUR = timedelta(hours=1)


class Moved:
    """The clock that our own code reads, some time away from the right one."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self._away = timedelta()

    def move(self, **by):
        """Be so far away from the right time; SQL's clock and Prefect's stay right."""
        self._away = timedelta(**by)
        clock = self

        class Kind(type):
            def __instancecheck__(cls, one):
                return isinstance(one, datetime)

            def __getattr__(cls, name):
                return getattr(datetime, name)

        class Shifted(metaclass=Kind):
            def __new__(cls, *args, **options):
                return datetime(*args, **options)  # noqa: DTZ001  # the caller gives the zone

            @staticmethod
            def now(zone=None):
                return datetime.now(zone) + clock._away

        for name, module in list(sys.modules.items()):
            is_ours = name.partition(".")[0] in ("flows", "parsers", "warehouse")
            if is_ours and getattr(module, "datetime", None) is datetime:
                self._monkeypatch.setattr(module, "datetime", Shifted)


@pytest.fixture
def clock(monkeypatch, project):
    project.sync("ofweek", dry_run=True)  # so that every module is there to be moved
    project.news_site.clear_requests()
    return Moved(monkeypatch)


def article_of(project):
    """The path of an article page of ofweek that is no prefix of another one."""
    return next(
        one.target
        for one in project.news_site.requests
        if "/ART-" in one.target and "_" not in one.target.rpartition("/")[2]
    )


def corpus(project, source):
    return project.rows(
        "SELECT source_article_id, title, content_hash, revision_count FROM articles "
        f"WHERE source = '{source}' ORDER BY ALL"
    )


def differences(project, edition):
    """The differences between the warehouse and the expected articles of ofweek."""
    expected = site.oracle(edition).of("ofweek", "direct")
    rows = project.rows(
        "SELECT source_article_id, title, text FROM articles WHERE source = 'ofweek'"
    )
    found = [(one, expected[one].differs_from(title, text)) for one, title, text in rows]
    assert len(rows) == len({one for one, _, _ in rows})
    return sorted(expected.keys() - {one for one, _, _ in rows}), [
        pair for pair in found if pair[1]
    ]


@pytest.mark.parametrize(
    ("jump", "exit_code"), [({"hours": 1}, 0), ({"days": 1}, 0), ({"days": 30}, 3)]
)
def test_clock_that_jumps_forward_between_two_syncs_changes_no_article(
    project, clock, jump, exit_code
):
    """After 30 days without a new article the run warns that the source is silent."""
    project.sync("ofweek")
    before = corpus(project, "ofweek")
    clock.move(**jump)

    report = project.sync("ofweek")

    assert (report.totals()["new"], report.totals()["updated"]) == (0, 0)
    assert (report.exit_code, report.errors) == (exit_code, ())
    assert corpus(project, "ofweek") == before
    assert differences(project, 1) == ([], [])


def test_clock_that_was_ahead_and_is_right_again_holds_nothing_up(project, clock, faults):
    project.sync("ofweek")
    waited = article_of(project)
    project.settings.warehouse.path.unlink()
    start_new_warehouse(project.settings)
    clock.move(days=1)
    faults[waited] = Fault(status=429, retry_after="600")
    ahead = project.sync("ofweek")
    assert ahead.totals()["failed"] >= 1
    faults.clear()
    clock.move()

    right = project.sync("ofweek")

    assert right.totals()["failed"] == 0, right.errors
    assert differences(project, 1) == ([], [])
    assert len(right.errors) == 1, right.errors
    (problem,) = right.errors
    assert "system clock is behind" in problem
    assert right.exit_code == 3
    marks = project.rows("SELECT count(*) FROM gaps WHERE from_at > to_at")
    assert marks == [(0,)]


def test_change_that_was_seen_while_the_clock_was_back_is_taken_when_its_time_has_come(
    project, clock
):
    clock.move(days=1)
    project.sync("ofweek")
    clock.move()
    project.news_site.edition = 3
    held_back = project.sync("ofweek")
    clock.move(days=1, hours=1)

    after = project.sync("ofweek")

    assert held_back.exit_code == 3
    assert differences(project, 3) == ([], [])
    assert not any("system clock is behind" in message for message in after.errors)
    assert project.rows(
        "SELECT count(*) FROM revisions WHERE valid_to IS NOT NULL AND valid_to < valid_from"
    ) == [(0,)]


def test_patience_that_a_source_asked_for_is_still_kept_with_a_right_clock(project, faults):
    project.sync("ofweek")
    waited = article_of(project)
    project.settings.warehouse.path.unlink()
    start_new_warehouse(project.settings)
    faults[waited] = Fault(status=429, retry_after="600")
    project.sync("ofweek")
    faults.clear()
    project.news_site.clear_requests()

    second = project.sync("ofweek")

    assert waited not in {one.target for one in project.news_site.requests}
    assert any("asked an earlier run to wait" in message for message in second.errors)


# --- a source that is down for a day ---------------------------------------------------


def events_in(report):
    return [(name, source) for name, source, _ in events.events_of(report)]


@pytest.mark.nightly
def test_source_that_was_down_for_a_day_is_noticed_and_one_run_brings_it_back(
    project, clock, faults
):
    clock.move(hours=-30)
    first = project.sync("ofweek", "finews")
    assert [name for name, _ in events_in(first) if name == "copydesk.source.stale"] == []
    faults["/"] = Fault(status=503)
    for hours in (-28, -16, -4):
        clock.move(hours=hours)
        down = project.sync("finews")
        assert (down.state, down.exit_code) == ("failed", 1)
        assert all("503" in message for message in down.errors)
        assert events_in(down) == [("copydesk.source.stale", "finews")]
    since_success = project.rows(
        "SELECT date_diff('hour', max(started_at), now()) FROM runs "
        "WHERE source = 'finews' AND state LIKE 'completed%'"
    )
    assert since_success == [(30,)]
    faults.clear()
    project.news_site.edition = 3
    clock.move()
    project.news_site.clear_requests()

    back = project.sync("finews")

    assert back.totals()["new"] > 0
    assert back.totals()["failed"] == 0
    assert len(project.news_site.requests) < 120
    assert project.rows("SELECT channel FROM gaps ORDER BY ALL") == [("market-38",)]
    assert any("market-38" in message for message in back.errors)
    assert ("copydesk.gap.detected", "finews") in events_in(back)
    quiet = project.sync("finews")
    assert (quiet.totals()["new"], quiet.totals()["updated"]) == (0, 0)
