"""Alerts of runs: a webhook and a mailbox get each problem once."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from flows import sync as flows_sync
from flows.alerts import queries, send
from flows.alerts.deliver import send_alerts
from flows.pipeline import locks
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from flows.serve.run_local import sync_without_prefect
from tests.integration.flows.press import SQL, Press, alerts
from tests.integration.flows.receivers import TOKEN, Webhook
from warehouse import connect
from warehouse.records import gaps, health
from warehouse.rows import NewGap

BROKEN = "expected a feed, found an HTML page"
WIRE = '[sources.wire]\nparser = "feed"\nurl = "{url}/all.xml"\n'


@pytest.fixture
def desk(press: Press, hook: Webhook) -> Press:
    """A publisher whose alerts go to the webhook."""
    press.configure(alerts(hook.address))
    return press


def sync(desk: Press) -> list[str]:
    """One sync; return its messages."""
    messages: list[str] = []
    with use_environment(RunEnvironment(notify=messages.append)):
        desk.sync()
    return [one for one in messages if one.startswith("alerts:")]


def end_run(desk: Press, *broken: str, sources: tuple[str, ...] = ("press",)) -> list[str]:
    """The end of a sync without its fetches; return its messages.

    Args:
        desk: The publisher.
        broken: Sources without a listing that can be read.
        sources: All sources of the run.
    """
    messages: list[str] = []
    environment = RunEnvironment(notify=messages.append)
    with use_environment(environment), RunContext("sync", desk.settings, sources) as run:
        for slug, stats in run.stats.items():
            stats.has_listed = slug not in broken
            if slug in broken:
                stats.is_broken = True
                stats.fail(BROKEN)
        run.finish()
        send_alerts(run, {})
    return messages


def age(desk: Press, **past: float) -> None:
    """Move every run and delivery into the past."""
    with connect(desk.settings.warehouse.path) as db:
        for table, columns in (
            ("runs", ("started_at", "ended_at")),
            ("alert_deliveries", ("sent_at",)),
            ("quarantine", ("first_failed_at",)),
        ):
            for column in columns:
                db.execute(
                    f"UPDATE _store.{table} SET {column} = {column} - ?", [timedelta(**past)]
                )


def find(desk: Press, kind: str, **values: str) -> None:
    """Open a finding about the source."""
    texts = {"expected": "one in 2 hours", "found": "none for 9 hours"} | values
    row = health.Finding(source="press", kind=kind, **texts)
    with connect(desk.settings.warehouse.path) as db:
        health.open_finding(db, row, run_id="run", at=datetime.now(UTC))


def end_findings(desk: Press, by: str = "run") -> None:
    with connect(desk.settings.warehouse.path) as db:
        for one in health.list_findings(db):
            health.close_finding(db, one.finding_id, closed_by=by)


# --- problems ----------------------------------------------------------------------------


def test_source_that_breaks_and_recovers_is_reported_once_each(desk, hook):
    feed, desk.answers["/feed.xml"] = desk.answers["/feed.xml"], (404, "text/plain", "none")
    sync(desk)
    sync(desk)
    desk.answers["/feed.xml"] = feed
    sync(desk)
    sync(desk)

    broke, recovered = hook.messages
    assert broke.splitlines()[0] == "copydesk: press has a problem"
    assert "press: no listing can be read" in broke
    assert "answered 404" in broke
    assert recovered.splitlines()[0] == "copydesk: press is normal again"
    assert [one["type"] for one in hook.received] == ["warning", "success"]


def test_one_failed_run_soon_after_a_success_is_not_reported(desk, hook):
    end_run(desk)
    end_run(desk, "press")
    first = list(hook.messages)
    end_run(desk, "press")

    assert first == []
    assert [one.splitlines()[0] for one in hook.messages] == ["copydesk: press has a problem"]


def test_failed_run_long_after_the_last_success_is_reported_at_once(desk, hook):
    end_run(desk)
    age(desk, hours=2)
    end_run(desk, "press")

    assert len(hook.messages) == 1


def test_silent_source_and_its_end_are_reported_once_each(desk, hook):
    find(desk, "not_moving", channel="feed")
    end_run(desk)
    end_run(desk)
    end_findings(desk)
    end_run(desk)
    end_run(desk)

    silent, again = hook.messages
    assert (
        "press: the listing stopped moving in channel feed: expected one in 2 hours, found"
        in silent
    )
    assert "press: normal again: the listing stopped moving in channel feed" in again


def test_finding_that_an_operator_accepted_ends_without_a_message(desk, hook):
    find(desk, "not_moving")
    end_run(desk)
    end_findings(desk, by=health.ACCEPTED)
    end_run(desk)

    assert len(hook.messages) == 1


def test_problems_of_several_sources_are_one_message(press, hook):
    press.configure(f"{WIRE.format(url=press.url)}{alerts(hook.address)}")
    end_run(press, "press", "wire", sources=("press", "wire"))

    (message,) = hook.messages
    assert message.splitlines()[0] == "copydesk: 2 sources have problems"
    assert "- press: " in message
    assert "- wire: " in message


def test_listing_that_cannot_be_parsed_is_one_problem_and_not_two(desk, hook):
    end_run(desk)
    find(desk, "unreadable_listing", channel="feed", found=BROKEN)
    end_run(desk, "press")
    end_run(desk, "press")

    (message,) = hook.messages
    assert "the listing cannot be read in channel feed" in message
    assert desk.rows("SELECT count(*) FROM _store.source_outages") == [(1,)]


def test_outage_explains_what_health_finds_meanwhile(desk, hook):
    end_run(desk, "press")
    find(desk, "not_moving", channel="feed")
    end_run(desk, "press")

    (message,) = hook.messages
    assert "no listing can be read" in message


def test_source_that_another_run_has_is_no_outage(desk, hook):
    with locks.acquire(desk.settings, "press", flow="sync", run_id="other"):
        sync(desk)

    assert hook.messages == []


# --- delivery ----------------------------------------------------------------------------


def test_message_that_a_server_refused_is_sent_by_the_next_run(desk, hook):
    hook.status = 500
    end_run(desk, "press")
    messages = end_run(desk, "press")
    hook.status = 200
    end_run(desk, "press")
    end_run(desk, "press")

    assert (hook.refused, len(hook.messages)) == (2, 1)
    (message,) = messages
    assert message.startswith("alerts: address 1 (json): ")
    assert "error=500" in message


def test_message_that_a_server_refused_fails_no_run(desk, hook):
    desk.sync()
    open_gap(desk, "feed")
    hook.status = 500

    report = desk.sync()

    assert (report.exit_code, hook.refused) == (0, 1)


def test_each_address_gets_each_problem_once_although_another_is_down(press, hook, post):
    press.configure(alerts(hook.address, post.address))
    hook.status = 503
    end_run(press, "press")
    hook.status = 200
    end_run(press, "press")
    end_run(press, "press")

    assert (len(hook.messages), len(post.mails)) == (1, 1)
    assert post.mails[0]["Subject"] == "copydesk: press has a problem"
    assert "desk@example.org" in post.mails[0]["To"]


def test_problem_that_ended_before_it_could_be_sent_is_not_sent(desk, hook):
    hook.status = 500
    end_run(desk, "press")
    hook.status = 200
    end_run(desk)

    assert hook.messages == []


def test_server_that_does_not_answer_ends_no_run(desk, hook, monkeypatch):
    monkeypatch.setattr(send, "SEND_SECONDS", 0.2)
    hook.hold.clear()

    messages = end_run(desk, "press")

    assert ["address 1 (json)" in one for one in messages] == [True]
    assert hook.messages == []
    hook.hold.set()


def test_two_runs_at_once_send_a_problem_once(desk, hook):
    find(desk, "no_entries")
    hook.hold.clear()
    runs = [threading.Thread(target=end_run, args=(desk,), name=f"run {n}") for n in (1, 2)]
    for run in runs:
        run.start()
    hook.arrived.wait(20)
    hook.hold.set()
    for run in runs:
        run.join()

    assert len(hook.messages) == 1


def test_address_may_come_from_the_environment(press, hook, monkeypatch):
    press.configure(alerts("env:DESK_HOOK"))
    unset = end_run(press, "press")
    monkeypatch.setenv("DESK_HOOK", hook.address)
    end_run(press, "press")

    assert ["address 1 (env:DESK_HOOK)" in one for one in unset] == [True]
    assert len(hook.messages) == 1


def test_token_of_an_address_is_in_no_message_no_log_and_no_file(desk, hook, caplog):
    caplog.set_level(logging.DEBUG)
    hook.status = 500
    messages = end_run(desk, "press")
    hook.status = 200
    end_run(desk, "press")

    kept = [file for file in desk.folder.rglob("*") if file.is_file() and file.suffix != ".toml"]
    assert TOKEN not in caplog.text + "".join(messages) + "".join(hook.messages)
    assert [file.name for file in kept if TOKEN.encode() in file.read_bytes()] == []
    assert TOKEN not in repr(desk.settings)


def test_run_of_prefect_sends_alerts_too(desk, hook, prefect_server):
    desk.answers["/feed.xml"] = (404, "text/plain", "none")
    config = str(desk.folder / "copydesk.toml")

    state = flows_sync.sync(["press"], config=config, return_state=True)

    assert state.name == "Failed"
    assert "press: no listing can be read" in hook.messages[0]


def test_run_of_prefect_sends_the_failure_of_a_publication(press, hook, prefect_server):
    blog = '[publish.blog]\nformat = "jekyll"\nfolder = "site"\ncommand = ["false"]\n'
    press.configure(alerts(hook.address) + blog)

    config = str(press.folder / "copydesk.toml")
    flows_sync.sync(["press"], config=config, return_state=True)

    assert "publication blog: `false` failed with exit code 1" in hook.messages[0]


def test_dry_run_and_run_without_an_address_keep_and_send_nothing(press, hook):
    end_run(press, "press")
    press.configure(alerts(hook.address))
    sync_without_prefect(press.settings, ["press"], dry_run=True)

    assert hook.received == []
    assert press.rows("SELECT count(*) FROM _store.source_outages") == [(0,)]


# --- digest ------------------------------------------------------------------------------


def open_gap(desk: Press, channel: str) -> None:
    now = datetime.now(UTC)
    gap = NewGap(source="press", channel=channel, from_at=now, to_at=now, detected_by="none known")
    with connect(desk.settings.warehouse.path) as db:
        gaps.open_gap(db, gap, run_id="run")


def test_gaps_quarantine_and_other_findings_are_a_digest_once_a_day(desk, hook):
    desk.answers["/a5"] = (200, "text/html", "<html><body><p>Nothing here.</p></body></html>")
    sync(desk)
    first = list(hook.messages)
    open_gap(desk, "feed")
    find(desk, "field_missing", field="authors")
    end_run(desk)
    same_day = hook.messages[1:]
    age(desk, days=1)
    end_run(desk)
    end_run(desk)

    assert [one.splitlines()[0] for one in hook.messages] == ["copydesk: daily digest"] * 2
    assert "press: 1 page or entry new in quarantine" in first[0]
    assert same_day == []
    assert "press feed: entries from" in hook.messages[1]
    assert "press: articles have no authors: expected" in hook.messages[1]
    assert "quarantine (" not in hook.messages[1]


# --- saved queries -----------------------------------------------------------------------

SEARCH = """[alerts.queries.rail]\nsearch = "Railway mayor"\n"""


def test_new_rows_of_a_query_are_sent_once_and_those_of_its_first_run_never(press, hook):
    press.configure(alerts(hook.address, queries=SQL))
    press.write(count=3)
    sync(press)
    first = list(hook.messages)
    press.write(count=4)
    sync(press)
    sync(press)

    assert first == []
    (message,) = hook.messages
    assert message.splitlines()[0] == "copydesk: 1 new row of titles"
    assert f"press:{press.url}/a4 | The bakery" in message


def test_changed_query_starts_again_without_a_message(press, hook):
    press.configure(
        alerts(hook.address, queries=SQL.replace("FROM articles", "FROM articles LIMIT 1"))
    )
    sync(press)
    press.configure(alerts(hook.address, queries=SQL))
    sync(press)

    assert hook.messages == []


def test_search_sends_new_articles_with_all_of_its_words(press, hook):
    press.configure(alerts(hook.address, queries=SEARCH))
    press.write(count=1, day=2)  # museum, railway and so on by number
    sync(press)
    press.write(count=8, day=2)
    press.list_in("/feed.xml", *range(2, 10))
    sync(press)

    (message,) = hook.messages
    assert message.splitlines()[0] == "copydesk: 1 new row of rail"
    assert message.splitlines()[2] == f"- press | The railway | {press.url}/a9"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT nothing FROM articles", "nothing"),
        ("DROP TABLE articles", "read-only"),
        ("SELECT * FROM range(6000)", "more than 5,000 rows"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled"),
    ],
)
def test_query_that_fails_is_a_warning_and_a_line_of_the_digest(press, hook, sql, reason):
    press.configure(alerts(hook.address, queries=f'[alerts.queries.bad]\nsql = "{sql}"\n'))

    messages = sync(press)

    assert len(messages) == 1
    assert messages[0].startswith("alerts: query bad failed: ")
    assert reason in messages[0]
    assert "query bad of [alerts.queries] fails" in hook.messages[0]


def test_slow_query_is_interrupted(press, hook, monkeypatch):
    monkeypatch.setattr(queries, "QUERY_SECONDS", 0.2)
    slow = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range = b.range + 1"
    press.configure(alerts(hook.address, queries=f'[alerts.queries.slow]\nsql = "{slow}"\n'))

    press.sync()

    (found,) = queries.run_queries(press.settings)

    assert (found.name, found.rows, found.is_wrong) == ("slow", (), False)
    assert "longer" in found.error
