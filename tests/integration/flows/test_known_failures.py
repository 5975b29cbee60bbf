"""What was told once is not told again by every run, and stays to be seen."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import requests

from flows import cli, sync
from flows.admin import doctor
from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, RunReport, SourceStats, run_state
from flows.reporting import artifacts, events
from flows.reporting.events import events_of
from flows.reporting.states import final_state
from flows.settings import Settings
from tests.site import Fault
from warehouse import connect
from warehouse.records import alerts as standing
from warehouse.records import quarantine


@pytest.fixture
def scheduled(monkeypatch):
    """Runs are those of a schedule, and nobody asked for them."""
    monkeypatch.setattr(sync, "run_trigger", lambda: "schedule")


@pytest.fixture
def told(monkeypatch):
    """The alerts that runs of this process hand over; taken, unless ``told.is_away``."""

    class Told(list):
        is_away = False

        def take(self, alerts):
            if not self.is_away:
                self.extend(alerts)
            return not self.is_away

    found = Told()
    monkeypatch.setattr(events, "hand_over", found.take)
    monkeypatch.setattr("prefect.events.emit_event", lambda **_one: None)
    return found


def drifts(told):
    return [one for one in told if one["event"] == "copydesk.drift"]


def change(desk, sql):
    with connect(desk.settings.warehouse.path) as db:
        db.execute(sql)


# --- in runs ---------------------------------------------------------------------------


@pytest.mark.e2e
def test_who_asks_for_a_run_hears_of_all_that_is_open(desk, told):
    with pytest.MonkeyPatch.context() as scheduled:
        scheduled.setattr(sync, "run_trigger", lambda: "schedule")
        first = desk.sync("finews")
    again = desk.sync("finews")

    assert [one.exit_code for one in (first, again)] == [3, 3]
    assert again.state == "completed_with_warnings"
    assert again.errors == (
        "finews: 3 known failures met again, still in quarantine: "
        "`copydesk quarantine list --source finews`",
    )
    assert again.warnings == ()
    assert len(drifts(told)) == 1
    errors = desk.rows("SELECT array_to_string(messages, chr(10)) FROM runs ORDER BY started_at")
    assert "3 known failures" in errors[1][0]


@pytest.mark.e2e
def test_what_only_a_person_was_told_the_schedule_tells_once(desk, told, monkeypatch):
    """Who typed the command may not be the one who has to mend it."""
    by_hand = desk.sync("finews")
    monkeypatch.setattr(sync, "run_trigger", lambda: "schedule")
    told.clear()

    scheduled = [desk.sync("finews") for _ in range(2)]

    assert by_hand.exit_code == 3
    assert [one.exit_code for one in scheduled] == [3, 0]
    assert len(drifts(told)) == 1


@pytest.mark.e2e
@pytest.mark.usefixtures("scheduled")
class TestTheSameLinesAgainAndAgain:
    def test_only_the_first_run_needs_attention_and_tells_an_event(self, desk, told):
        first = desk.sync("finews")
        again = [desk.sync("finews") for _ in range(2)]

        assert (first.exit_code, first.totals()["quarantined"]) == (3, 3)
        assert [one.exit_code for one in again] == [0, 0]
        assert [one.state for one in again] == ["completed", "completed"]
        assert len(drifts(told)) == 1

    def test_later_runs_still_count_and_name_them(self, desk):
        desk.sync("finews")
        desk.said.clear()

        again = desk.sync("finews")

        words = (
            "finews: 3 known failures met again, still in quarantine: "
            "`copydesk quarantine list --source finews`"
        )
        assert again.totals()["quarantined"] == 3
        assert words in again.as_json()["warnings"]
        assert words in desk.said
        assert words in (final_state(again).message or "")
        assert "3 known failures" in artifacts.result_markdown(again, [], desk.settings)
        attempts = desk.rows("SELECT attempts FROM quarantine WHERE resolved_at IS NULL")
        assert attempts == [(2,), (2,), (2,)]

    def test_commands_still_tell_what_is_open(self, desk, capfd):
        for _ in range(2):
            desk.sync("finews")

        found = {one.what: one for one in doctor.check_installation(desk.settings)}

        assert found["quarantine"].says == "3 open: `copydesk quarantine list`"
        assert cli.run(["--config", str(desk.config), "quarantine", "list"]) == 3

    def test_table_of_runs_tells_the_same_as_the_document(self, desk):
        for _ in range(2):
            desk.sync("finews")

        rows = desk.rows(
            "SELECT state, quarantined, array_to_string(messages, chr(10)) FROM runs ORDER BY started_at"
        )
        (first, quarantined, error), again = rows
        assert (first, quarantined) == ("completed_with_warnings", 3)
        assert "media: expected an id under 'infocode'" in error
        assert again == ("completed", 3, "")

    def test_new_trouble_needs_attention_and_is_told(self, desk, told, faults):
        desk.sync("finews")
        faults |= {"/newmarket/web/webapi?marketType=37": Fault(rename=(b'"infoCode"', b'"code"'))}

        again = desk.sync("finews")

        assert (again.exit_code, len(drifts(told))) == (3, 2)
        assert again.stats[0].known_failures == 3
        assert "finews: 7 lines of market-37: expected the key 'infoCode'" in again.errors[0]
        assert again.errors[1].startswith("finews: listing market-37 has no line that can be read")

    def test_known_page_that_fails_otherwise_is_told_again(self, desk, told):
        desk.sync("finews")
        change(desk, "UPDATE _store.quarantine SET reason = 'broken_parser'")

        again = desk.sync("finews")

        assert (again.exit_code, again.stats[0].known_failures, len(drifts(told))) == (3, 0, 2)

    def test_what_no_server_took_is_told_by_the_next_run(self, desk, told):
        told.is_away = True
        lost = desk.sync("finews")
        told.is_away = False

        again = [desk.sync("finews") for _ in range(2)]

        assert [one.exit_code for one in (lost, *again)] == [3, 3, 0]
        assert len(drifts(told)) == 1

    def test_what_a_run_met_that_crashed_is_told_by_the_next(self, desk, told, monkeypatch):
        def crash(_run, _sources):
            raise OSError("killed here")

        with monkeypatch.context() as crashing:
            crashing.setattr(RunContext, "mark_alerted", crash)
            with pytest.raises(Exception, match="killed here"):
                desk.sync("finews")

        assert desk.sync("finews").exit_code == 3
        assert len(drifts(told)) == 2

    def test_other_run_that_meets_it_meanwhile_makes_nobody_forget(self, desk, told):
        desk.sync("finews")
        change(desk, "UPDATE _store.quarantine SET run_id = 'under way'")
        change(desk, "UPDATE _store.runs SET state = 'running'")

        assert desk.sync("finews").exit_code == 0
        assert len(drifts(told)) == 1

    def test_what_was_resolved_and_fails_anew_is_told_again(self, desk, told):
        desk.sync("finews")
        change(desk, "UPDATE _store.quarantine SET resolved_at = now(), resolved_by = 'x'")

        assert desk.sync("finews").exit_code == 3
        assert len(drifts(told)) == 2

    def test_listing_that_stays_unreadable_needs_attention_each_time_and_is_one_event(
        self, desk, told, faults
    ):
        faults["/web/webapi?type=45"] = Fault(body=b"<html><body>busy</body></html>")

        runs = [desk.sync("finews") for _ in range(3)]

        assert [one.exit_code for one in runs] == [3, 3, 3]
        assert all(any("listing media" in words for words in one.errors) for one in runs)
        assert len(drifts(told)) == 1

    def test_source_whose_only_listing_is_unreadable_fails_each_time_and_is_one_event(
        self, desk, told, faults
    ):
        faults["/CATList"] = Fault(body=b"<html><body>busy</body></html>")

        runs = [desk.sync("ofweek") for _ in range(3)]

        assert [one.state for one in runs] == ["failed"] * 3
        assert len(drifts(told)) == 1

    def test_event_is_told_although_no_snapshot_can_be_published(self, desk, told):
        desk.settings.warehouse.snapshot.mkdir()

        with pytest.raises(Exception, match="snapshot"):
            desk.sync("finews")

        assert len(drifts(told)) == 1

    def test_dry_run_stores_nothing_and_so_leaves_the_event_to_the_run_that_does(self, desk, told):
        assert desk.sync("finews", dry_run=True).exit_code == 3
        assert drifts(told) == []

        assert desk.sync("finews").exit_code == 3
        assert len(drifts(told)) == 1


@pytest.mark.e2e
@pytest.mark.usefixtures("scheduled", "told")
def test_the_same_failure_is_known_by_what_it_is_and_why(desk):
    desk.sync("finews")
    with connect(desk.settings.warehouse.path) as db:
        stands = standing.alerted_failures(db, "finews")
        (one, *_) = quarantine.open_failures(db)
        nothing = standing.alerted_failures(db, "elsewhere")

    assert len(stands) == 3
    assert standing.is_alerted(stands, one.row)
    assert not standing.is_alerted(stands, replace(one.row, reason="bad_listing"))
    assert not standing.is_alerted(stands, replace(one.row, url="http://other.example/"))
    assert nothing == frozenset()


# --- in words and states ---------------------------------------------------------------


def line_stats(*, known: bool, kind="line"):
    one = SourceStats(source="a")
    one.add(discovered=1)
    one.quarantine("expected a title", Problem(kind, "news"), is_known=known)
    return one


def test_state_and_events_follow_what_is_new():
    found = {
        known: (run_state([one]), [event for event, *_ in events_of(report(one))], one.errors)
        for known in (False, True)
        for one in [line_stats(known=known)]
    }

    assert found == {
        False: ("completed_with_warnings", ["copydesk.drift"], ["news: expected a title"]),
        True: ("completed", [], []),
    }


def test_interrupted_run_tells_of_the_sources_that_were_done(told):
    done, other = line_stats(known=False), line_stats(known=False)
    done.is_done, other.source = True, "b"
    found = RunReport(run_id="1", flow="sync", state="interrupted", stats=(done, other))

    sources = events.tell(found, Settings())

    assert sources == ("a",)
    assert [one["resource"]["prefect.resource.name"] for one in told] == ["a"]
    assert "a: news: expected a title" in (final_state(found).message or "")


def test_known_listing_needs_attention_without_another_event():
    one = line_stats(known=True, kind="listing")

    assert run_state([one]) == "completed_with_warnings"
    assert one.errors == ["listing news: expected a title"]
    assert list(events_of(report(one))) == []


def test_page_of_a_run_says_which_failures_stand_and_names_no_artifact_that_is_not_there():
    words = artifacts.result_markdown(report(line_stats(known=True)), [], Settings())

    assert "1 known failure met again, still in quarantine" in words
    assert "copydesk-quarantine" not in words


def report(*stats: SourceStats) -> RunReport:
    return RunReport(run_id="1", flow="sync", state=run_state(stats), stats=stats)


# --- at a server -----------------------------------------------------------------------


@pytest.mark.e2e
def test_server_takes_an_alert_at_once_and_has_it(prefect_server):
    alert = {
        "event": "copydesk.drift",
        "resource": {"prefect.resource.id": "copydesk.source.taken"},
        "payload": {"problems": ["expected a title"]},
    }

    assert events.hand_over([alert])

    wanted = {"filter": {"resource": {"id": ["copydesk.source.taken"]}}}
    found = []
    deadline = time.monotonic() + 60
    while not found and time.monotonic() < deadline:
        answer = requests.post(f"{prefect_server}/events/filter", json=wanted, timeout=20)
        found = answer.json()["events"]
        time.sleep(0.1)
    assert [one["payload"] for one in found] == [{"problems": ["expected a title"]}]


def test_server_that_is_away_takes_none():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert not events.hand_over(
            [{"event": "copydesk.gap", "resource": {"prefect.resource.id": "copydesk.source.a"}}]
        )
