"""Schedules of the configuration: cron, interval or rrule.

    "*/5 * * * *"               cron, five fields, in the time zone of the source
    "every 90 seconds"          interval; seconds, minutes, hours, days or weeks
    "FREQ=DAILY;BYHOUR=7,19"    rrule (RFC 5545), in the time zone of the source

They are checked here without Prefect, so that loading the configuration is fast and refuses
wrong schedules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["cron", "interval", "rrule"]

EXPECTED = (
    "expected cron ('*/5 * * * *'), an interval ('every 10 minutes') "
    "or an rrule ('FREQ=DAILY;BYHOUR=7')"
)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_INTERVAL = re.compile(r"every(?:\s+(\d{1,6}))?\s+(second|minute|hour|day|week)s?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Sequence[tuple[str, int, int, Sequence[str], int]] = (
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day of month", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of week", 0, 7, _DAYS, 0),
)


_TIMES = ("BYHOUR", "BYMINUTE", "BYSECOND")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# dateutil searches to the end of the year 9999. A search from here ends soon, and 40 years hold
# every weekday of every day of the year.
_LATE = datetime(9960, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One parsed schedule.

    Attributes:
        value: Cron fields, the seconds of an interval, or the rule.
        zone: IANA time zone of cron and rrule.
        text: The text of the configuration.
    """

    kind: Kind
    value: str
    zone: str
    text: str

    def __str__(self) -> str:
        """The schedule with its time zone."""
        return self.text if self.kind == "interval" else f"{self.text} ({self.zone})"

    @property
    def prefect_time_zone(self) -> str:
        """The time zone for Prefect: UTC where it gives the same times.

        At the end of daylight saving time, Prefect skips the repeated hour in other zones: a
        schedule of every five minutes would pause for an hour.
        """
        return "UTC" if self._is_same_every_hour and _has_whole_hours(self.zone) else self.zone

    @property
    def _is_same_every_hour(self) -> bool:
        if self.kind == "interval":
            return True
        if self.kind == "cron":
            return self.value.split()[1:] == ["*"] * 4
        parts = dict(part.partition("=")[::2] for part in self.value.split(";"))
        is_short = parts["FREQ"] in ("SECONDLY", "MINUTELY", "HOURLY")
        is_each = parts["FREQ"] != "HOURLY" or parts.get("INTERVAL", "1") == "1"
        return is_short and is_each and parts.keys() <= {"FREQ", "INTERVAL"}


def _has_whole_hours(zone: str) -> bool:
    """Whether the offset of a zone is whole hours, in winter and in summer."""
    year = datetime.now(UTC).year
    offsets = [datetime(year, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() for month in (1, 7)]
    return all(offset is not None and not offset.total_seconds() % 3600 for offset in offsets)


def parse_schedule(text: str, zone: str) -> Schedule:
    """Parse the text of a schedule.

    Raises:
        ValueError: The text is no schedule, or its time never comes.
    """
    text = " ".join(text.split())
    if found := _INTERVAL.fullmatch(text.lower()):
        seconds = int(found[1] or 1) * _UNITS[found[2]]
        if seconds < 1:
            raise ValueError(f"expected an interval of at least one second, found {text!r}")
        return Schedule(kind="interval", value=str(seconds), zone=zone, text=text)
    if text.upper().removeprefix("RRULE:").startswith("FREQ="):
        rule = text.upper().removeprefix("RRULE:")
        _check_rule(rule)
        return Schedule(kind="rrule", value=rule, zone=zone, text=text)
    if len(text.split()) == len(_FIELDS):
        for part, field in zip(text.lower().split(), _FIELDS, strict=True):
            _check_field(part, *field)
        _check_days(*text.lower().split()[2:])
        return Schedule(kind="cron", value=text, zone=zone, text=text)
    raise ValueError(f"{EXPECTED}, found {text!r}")


def _check_rule(rule: str) -> None:
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # it ships no types

    try:
        dates = iter(rrulestr(rule, dtstart=datetime(2026, 1, 1, tzinfo=UTC)))
        # Search the day first: a search second by second for a day takes long.
        days = iter(rrulestr(_without(rule, "UNTIL", *_TIMES, "BYSETPOS"), dtstart=_LATE))
        moments = iter(rrulestr(_without(rule, "UNTIL"), dtstart=_LATE))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{EXPECTED}, found the rule {rule!r}: {error}") from None
    if any(int(found) < 1 for found in re.findall(r"INTERVAL=(-?\d+)", rule)):
        raise ValueError(f"expected an INTERVAL of 1 or more, found {rule!r}")
    if "BYSETPOS=" in rule and re.search("FREQ=(SECOND|MINUTE|HOUR)LY", rule):
        raise ValueError(f"expected BYSETPOS with days or longer only, found {rule!r}")
    if next(days, None) is None or next(moments, None) is None:
        raise ValueError(f"expected a rule whose day comes, found {rule!r}: it never does")
    if "COUNT=" in rule or next(dates, None) is None:
        raise ValueError(f"expected a rule that never ends, found {rule!r}")


def _without(rule: str, *names: str) -> str:
    return ";".join(one for one in rule.split(";") if one.partition("=")[0] not in names)


def _check_field(
    text: str, name: str, low: int, high: int, names: Sequence[str], first: int
) -> None:
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = ["*"] if span == "*" else span.split("-")
        numbers = [_number(end, names, first) for end in ends if end != "*"]
        is_good = (
            1 <= len(ends) <= 2
            and all(number is not None and low <= number <= high for number in numbers)
            and (len(numbers) < 2 or (numbers[0] or 0) <= (numbers[1] or 0))
            and ("/" not in part or (step.isdecimal() and 1 <= int(step) <= high))
        )
        if not is_good:
            raise ValueError(
                f"expected {low} to {high}, '*', a range or a step as {name}, found {part!r} "
                f"in the schedule"
            )


def _check_days(days: str, months: str, weekdays: str) -> None:
    """Refuse a day that no month has, unless weekdays are given: cron then needs either."""
    if len({number % 7 for number in _numbers(weekdays, 0, 7, _DAYS, 0)}) < len(_DAYS):
        return
    first = min(_numbers(days, 1, 31, (), 0))
    if all(first > _LONGEST[month - 1] for month in _numbers(months, 1, 12, _MONTHS, 1)):
        raise ValueError(
            f"expected a day that comes, found day {first} of month {months} in the schedule, "
            "which never does"
        )


def _numbers(text: str, low: int, high: int, names: Sequence[str], first: int) -> set[int]:
    """The numbers of a checked field."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = (
            [low, high] if span == "*" else [_number(one, names, first) for one in span.split("-")]
        )
        begin, end = ends[0] or 0, ends[-1] or 0
        if step and len(ends) == 1:
            end = high
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, names: Sequence[str], first: int) -> int | None:
    if text in names:
        return names.index(text) + first
    return int(text) if text.isdecimal() else None
