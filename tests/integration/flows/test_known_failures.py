"""A failure that one run reported needs no second report, and stays in quarantine."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, RunReport, SourceStats
from flows.pipeline.sync_source import sync_source
from flows.reporting.states import final_state
from tests.site import Fault
from warehouse import connect
from warehouse.records import alerts, quarantine

LATER = "UPDATE _store.quarantine SET last_failed_at = last_failed_at - INTERVAL 1 DAY"
BUSY = Fault(body=b"<html><body>busy</body></html>")


def scheduled(project, slug="finews", *, is_dry=False, is_alerted=True) -> RunReport:
    """A scheduled run of one source, whose failures a server takes as events."""
    with RunContext("sync", project.settings, [slug], trigger="schedule", is_dry=is_dry) as run:
        sync_source(run, slug)
        report = run.finish()
        if is_alerted and not is_dry:
            run.mark_alerted([slug])
    return report


def outcome(report: RunReport) -> tuple[int, int, int]:
    """The exit code, the number of quarantined pages, and the number of unreported ones."""
    (stats,) = report.stats
    return report.exit_code, stats.counts["quarantined"], stats.unalerted


def change(project, sql):
    with connect(project.settings.warehouse.path) as db:
        db.execute(sql)


def test_only_the_first_run_reports_a_failure_and_later_ones_count_it(project):
    runs = [scheduled(project)]
    for _ in range(2):
        change(project, LATER)
        runs.append(scheduled(project))

    assert [outcome(one) for one in runs] == [(3, 3, 3), (0, 3, 0), (0, 3, 0)]
    assert [one.state for one in runs] == ["completed_with_warnings", "completed", "completed"]
    assert (runs[1].errors, len(runs[1].warnings)) == ((), 1)
    assert "3 known failures" in runs[1].warnings[0]
    assert "3 known failures" in (final_state(runs[1]).message or "")
    with connect(project.settings.warehouse.path) as db:
        failures = quarantine.open_failures(db)
    # A line of an unchanged listing is no other attempt.
    assert sorted(one.attempts for one in failures) == [1, 3, 3]


def test_page_in_quarantine_waits_longer_after_each_failure(project):
    scheduled(project)
    asked = len(project.news_site.requests)

    again = scheduled(project)

    assert outcome(again) == (0, 3, 0)
    assert not [one for one in project.news_site.requests[asked:] if "GetNewsText" in one.target]
    with connect(project.settings.warehouse.path) as db:
        pages = [one for one in quarantine.open_failures(db) if one.row.article_id]
    assert [one.attempts for one in pages] == [1, 1]


def test_person_learns_of_every_open_failure(project):
    scheduled(project)

    by_hand = project.sync("finews")

    assert outcome(by_hand) == (3, 3, 0)
    assert len(by_hand.errors) == 1
    assert by_hand.warnings == ()


def test_schedule_reports_what_only_a_person_has_met(project):
    project.sync("finews")

    assert [outcome(scheduled(project)) for _ in range(2)] == [(3, 3, 3), (0, 3, 0)]


def test_new_failure_is_reported_beside_known_ones(project, faults):
    scheduled(project)
    faults |= {"/newmarket/web/webapi?marketType=37": Fault(rename=(b'"infoCode"', b'"code"'))}

    again = scheduled(project)

    assert again.stats[0].known_failures == 3
    assert (again.exit_code, again.stats[0].unalerted) == (3, 7)


@pytest.mark.parametrize(
    ("sql", "unalerted"),
    [
        ("UPDATE _store.quarantine SET reason = 'broken_parser'", 3),
        ("UPDATE _store.quarantine SET resolved_at = now(), resolved_by = 'x'", 3),
        ("UPDATE _store.quarantine SET run_id = 'of another run'", 0),
    ],
)
def test_failure_with_another_reason_or_after_its_resolution_is_new(project, sql, unalerted):
    scheduled(project)
    change(project, sql)
    change(project, LATER)

    assert outcome(scheduled(project)) == (3 if unalerted else 0, 3, unalerted)


def test_failure_that_no_server_took_is_reported_by_the_next_run(project):
    runs = [scheduled(project, is_alerted=False), scheduled(project), scheduled(project)]

    assert [outcome(one) for one in runs] == [(3, 3, 3), (3, 3, 3), (0, 3, 0)]


def test_dry_run_leaves_the_report_to_the_run_that_stores(project):
    runs = [scheduled(project, is_dry=True), scheduled(project)]

    assert [outcome(one) for one in runs] == [(3, 1, 1), (3, 3, 3)]


def test_listing_that_stays_unreadable_is_an_error_of_each_run_and_one_event(project, faults):
    faults["/web/webapi?type=45"] = BUSY

    runs = [scheduled(project) for _ in range(2)]

    assert [outcome(one) for one in runs] == [(3, 3, 3), (3, 3, 0)]
    assert all(any("listing media" in text for text in one.errors) for one in runs)


def test_source_whose_only_listing_is_unreadable_fails_in_each_run_and_is_one_event(
    project, faults
):
    faults["/CATList"] = BUSY

    runs = [scheduled(project, "ofweek") for _ in range(2)]

    assert [one.state for one in runs] == ["failed", "failed"]
    assert [one.stats[0].unalerted for one in runs] == [1, 0]


def test_failure_is_known_by_its_page_and_its_reason(project):
    scheduled(project)
    with connect(project.settings.warehouse.path) as db:
        known = alerts.known_failures(db, ["finews"])["finews"].alerted
        (one, *_) = quarantine.open_failures(db)
        of_another_source = alerts.known_failures(db, ["elsewhere"])["elsewhere"].alerted

    assert len(known) == 3
    assert alerts.is_alerted(known, one.row)
    assert not alerts.is_alerted(known, replace(one.row, reason="bad_listing"))
    assert not alerts.is_alerted(known, replace(one.row, url="http://other.example/"))
    assert of_another_source == frozenset()


def test_interrupted_run_names_its_errors_in_its_state():
    stats = SourceStats(source="a")
    stats.fail("expected a title", Problem("line", "news"))
    report = RunReport(run_id="1", flow="sync", state="interrupted", stats=(stats,))

    state = final_state(report)

    assert state.is_cancelled()
    assert "a: news: expected a title" in (state.message or "")


def dismissed(project, run_cli, *arguments) -> tuple[int, int]:
    """The exit code of ``quarantine dismiss``, and how many failures it closed."""
    command = ["quarantine", "dismiss", *arguments, "--json", "--config", project.config]
    code, out, _ = run_cli(*command)
    return code, len(json.loads(out)["dismissed"])


def test_dismissed_failures_are_counted_and_not_reported_again(project, run_cli):
    project.sync("finews")

    assert dismissed(project, run_cli, "--source", "finews") == (0, 3)
    again = project.sync("finews")

    assert outcome(again) == (0, 3, 0)
    assert project.rows("select distinct resolved_by from quarantine") == [("dismissed",)]
    assert dismissed(project, run_cli, "--source", "finews") == (3, 0)


def test_dismissed_failure_with_another_reason_is_open_again(project, run_cli, faults):
    project.sync("finews")
    ids = [one for (one,) in project.rows("select quarantine_id from quarantine")]
    assert dismissed(project, run_cli, *ids) == (0, 3)
    change(project, "update _store.quarantine set reason = 'another'")

    assert outcome(project.sync("finews")) == (3, 3, 3)


@pytest.mark.parametrize("arguments", [[], ["1a2b", "--source", "finews"]], ids=" ".join)
def test_dismissal_names_either_ids_or_a_source_and_reason(elsewhere, run_cli, arguments):
    assert run_cli("quarantine", "dismiss", *arguments)[0] == 2
