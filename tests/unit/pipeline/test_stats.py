"""Statistics of a run: one message for similar errors, states, JSON."""

from __future__ import annotations

import re

import pytest

from flows.fetch.errors import ConnectionFailed, FetchError, TimedOut
from flows.pipeline.discover import gap_reason
from flows.pipeline.stats import (
    COUNTERS,
    MAX_MESSAGES,
    OUTCOMES,
    Problem,
    RunReport,
    SourceStats,
    fetch_problem,
    page_problem,
    run_state,
)
from flows.secrets.redact import redact_text


def stats_of(*problems):
    stats = SourceStats(source="a")
    for text, problem in problems:
        stats.fail(text, problem)
    return stats


def dead(channel, *, kind="listing", host="project.example"):
    error: FetchError = ConnectionFailed("takes no connection", url=f"http://{host}/{channel}")
    return str(error), fetch_problem(kind, channel, error)


# --- one message for similar errors ----------------------------------------------------


def test_error_of_one_listing_has_its_address():
    assert stats_of(dead("news")).errors == [
        "listing news: http://project.example/news: takes no connection"
    ]


def test_dead_host_is_one_message_with_host_cause_and_listings():
    stats = stats_of(*map(dead, "abcdefgh"))

    assert stats.errors == [
        "8 listings of project.example (a, b, c, d, e, f and 2 more): takes no connection"
    ]
    assert stats.counts["failed"] == 8


def test_errors_that_differ_in_kind_host_or_cause_are_messages_of_their_own():
    timed_out = TimedOut("no answer in 20 s", url="http://project.example/c")
    stats = stats_of(
        dead("a"),
        dead("b", host="other.example"),
        (str(timed_out), fetch_problem("listing", "c", timed_out)),
        dead("1", kind="page"),
        dead("d"),
    )

    assert stats.errors == [
        "2 listings of project.example (a, d): takes no connection",
        "listing b: http://other.example/b: takes no connection",
        "listing c: http://project.example/c: no answer in 20 s",
        "http://project.example/1: takes no connection",
    ]


def test_number_of_attempts_does_not_separate_errors():
    few, more = (ConnectionFailed("no", url=f"http://project.example/{n}") for n in "ab")
    more.attempts = (object(), object())  # type: ignore[assignment]

    stats = stats_of(*((str(one), fetch_problem("listing", "n", one)) for one in (few, more)))

    assert stats.errors == ["2 listings of project.example (n): no"]


def test_lines_of_one_channel_are_one_message():
    bad = [("expected a title, found none", Problem("line", "news"))] * 7

    assert stats_of(bad[0]).errors == ["news: expected a title, found none"]
    assert stats_of(*bad).errors == ["7 lines of news: expected a title, found none"]


def test_page_is_named_once_whether_its_error_names_it_or_not():
    texts = [
        "http://x.example/1.html: expected a title",
        "http://x.example/2.html: expected a title",
        "expected a text",
        "expected a text",
    ]
    pages = [(text, page_problem(name, text)) for text, name in zip(texts, "1212", strict=True)]

    assert stats_of(pages[0]).errors == ["http://x.example/1.html: expected a title"]
    assert stats_of(pages[3]).errors == ["2: expected a text"]
    assert stats_of(*pages).errors == [
        "2 pages (1, 2): expected a title",
        "2 pages (1, 2): expected a text",
    ]


def test_errors_without_a_problem_are_not_grouped():
    assert stats_of(("it broke", None), ("it broke", None)).errors == ["it broke", "it broke"]


def test_messages_beyond_the_limit_are_counted():
    first = [(f"reason {n}", Problem("line", "news")) for n in range(MAX_MESSAGES)]
    later = [("one reason more", Problem("line", "news"))] * 3

    errors = stats_of(*first, *later, first[0]).errors

    assert len(errors) == MAX_MESSAGES + 1
    assert errors[0] == "2 lines of news: reason 0"
    assert errors[-1] == "and 3 more errors"


def test_secrets_of_addresses_are_redacted():
    bad = [dead("a?token=planted", host="u:planted@project.example") for _ in range(2)]

    (message,) = stats_of(*bad).errors

    assert "planted" not in message
    assert message.startswith("2 listings of project.example (")


@pytest.mark.parametrize(
    "name",
    [
        "token", "key", "apikey", "api_key", "pass", "password", "jwt", "session", "sid", "bearer",
        "authorization", "access_key", "sig", "signature", "AWSAccessKeyId", "x-api-key",
    ],
)  # fmt: skip
def test_each_secret_parameter_is_redacted_in_messages(name):
    assert redact_text(f"http://example.org/a?b=1&{name}=S3cretValue&c=2") == (
        f"http://example.org/a?b=1&{name}=***&c=2"
    )


def test_a_code_in_a_message_still_names_its_article():
    assert redact_text("http://example.org/a?code=600519") == "http://example.org/a?code=600519"


def test_a_redacted_secret_takes_no_punctuation_with_it():
    text = "http://a/?token=pl4nted: found 'http://b/?x=1&sig=pl4nted'; http://c/?key=***, too"

    assert redact_text(text) == (
        "http://a/?token=***: found 'http://b/?x=1&sig=***'; http://c/?key=***, too"
    )


@pytest.mark.parametrize(
    ("entry_count", "text"),
    [(1, "the only entry listed now was not seen"), (2, "none of the 2 entries listed now was")],
)
def test_gap_of_one_entry_is_in_the_singular(entry_count, text):
    assert gap_reason(entry_count).startswith(text)


# --- states and JSON -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_known", "kind", "state", "unalerted", "errors"),
    [
        (False, "line", "completed_with_warnings", 1, ["news: expected a title"]),
        (True, "line", "completed", 0, []),
        (True, "listing", "completed_with_warnings", 0, ["listing news: expected a title"]),
    ],
)
def test_state_and_errors_follow_what_is_new(is_known, kind, state, unalerted, errors):
    stats = SourceStats(source="a")
    stats.quarantine("expected a title", Problem(kind, "news"), is_known=is_known)

    assert (run_state([stats]), stats.unalerted, stats.errors) == (state, unalerted, errors)


def test_known_failures_are_an_error_for_a_person_and_a_warning_for_the_schedule():
    by_hand, scheduled = (SourceStats(source="a", alert_only_new=flag) for flag in (False, True))
    for stats in (by_hand, scheduled):
        stats.quarantine("expected a title", Problem("line", "news"), is_known=True)

    assert run_state([by_hand]) == "completed_with_warnings"
    assert (len(by_hand.errors), len(report_of(by_hand).warnings)) == (1, 0)
    assert run_state([scheduled]) == "completed"
    assert (len(scheduled.errors), len(report_of(scheduled).warnings)) == (0, 1)


def test_run_fails_only_when_every_source_fails():
    broken, good = SourceStats(source="a", is_broken=True), SourceStats(source="b")

    assert run_state([broken]) == "failed"
    assert run_state([broken, good]) == "completed_with_warnings"
    assert run_state([good]) == "completed"
    assert run_state([broken], interrupted=True) == "interrupted"


def test_source_that_lists_nothing_is_stale_unless_another_run_has_it():
    assert SourceStats(source="a").is_stale
    assert not SourceStats(source="a", has_listed=True).is_stale
    assert SourceStats(source="a", has_listed=True, is_broken=True).is_stale
    assert not SourceStats(source="a", is_broken=True, is_locked=True).is_stale


def test_counters_are_stored_once():
    stats = SourceStats(source="a")
    stats.add(new=2)
    stats.mark_counted()
    stats.add(new=1, failed=1)

    assert {name: count for name, count in stats.uncounted().items() if count} == {
        "new": 1,
        "failed": 1,
    }


def report_of(*stats):
    return RunReport(run_id="1", flow="sync", state=run_state(stats), stats=stats)


def test_document_has_every_counter_of_every_source():
    stats = SourceStats(source="a", seconds=1.2345)
    stats.add(discovered=1)
    stats.fail("it broke")
    stats.warnings.append("look at https://project:planted@feeds.example/")

    document = report_of(stats).as_json()

    assert list(document) == [
        "run_id", "flow", "state", "sources", "totals", "errors", "warnings",
    ]  # fmt: skip
    assert list(document["sources"][0]) == ["source", *COUNTERS, "seconds"]
    assert document["sources"][0]["seconds"] == 1.234
    assert document["totals"]["failed"] == 1
    assert document["errors"] == ["a: it broke"]
    assert "planted" not in document["warnings"][0]


def test_outcomes_are_counters():
    assert set(OUTCOMES) < set(COUNTERS)


# --- no entry disappears ---------------------------------------------------------------


def accounted(**counts):
    stats = SourceStats(source="gazette")
    stats.add(**counts)
    stats.check_accounts()
    return stats


def test_outcomes_that_add_up_are_no_error():
    stats = accounted(discovered=9, **dict.fromkeys(OUTCOMES, 1), fetched=7, gaps=2)

    assert (stats.errors, stats.is_unaccounted) == ([], False)


@pytest.mark.parametrize("counts", [{"discovered": 3, "new": 2}, {"new": 1}])
def test_entries_that_disappear_or_are_counted_twice_fail_the_run(counts):
    stats = accounted(**counts)

    assert run_state([stats, SourceStats(source="other")]) == "failed"
    (message,) = stats.errors
    assert all(f"{count}" in message for count in counts.values())


def test_source_that_raised_an_error_has_no_second_one():
    stats = SourceStats(source="gazette", is_broken=True)
    stats.add(discovered=1)
    stats.check_accounts()

    assert not stats.is_unaccounted


def many(count: int, *failing: str) -> RunReport:
    stats = [SourceStats(source=f"feed_{n}") for n in range(count)]
    for number, one in enumerate(stats):
        one.add(discovered=2, new=number % 3, unchanged=2 - number % 3)
        if one.source in failing:
            one.add(discovered=1)
            one.fail("no answer")
    return RunReport(run_id="r", flow="sync", state="completed", stats=tuple(stats))


def test_summary_of_many_sources_has_rows_for_those_that_need_attention():
    report = many(30, "feed_7")
    failed, others, total = report.rows()

    assert (failed["source"], failed["failed"]) == ("feed_7", 1)
    assert (others["source"], others["new"], others["failed"]) == ("29 others", 29, 0)
    assert (total["source"], total["new"], total["discovered"]) == ("total", 30, 61)
    named = ["feed_11 2", "feed_14 2", "feed_17 2", "feed_2 2", "feed_20 2", "feed_23 2"]
    assert re.findall(r"feed_\d+ \d+", report.news()) == named
    assert " 14 more" in report.news()
    assert len(report.as_json()["sources"]) == 30


def test_summary_of_few_sources_has_a_row_for_each():
    report = many(3)

    assert [row["source"] for row in report.rows()] == ["feed_0", "feed_1", "feed_2", "total"]
    assert report.news() == ""


def test_files_that_a_publication_left_alone_are_named():
    edited = {"name": "a", "error": "", "left_alone_files": {"_posts/x.md": "edited"}}
    gone = {"name": "b", "error": "", "vanished_files": ["_posts/y.md"]}
    failed = {"name": "c", "error": "git failed", "left_alone_files": {"_posts/z.md": "edited"}}
    done = {"name": "d", "error": "", "left_alone_files": {}, "vanished_files": []}
    report = RunReport(
        run_id="r",
        flow="sync",
        state="completed_with_warnings",
        stats=(),
        publications=(edited, gone, failed, done),
    )

    first, second, third = report.errors

    assert (first.startswith("publish a: "), "_posts/x.md" in first) == (True, True)
    assert (second.startswith("publish b: "), "_posts/y.md" in second) == (True, True)
    assert third == "publish c: git failed"
