"""The Retry-After field (RFC 9110 10.2.3): seconds, or a date in one of three forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

MAX_SECONDS = 366 * 86400.0
"""Longer waits are cut to this; no run is that patient anyway."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
_FORMS = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        # IMF-fixdate; a one-digit day and other zones are common mistakes, and unambiguous.
        rf"[a-z]{{3}}, (?P<day>\d{{1,2}}) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_CLOCK} "
        r"(?P<zone>GMT|UTC|UT|Z|[+-]\d{4})",
        rf"[a-z]{{6,9}}, (?P<day>\d{{2}})-(?P<month>[a-z]{{3}})-(?P<year>\d{{2}}) {_CLOCK} "
        r"(?P<zone>GMT|UTC)",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})",
    )
)


def parse_http_date(value: str, *, now: datetime) -> datetime | None:
    """An HTTP-date as aware UTC, or ``None`` if it is none.

    A two-digit year that would lie more than 50 years ahead means the past
    (RFC 9110 5.6.7).
    """
    text = value.strip()
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return _date(found.groupdict(), now)
    return None


def _date(parts: dict[str, str], now: datetime) -> datetime | None:
    if parts["month"].lower() not in _MONTHS:
        return None
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += now.year // 100 * 100
        year -= 100 if year > now.year + 50 else 0
    try:
        return datetime(
            year,
            _MONTHS.index(parts["month"].lower()) + 1,
            int(parts["day"]),
            int(parts["hour"]),
            int(parts["minute"]),
            min(int(parts["second"]), 59),
            tzinfo=_zone(parts.get("zone", "GMT")),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return timezone(-offset if text[0] == "-" else offset)


def parse_retry_after(value: str | None, *, now: datetime, date: str | None = None) -> float | None:
    """Seconds to wait, or ``None`` if the field is missing or makes no sense.

    Args:
        value: The field as received.
        now: Our time, aware.
        date: The answer's Date field: a date is judged by the server's own clock.
    """
    if value is None:
        return None
    text = value.strip(" \t")
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return MAX_SECONDS if len(text) > 9 else min(float(text), MAX_SECONDS)
    at = parse_http_date(text, now=now)
    if at is None:
        return None
    base = parse_http_date(date, now=now) if date else None
    return min(max(0.0, (at - (base or now)).total_seconds()), MAX_SECONDS)
