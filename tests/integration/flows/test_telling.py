"""What a run says of what went wrong: each thing once, and what is alike in one sentence."""

from __future__ import annotations

import pytest

from flows.cli.demo_run import free_port
from flows.fetch.errors import ConnectionFailed, FetchError, TimedOut
from flows.pipeline.stats import MAX_MESSAGES, Problem, SourceStats, fetch_problem, page_problem
from flows.reporting import artifacts
from flows.reporting.artifacts import Failure
from tests.site import Fault


def tally(*problems):
    one = SourceStats(source="a")
    for words, about in problems:
        one.fail(words, about)
    return one


def dead(channel, why="takes no connection", kind="listing", host="desk.example"):
    error: FetchError = ConnectionFailed(why, url=f"http://{host}/{channel}")
    return str(error), fetch_problem(kind, channel, error)


# --- one sentence for what is alike ----------------------------------------------------


def test_one_listing_is_told_with_its_address():
    assert tally(dead("news")).errors == [
        "listing news: http://desk.example/news: takes no connection"
    ]


def test_dead_host_is_one_sentence_that_names_host_reason_and_listings():
    found = tally(*map(dead, "abcdefgh"))

    assert found.errors == [
        "8 listings of desk.example (a, b, c, d, e, f and 2 more): takes no connection"
    ]
    assert found.counts["failed"] == 8


def test_what_differs_is_told_apart():
    timed_out = TimedOut("no answer in 20 s", url="http://desk.example/c")
    found = tally(
        dead("a"),
        dead("b", host="other.example"),
        (str(timed_out), fetch_problem("listing", "c", timed_out)),
        dead("1", kind="page"),
        dead("d"),
    )

    assert found.errors == [
        "2 listings of desk.example (a, d): takes no connection",
        "listing b: http://other.example/b: takes no connection",
        "listing c: http://desk.example/c: no answer in 20 s",
        "http://desk.example/1: takes no connection",
    ]


def test_number_of_attempts_does_not_tell_alike_ones_apart():
    few, many = (ConnectionFailed("no", url=f"http://desk.example/{n}") for n in "ab")
    many.attempts = (object(), object())  # type: ignore[assignment]

    found = tally(*((str(one), fetch_problem("listing", "n", one)) for one in (few, many)))

    assert found.errors == ["2 listings of desk.example (n): no"]


def test_lines_of_one_channel_are_one_sentence():
    bad = [("expected a title, found none", Problem("line", "news"))] * 7

    assert tally(bad[0]).errors == ["news: expected a title, found none"]
    assert tally(*bad).errors == ["7 lines of news: expected a title, found none"]


def test_page_is_named_once_whether_its_error_names_it_or_not():
    words = ["http://x.example/1.html: expected a title", "expected a text"]
    pages = [(one, page_problem(name, one)) for one in words for name in ("1", "2")]
    pages[1] = (
        "http://x.example/2.html: expected a title",
        page_problem("2", "http://x.example/2.html: expected a title"),
    )

    assert tally(pages[0]).errors == ["http://x.example/1.html: expected a title"]
    assert tally(pages[3]).errors == ["2: expected a text"]
    assert tally(*pages).errors == [
        "2 pages (1, 2): expected a title",
        "2 pages (1, 2): expected a text",
    ]


def test_words_without_what_they_are_about_are_told_as_they_are():
    assert tally(("it broke", None), ("it broke", None)).errors == ["it broke", "it broke"]


def test_many_that_differ_are_cut_and_many_that_are_alike_are_not_lost():
    first = [(f"reason {n}", Problem("line", "news")) for n in range(MAX_MESSAGES)]
    later = [("one reason more", Problem("line", "news"))] * 3

    found = tally(*first, *later, first[0])

    assert len(found.errors) == MAX_MESSAGES + 1
    assert found.errors[0] == "2 lines of news: reason 0"
    assert found.errors[-1] == "and 3 more errors"


def test_secrets_are_masked_in_what_is_alike_too():
    bad = [dead("a?token=planted", host="u:planted@desk.example") for _ in range(2)]

    (found,) = tally(*bad).errors

    assert "planted" not in found
    assert found.startswith("2 listings of desk.example (")


def test_failures_alike_are_shown_once_with_a_command_each():
    def failure(number: int, expected: str) -> Failure:
        return Failure(
            quarantine_id=f"{number:08x}-0000", source="a", channel="news", what=f"a:{number}",
            reason="layout_changed", expected=expected, found="none", attempts=number,
        )  # fmt: skip

    words = artifacts.quarantine_markdown([failure(1, "h1"), failure(2, "h2"), failure(3, "h1")], 3)

    assert words.count("**layout changed**") == 2
    assert "**layout changed**, 2 times, `a`, `news`\n- expected: `h1`\n- found: `none`\n" in words
    assert "- look at it: `copydesk quarantine show 00000003`: `a:3`, attempt 3" in words
    assert words.count("copydesk quarantine show ") == 3


# --- in runs ---------------------------------------------------------------------------


@pytest.mark.e2e
def test_site_that_is_down_is_one_sentence_of_a_run(desk):
    text = desk.config.read_text(encoding="utf-8")
    down = f"127.0.0.1:{free_port(0)}"
    desk.config.write_text(text.replace(f"127.0.0.1:{desk.stand.port}", down), encoding="utf-8")

    report = desk.sync("finews")

    (listings,) = [words for words in report.errors if "listing" in words]
    channels = "emnews, media, market-37, market-38, market-39"
    assert listings.startswith(f"finews: 5 listings of {down} ({channels}): ")
    assert "takes no connection" in listings
    assert report.totals()["failed"] == 6  # the share link, too


@pytest.mark.e2e
def test_each_thing_is_said_once_in_a_sentence(desk, faults):
    faults |= {
        "/web/webapi?type=45": Fault(body=b"<html><body>busy</body></html>"),
        "/newmarket/web/webapi?marketType=37": Fault(rename=(b'"infoCode"', b'"code"')),
        "/newmarket/web/webapi?marketType=38": Fault(rename=(b'"record"', b'"records"')),
        "/__api": Fault(rename=(b'"permalink"', b'"link"')),
        "/CATList": Fault(body=b"<html><body>moved</body></html>"),
    }

    report = desk.sync("finews", "woshipm_direct", "ofweek")

    said = "\n".join(report.errors)
    for thing in ("listing media:", "market-37", "market-38", "latest", "CATList"):
        (words,) = [words for words in report.errors if thing in words]
        assert words.count(thing) == 1, words
    for words in report.errors:
        source, name = words.split(": ")[:2]
        assert words.count(source) == 1, said
        assert words.count(name) == 1, said
    assert "finews: 7 lines of market-37: expected the key 'infoCode', found " in said
    assert "finews: listing media: expected JSON, found '<html>" in said


@pytest.mark.e2e
def test_page_that_cannot_be_read_is_named(desk, faults):
    article = "NW202203142308441556"
    faults[f"/NewsData/GetNewsText.do?id={article}"] = Fault(rename=(b'"text"', b'"words"'))

    report = desk.sync("finews")

    (words,) = [words for words in report.errors if "expected the key 'text'" in words]
    assert words.startswith(f"finews: {article}: the text API: expected the key 'text'")
    (words,) = [words for words in report.errors if "found no title" in words]
    assert words.count("202203142307110006") == 1


@pytest.mark.parametrize(
    ("entries", "words"),
    [(1, "the only entry listed now was not seen"), (2, "none of the 2 entries listed now was")],
)
def test_gap_of_one_entry_is_told_in_the_singular(entries, words):
    from flows.pipeline.discover import gap_reason

    assert gap_reason(entries).startswith(words)


@pytest.mark.e2e
def test_line_in_quarantine_says_which_channel_it_was_in(desk):
    desk.sync("finews")

    ((message,),) = desk.rows("SELECT message FROM quarantine WHERE article_id IS NULL")

    assert message == "media: expected an id under 'infocode', found an empty one"


def test_numbers_have_the_nouns_that_people_give_them():
    from flows.admin.query import _age

    assert [_age(hours * 3600) for hours in (1.2, 30, 50)] == ["1 hour", "30 hours", "2 days"]
