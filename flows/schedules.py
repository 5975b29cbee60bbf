"""Schedules of the configuration: cron, interval or rrule.

    "*/5 * * * *"               cron, five fields, in the time zone of the source
    "every 90 seconds"          interval; seconds, minutes, hours, days or weeks
    "FREQ=DAILY;BYHOUR=7,19"    rrule (RFC 5545), in the time zone of the source

They are checked here without Prefect, so that loading the configuration is fast and refuses
wrong schedules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["cron", "interval", "rrule"]

EXPECTED = (
    "expected cron ('*/5 * * * *'), an interval ('every 10 minutes') "
    "or an rrule ('FREQ=DAILY;BYHOUR=7')"
)
EXPECTED_DURATION = "expected a number and m, h, d or w ('90m', '1h', '7d')"
_DURATION = re.compile(r"(\d{1,4})([mhdw])")
_DURATION_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_INTERVAL = re.compile(r"every(?:\s+(\d{1,6}))?\s+(second|minute|hour|day|week)s?")
_CRON = re.compile(r"(?:[\d*,/ -]|[a-z]{3})+", re.IGNORECASE)
_TIMES = ("BYHOUR", "BYMINUTE", "BYSECOND")
# dateutil searches to the end of the year 9999. A search from here ends soon, and 40 years hold
# every weekday of every day of the year.
_LATE = datetime(9960, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as ``90m``, ``1h``, ``7d`` or ``2w``.

    Raises:
        ValueError: It is none, or zero.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(EXPECTED_DURATION)
    return timedelta(**{_DURATION_UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One parsed schedule.

    Attributes:
        value: Cron fields, the seconds of an interval, or the rule.
        zone: IANA time zone of cron and rrule.
        text: The text of the configuration.
        offset_seconds: How much later an interval begins.
    """

    kind: Kind
    value: str
    zone: str
    text: str
    offset_seconds: int = 0

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
    if len(text.split()) == 5:
        _check_cron(text)
        return Schedule(kind="cron", value=text, zone=zone, text=text)
    raise ValueError(f"{EXPECTED}, found {text!r}")


def next_time(schedule: Schedule, after: datetime) -> datetime | None:
    """The first time of a schedule after a moment (aware UTC); ``None`` if there is none."""
    from cronsim import CronSim
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # it ships no types

    if schedule.kind == "interval":
        return after + timedelta(seconds=float(schedule.value))
    local = after.astimezone(ZoneInfo(schedule.zone))
    if schedule.kind == "cron":
        found: datetime | None = next(CronSim(schedule.value, local), None)
    else:
        found = rrulestr(schedule.value, dtstart=local).after(local)
    return None if found is None else found.astimezone(UTC)


def _check_cron(text: str) -> None:
    from cronsim import CronSim, CronSimError

    if not _CRON.fullmatch(text):
        raise ValueError(f"expected cron of digits, names, '*', ',', '-' and '/', found {text!r}")
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        reason = str(error).lower() or "it never comes"
        raise ValueError(
            f"expected cron, such as '*/5 * * * *', found {text!r}: {reason}"
        ) from None


def _check_rule(rule: str) -> None:
    from dateutil.rrule import rrulestr

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
