"""When a stored article is due: the times of the rule, missed ones, and pauses after failures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.pipeline.revisit import RevisitRule, retry_interval
from flows.schedules import parse_duration
from warehouse.records.entries import VisitTimes

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULE = RevisitRule.of(["7d", "1h", "1d", "1h"])


def test_rule_is_in_order_of_time_without_repetitions():
    assert RULE.after == (HOUR, DAY, 7 * DAY)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (timedelta(0), HOUR / 2, None),
        (timedelta(0), HOUR, HOUR),
        (HOUR, DAY / 2, None),
        (timedelta(0), 3 * DAY, HOUR),  # the longest overdue time counts
        (3 * DAY, 4 * DAY, None),  # one revisit for two missed times
        (3 * DAY, 8 * DAY, 7 * DAY),
        (8 * DAY, 900 * DAY, None),
    ],
)
def test_article_is_due_once_for_each_time_that_has_passed(last, now, due):
    times = VisitTimes(first_fetched_at=FIRST, last_fetched_at=FIRST + last)

    assert RULE.due_at(times, FIRST + now) == (None if due is None else FIRST + due)


def test_empty_rule_makes_nothing_due():
    times = VisitTimes(first_fetched_at=FIRST, last_fetched_at=FIRST)

    assert RevisitRule.of([]).due_at(times, FIRST + 900 * DAY) is None


def test_failed_article_is_due_after_a_pause_that_grows():
    def is_due(minutes: int, failures: int) -> bool:
        times = VisitTimes(
            first_fetched_at=FIRST,
            last_fetched_at=FIRST,
            failed_at=FIRST + HOUR,
            failure_count=failures,
        )
        return RULE.due_at(times, FIRST + HOUR + timedelta(minutes=minutes)) is not None

    assert [is_due(minutes, 1) for minutes in (4, 5)] == [False, True]
    assert [is_due(minutes, 2) for minutes in (19, 20)] == [False, True]
    assert retry_interval(99) == DAY


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", 1.5 * HOUR), ("1h", HOUR), (" 7d ", 7 * DAY), ("2w", 14 * DAY)],
)
def test_duration_has_a_number_and_a_unit(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "0h", "1", "h", "1.5h", "-1h", "1 hour", "99999d"])
def test_other_text_is_no_duration(text):
    with pytest.raises(ValueError, match="expected a number and m, h, d or w"):
        parse_duration(text)
