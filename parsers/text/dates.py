"""Parse timestamps in a fixed list of formats.

A relative time, a time without a year or a time zone, and an impossible date are unknown,
each with its reason. The module reads no clock.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo

from parsers.model import Moment, Precision

FIRST_YEAR = 1800
LAST_YEAR = 2199
"""Years outside this range are defaults of databases (0001, 9999), not dates of articles."""

MAX_LENGTH = 200
"""No format is longer, so that no pattern searches a long text."""

_CLOCK = r"(?P<hour>\d{1,2})[:时](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?秒?|分)?"
_ZONE = r"\(?(?P<zone>Z|(?:UTC|GMT)?\s?[+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?|[A-Za-z]{2,5})\)?(?:\s*\([^()]*\))?"
_DAY_NAME = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?\s*,?\s*|(?:星期|周)[一二三四五六日天]\s*,?\s*)"
)
_MONTH = r"(?P<month>[A-Za-z]{3,9})\.?"

_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # 2022-03-14 20:43:16 +0800, 2022/03/23, 2024年04月24日23:52, 2022-03-14T20:43:16.5Z
        r"(?P<year>\d{4})\s?(?P<mark>[-/.年])\s?(?P<month>\d{1,2})\s?[-/.月]\s?(?P<day>\d{1,2})\s?日?"
        rf"(?:\s?{_DAY_NAME})?(?:(?:T|\s?[,|]?\s?)(?:{_CLOCK})(?:\s?{_ZONE})?)?",
        # 20220314, 20220314T204316Z, 20220314204316
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
        r"(?:[T ]?(?P<hour>\d{2}):?(?P<minute>\d{2}):?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?"
        rf"(?:\s?{_ZONE})?)?",
        # Wed, 23 Mar 2022 00:00:00 GMT, Fri, 18 Apr 2014, Thu,28 Jul 2022 4:35:5 GMT+9
        rf"{_DAY_NAME}?(?P<day>\d{{1,2}})[\s-]+{_MONTH}[\s,-]+(?P<year>\d{{4}}|\d{{2}})"
        rf"(?:[\s,]+(?:{_CLOCK})(?:\s*{_ZONE})?)?",
        # Wed Mar 23 2022 00:00:00 GMT+0800 (China Standard Time), March 23, 2022
        rf"{_DAY_NAME}?{_MONTH}\s+(?P<day>\d{{1,2}}),?\s+(?P<year>\d{{4}})"
        rf"(?:[\s,]+(?:at\s+)?(?:{_CLOCK})(?:\s*{_ZONE})?)?",
        # Wed Mar 23 20:43:16 CST 2022
        rf"{_DAY_NAME}{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?:{_CLOCK})(?:\s+{_ZONE})?\s+(?P<year>\d{{4}})",
    )
)

_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTHS: Mapping[str, int] = MappingProxyType(
    {
        spelled: number
        for number, name in enumerate(_MONTH_NAMES, start=1)
        for spelled in (name, name[:3])
    }
    | {"sept": 9}
)

# RFC 822 defines the American names; the others have one offset in the news. Names with
# several offsets (BST, IST, AST) stay unknown.
_ZONES: Mapping[str, int] = MappingProxyType(
    {
        "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5,
        "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9, "kst": 9, "hkt": 8, "sgt": 8,
        "bjt": 8, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "wet": 0, "west": 1, "msk": 3,
        "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
    }
)  # fmt: skip

_RELATIVE = re.compile(
    r"刚刚|刚才|今天|昨天|昨日|前天|前日|今日|(?:\d+|几|半|[一二三四五六七八九十]+)\s*个?(?:秒钟?|分钟?|小时|天|日|周|星期|月|年)\s*[之以]?前"
    r"|just now|today|yesterday|\bago\b",
    re.IGNORECASE,
)
_YEARLESS = re.compile(
    rf"(?:\d{{1,2}}\s?[-/.月]\s?\d{{1,2}}\s?日?|{_DAY_NAME}?\d{{1,2}}\s+[A-Za-z]{{3,9}}|[A-Za-z]{{3,9}}\s+\d{{1,2}})"
    r"(?:[\s,]*\d{1,2}:\d{2}(?::\d{2})?)?",
    re.IGNORECASE,
)
_FIND = re.compile(
    r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?"
    r"(?:(?:T|[\s|]*)\d{1,2}[:时]\d{1,2}(?:[:分]\d{1,2}(?:\.\d{1,9})?秒?|分)?"
    r"(?:Z\b|\s?(?:UTC|GMT)?[+-]\d{2}:?\d{2}\b)?)?"
)
_SPACE = re.compile(r"\s+")


class _UnreadableError(ValueError):
    """Why a text is no time."""


def parse_time(
    raw: str, zone: ZoneInfo | None, provenance: str, *, midnight_is_day: bool = False
) -> Moment:
    """Parse the time in a text; an unreadable one is unknown, with the reason.

    Args:
        raw: The text as found.
        zone: The source's time zone, used for times without one.
        provenance: Where the text was found.
        midnight_is_day: Midnight UTC means a calendar day of ``zone``, because the source
            formats days with a clock in UTC.

    Returns:
        The time in UTC. A day is its first instant in ``zone``.
    """
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", raw[:MAX_LENGTH])).strip()
    try:
        if len(raw) > MAX_LENGTH:
            raise _UnreadableError(f"{folded[:40]!r}... is longer than any date")
        return _read(raw, folded, zone, provenance, midnight_is_day)
    except _UnreadableError as why:
        return unknown_time(raw, f"{provenance}: {why}")


def unknown_time(raw: str, why: str) -> Moment:
    """Return an unknown time with its reason."""
    return Moment(
        at=None, raw=raw, precision="unknown", timezone_source="none", provenance=f"absent: {why}"
    )


def from_epoch(value: float | str, provenance: str) -> Moment:
    """Parse seconds or milliseconds since 1970.

    Values from 100,000,000,000 on are milliseconds; as seconds they would be after the
    year 5000. Zero is unknown: it is the default of databases.
    """
    raw = str(value)
    try:
        number = float(value)
        seconds = number / 1000 if abs(number) >= 1e11 else number
        if seconds <= 0:
            return unknown_time(raw, f"{provenance}: {raw[:40]!r} is not a time after 1970")
        at = datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return unknown_time(
            raw, f"{provenance}: {raw[:40]!r} is no number of seconds or milliseconds"
        )
    if at.year > LAST_YEAR:
        return unknown_time(raw, f"{provenance}: the year {at.year} is out of range")
    return Moment(
        at=at, raw=raw, precision="second", timezone_source="value", provenance=provenance
    )


def find_time_text(words: str) -> str:
    """Return the first date and time in a line such as ``2019-09-07 13:43:45 来源: X``.

    The result is empty when the line has none; ``parse_time`` reads it.
    """
    found = _FIND.search(unicodedata.normalize("NFKC", words))
    return found.group().strip() if found else ""


def _read(
    raw: str, folded: str, zone: ZoneInfo | None, provenance: str, midnight_is_day: bool
) -> Moment:
    if re.fullmatch(r"\d{10}|\d{13}", folded):
        return replace(from_epoch(folded, provenance), raw=raw)
    parts = _parts(folded)
    day = _day(parts)
    if parts.get("hour") is None:
        return _whole_day(raw, day, zone, provenance)
    clock, extra, precision = _clock(parts)
    named = parts.get("zone")
    offset = _offset(named, day, clock, zone) if named else None
    if offset is None and zone is None:
        raise _UnreadableError(f"{folded[:40]!r} names no zone and the source declares none")
    if midnight_is_day and zone is not None and _is_utc_midnight(offset, clock):
        return _whole_day(raw, day, zone, f"{provenance}, midnight in UTC stands for the day")
    at = _utc(datetime.combine(day, clock), offset or zone or UTC, extra)
    return Moment(
        at=at,
        raw=raw,
        precision=precision,
        timezone_source="value" if offset else "source",
        provenance=provenance,
    )


def _parts(folded: str) -> dict[str, str | None]:
    for form in _FORMS:
        if found := form.fullmatch(folded):
            return found.groupdict()
    if not folded or re.fullmatch(r"[+-]\d{2}:?\d{2}", folded):
        raise _UnreadableError("there is no date")
    if _RELATIVE.search(folded):
        raise _UnreadableError(f"{folded[:40]!r} is relative to an unknown moment")
    if _YEARLESS.fullmatch(folded):
        raise _UnreadableError(f"{folded[:40]!r} names no year")
    raise _UnreadableError(f"{folded[:40]!r} is no known form of a date")


def _day(parts: Mapping[str, str | None]) -> date:
    year_text, month_text, day_text = (parts[name] or "" for name in ("year", "month", "day"))
    month = int(month_text) if month_text.isdigit() else _MONTHS.get(month_text.lower(), 0)
    year = int(year_text)
    if len(year_text) == 2:
        year += 1900 if year >= 70 else 2000  # RFC 2822 4.3, with the pivot of POSIX
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise _UnreadableError(f"the year {year} is out of range")
    try:
        return date(year, month, int(day_text))
    except ValueError as error:
        raise _UnreadableError(f"{year_text}-{month_text}-{day_text} is no date") from error


def _clock(parts: Mapping[str, str | None]) -> tuple[time, timedelta, Precision]:
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    second = int(parts["second"] or 0)
    microsecond = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    extra = timedelta()
    if (hour, minute, second) == (24, 0, 0):
        hour, extra = 0, timedelta(days=1)  # ISO 8601: the end of the day
    elif second == 60:
        second, extra = 59, timedelta(seconds=1)  # a leap second
    try:
        clock = time(hour, minute, second, microsecond)
    except ValueError as error:
        raise _UnreadableError(f"{hour}:{minute}:{second} is no time of day") from error
    return clock, extra, "minute" if parts["second"] is None else "second"


def _offset(named: str, day: date, clock: time, zone: ZoneInfo | None) -> tzinfo:
    name = named.lower()
    digits = re.fullmatch(r"(?:utc|gmt)?\s?([+-])(\d{1,2}):?(\d{2})?:?(\d{2})?", name)
    if digits:
        sign, hours, minutes, seconds = digits.groups(default="0")
        ahead = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
        if int(minutes) > 59 or ahead > timedelta(hours=15):
            raise _UnreadableError(f"{named!r} is no offset")
        return timezone(-ahead if sign == "-" else ahead)
    # CST is the time of China or of Chicago: the source's zone decides.
    if zone is not None and datetime.combine(day, clock, zone).tzname() == named.upper():
        return zone
    if name not in _ZONES:
        raise _UnreadableError(f"{named!r} is no zone with one offset")
    return UTC if _ZONES[name] == 0 else timezone(timedelta(hours=_ZONES[name]))


def _is_utc_midnight(offset: tzinfo | None, clock: time) -> bool:
    return offset is not None and offset.utcoffset(None) == timedelta() and clock == time()


def _whole_day(raw: str, day: date, zone: ZoneInfo | None, provenance: str) -> Moment:
    if zone is None:
        raise _UnreadableError(f"{day} names no zone and the source declares none")
    at = _utc(datetime.combine(day, time()), zone, timedelta())
    return Moment(at=at, raw=raw, precision="day", timezone_source="source", provenance=provenance)


def _utc(local: datetime, zone: tzinfo, extra: timedelta) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC) + extra
