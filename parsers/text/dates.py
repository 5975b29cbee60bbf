"""Parse timestamps in a fixed list of formats and the words of ``date_words``.

A relative time, a time without a year, an impossible date, a placeholder such as
1970-01-01, and a date that may be read in two ways are unknown, each with its reason.
The module reads no clock.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsers.model import Moment, Precision, TimezoneSource
from parsers.text.date_words import FILLERS, MONTHS, WEEKDAYS, ZONES, fold

FIRST_YEAR = 1800
LAST_YEAR = 2199
"""Years outside this range are defaults of databases (0001, 9999), not dates of articles."""

MAX_AHEAD = timedelta(days=2)
"""How far a time may be ahead of the fetch of its page."""

MAX_LENGTH = 200
"""No format is longer, so that no pattern searches a long text."""

# Text is matched after ``_normal``: a month name is "§4", a clock has colons and am or pm.
_CLOCK = (
    r"(?P<hour>\d{1,2})(?:[:时](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2})"
    r"(?:[.,](?P<fraction>\d{1,9}))?秒?|分)?\s?(?P<half>[ap]m\b)?|\s?(?P<full>[ap]m\b))"
)
_ZONE = (
    r"\(?(?P<zone>Z|(?:UTC|GMT)?\s?[+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?"
    r"|[A-Z][A-Za-z]+(?:/[\w+-]+){1,2}|[A-Z]{2,5})\)?(?:\s*\([^()]*\)|\[[\w/+-]+\])?"
)
_TIME = rf"(?:[T\s,|·•@]|\s[-–—]\s)*{_CLOCK}(?:\s?{_ZONE})?"
_YEAR = r"(?P<year>\d{4})"
_MONTH = r"§(?P<month>\d{1,2})"
_DAY = r"(?P<day>\d{1,2})"

_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # 2022-03-14 20:43:16 +0800, 2022/03/23, 2024年04月24日23:52, 2022-03-14T20:43:16.5Z
        rf"{_YEAR}\s?[-/.年]\s?(?P<month>\d{{1,2}})\s?[-/.月]\s?{_DAY}(?!\d)\s?日?\.?(?:{_TIME})?",
        # 2022-03-14Z, 2022-03-14+01:00
        rf"{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?P<zone>Z|[+-]\d\d:\d\d)",
        # 20220314, 20220314T204316Z, 20220314204316
        rf"{_YEAR}(?P<month>\d{{2}})(?P<day>\d{{2}})"
        r"(?:[T ]?(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
        rf"(?:\s?{_ZONE})?)?",
        # 23 March 2022 00:00:00 GMT, 18-Apr-14, 28 Jul 2022 4:35:5 GMT+9
        rf"{_DAY}[.\s-]*{_MONTH}[\s,.-]*(?P<year>\d{{4}}|(?<!\d)\d{{2}}(?!\d))(?:{_TIME})?",
        # March 23 2022 00:00:00 GMT+0800 (China Standard Time), March 23, 2022
        rf"{_MONTH}[\s.-]+{_DAY},?[\s-]+{_YEAR}(?:{_TIME})?",
        # March 23 20:43:16 CST 2022
        rf"{_MONTH}\s+{_DAY}\s+{_CLOCK}(?:\s+{_ZONE})?\s+{_YEAR}",
        # 2022 March 23
        rf"{_YEAR}[.,\s-]+{_MONTH}[.\s-]+{_DAY}\.?(?:{_TIME})?",
        # 14.03.2022 20:43, 27/11/2017
        rf"(?P<one>\d{{1,2}})(?P<mark>[./-])\s?(?P<two>\d{{1,2}})(?P=mark)\s?{_YEAR}(?:{_TIME})?",
    )
)
_CLOCK_FIRST = re.compile(
    rf"(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\s?[ap]m)?(?:\s?(?:{'|'.join(ZONES)}))?)"
    r"[\s,|·•–—-]+(?P<day>\S.*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*\.?")
_IANA = re.compile(r"\b[A-Z][A-Za-z]+(?:/[A-Za-z][\w+-]*){1,2}")
_REWRITES = tuple(
    (re.compile(form, re.IGNORECASE), text)
    for form, text in (
        # Korean and traditional characters
        (r"(?<=\d)\s?년", "年"), (r"(?<=\d)\s?월", "月"), (r"(?<=\d)\s?일", "日"),
        (r"(?<=\d)\s?[時시](?=\s?\d)", "时"), (r"(?<=\d)\s?분", "分"), (r"(?<=\d)\s?초", "秒"),
        # weekdays
        (r"[(（]?(?:星期|周|週|礼拜|禮拜)[一二三四五六日天][)）]?|[(（]?[日月火水木金土]曜日?[)）]?"
         r"|[(（]?[월화수목금토일]요일[)）]?|[(（][日月火水木金土월화수목금토일一二三四五六][)）]", " "),
        # labels
        (r"^(?:(?:发布|發布|发表|發表|發佈|刊登|刊發|刊发|公開|掲載|投稿|등록|입력|게시)(?:时间|時間|日期|日時|日|于|於|일)?"
         r"|时间|時間|日期)\s?[:：]?", " "),
        # 12-hour clocks
        (r"(?:上午|午前|오전)\s?(\d{1,2}[:时]\d{1,2}(?:[:分]\d{1,2}秒?|分)?)", r" \1am"),
        (r"(?:下午|午後|오후)\s?(\d{1,2}[:时]\d{1,2}(?:[:分]\d{1,2}秒?|分)?)", r" \1pm"),
        (r"(?<=\d)\s?([ap])\.?\s?m\b\.?", r"\1m"),
        # 15h09, 15.09 Uhr, kl. 15.09, 15 Uhr
        (r"(?<=[\s,])(\d{1,2})\s?(?:h|hs|std)\s?(\d{2})\b", r"\1:\2"),
        (r"(?<=[\s,])(\d{1,2})[.:](\d{2})\s?(?:uhr|uur|h)\b", r"\1:\2"),
        (r"\b(?:kl\.?|klo|klockan|ore|om)\s(\d{1,2})\.(\d{2})\b", r"\1:\2"),
        (r"(?<=[\s,])(\d{1,2})\s?(?:uhr|uur|h)\b(?!\s?\d)", r"\1:00"),
        # 2026 г., 2026 р., 2026 r.
        (r"(?<=\d{4})\s?[грr]\b\.?", " "),
        # ordinals
        (r"\b(\d{1,2})(?:st|nd|rd|th|er|ère|[oaºª°])\b", r"\1"),
        # a named zone after an offset
        (r"([+-]\d\d:?\d\d|Z)\[[\w/+-]+\]$", r"\1"),
    )
)  # fmt: skip

CHANGE = re.compile(
    r"\b(?:updated?|modified|edited|revised|actuali[sz]ad[oa]|aktualisiert|geändert|mis à jour|modifié|aggiornat[oa]|modificat[oa]"
    r"|atualizad[oa]|bijgewerkt|gewijzigd|uppdaterad|opdateret|oppdatert|päivitetty|aktualizacja|zaktualizowano|aktualizováno"
    r"|обновлен[оа]?|изменен[оа]?|оновлено)\b|更新|修改|最后编辑|编辑于(?=[\s:：]*\d)|수정|変更",
    re.IGNORECASE,
)
"""A label of the time of the last change."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACEHOLDERS = frozenset(
    {date(1899, 12, 30), date(1899, 12, 31), date(1900, 1, 1), date(1904, 1, 1)}
)

_RELATIVE = re.compile(
    r"刚刚|刚才|今天|昨天|昨日|前天|前日|今日|(?:\d+|几|半|[一二三四五六七八九十]+)\s*个?(?:秒钟?|分钟?|小时|天|日|周|星期|月|年)\s*[之以]?前"
    r"|just now|today|yesterday|\bago\b",
    re.IGNORECASE,
)
_YEARLESS = re.compile(
    r"(?:\d{1,2}\s?[-/.月]\s?\d{1,2}\s?日?|\d{1,2}[.\s]+§\d+|§\d+\s+\d{1,2})(?:[\s,]*\d{1,2}:\d{2}(?::\d{2})?)?"
)
# A clock whose zone cannot be read is left out: the day alone is right.
_TAIL = (
    rf"(?:\s?(?:[ap]\.?m\b\.?))?(?:Z\b|\s?(?:UTC|GMT)?[+-]\d{{2}}:?\d{{2}}\b|\s(?:{'|'.join(ZONES)})\b)?"
    r"(?![:\d]|\s?\(?(?:ADT|AMT|AST|BST|ECT|GST|IST|NDT|NST|SST)\b|\s\(?[a-z]+/[a-z])"
)
_NAME = r"[^\W\d_]{3,12}\.?"
_FIND = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?"
        r"(?:(?:T|[\s|]*)(?:上午|下午)?\s?\d{1,2}[:时]\d{1,2}(?:[:分]\d{1,2}(?:\.\d{1,9})?秒?|分)?"
        rf"{_TAIL})?",
        rf"(?<![\d–-])\b(?:\d{{1,2}}(?:st|nd|rd|th|er|[oa])?\.?\s+(?:de\s+)?{_NAME}|{_NAME}\s+\d{{1,2}}(?:st|nd|rd|th)?),?"
        r"\s+(?:de\s+)?(?:19|20)\d\d\b"
        rf"(?:(?:,|\s[-–—|·])?\s+(?:at\s|um\s|à\s|kl\.?\s)?\d{{1,2}}:\d{{2}}(?::\d{{2}})?{_TAIL})?",
        rf"(?<![\d.])\d{{1,2}}\.\s?\d{{1,2}}\.\s?(?:19|20)\d\d(?![\d:])(?:(?:,|\s[-–—|])?\s+\d{{1,2}}:\d{{2}}{_TAIL})?",
        rf"(?<![\d/])\d{{1,2}}/\d{{1,2}}/(?:19|20)\d\d(?![\d/])(?:(?:,|\s[-–—|])?\s+\d{{1,2}}:\d{{2}}{_TAIL})?",
        r"(?<!\d)\d{2}-\d{1,2}-\d{1,2}(?=\s+\d{1,2}:\d{2})",
    )
)
_NUMERIC = re.compile(r"[\d\sTZ:.,/+年月日时分秒-]*\d[TZ年月日时分秒]?")
_MAY_BE_DATE = re.compile(r"\d{4}|\d\d-\d")
_CLOCK_AFTER = re.compile(r"[\s,T|·–—-]*(?:上午|下午|at |um |à |kl\.? )?\s?\d{1,2}[:时]\d{1,2}.*$")
_MAX_LINE = 2_000
_SPACE = re.compile(r"\s+")


class _UnreadableError(ValueError):
    """Why a text is no time."""


def parse_time(
    raw: str,
    zone: ZoneInfo | None,
    provenance: str,
    *,
    midnight_is_day: bool = False,
    day_first: bool | None = None,
) -> Moment:
    """Parse the time in a text; an unreadable one is unknown, with the reason.

    Args:
        raw: The text as found.
        zone: The time zone that the source declares, used for times without one. ``None``
            means UTC, and timezone_source ``none``.
        provenance: Where the text was found.
        midnight_is_day: Midnight UTC means a calendar day of ``zone``, because the source
            formats days with a clock in UTC.
        day_first: How the page writes 03/04/2026; ``None`` leaves it unknown.

    Returns:
        The time in UTC. A day is its first instant in its zone.
    """
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", raw[:MAX_LENGTH])).strip()
    try:
        if len(raw) > MAX_LENGTH:
            raise _UnreadableError(f"{folded[:40]!r}... is longer than any date")
        if re.fullmatch(r"\d{10}|\d{13}", folded):
            return replace(from_epoch(folded, provenance, zone), raw=raw)
        return _read(raw, folded, zone, provenance, midnight_is_day, day_first)
    except _UnreadableError as why:
        return unknown_time(raw, f"{provenance}: {why}")


def unknown_time(raw: str, why: str) -> Moment:
    """Return an unknown time with its reason."""
    return Moment(
        at=None,
        on=None,
        raw=raw,
        precision="unknown",
        timezone=None,
        timezone_source="none",
        provenance=f"absent: {why}",
    )


def without_future(moment: Moment, fetched_at: datetime) -> Moment:
    """Return the time, or an unknown one when it is after its page."""
    if moment.at is None or moment.at - fetched_at <= MAX_AHEAD:
        return moment
    why = f"{moment.provenance}: {moment.raw[:40]!r} is in the future of its page"
    return unknown_time(moment.raw, why)


def from_epoch(value: float | str, provenance: str, zone: ZoneInfo | None = None) -> Moment:
    """Parse seconds or milliseconds since 1970; ``zone`` is the one of the day.

    Values from 100,000,000,000 on are milliseconds; as seconds they would be after the
    year 5000. Times of the first day are unknown: zero is the default of databases.
    """
    raw = str(value)
    try:
        number = float(value)
        seconds = number / 1000 if abs(number) >= 1e11 else number
        if seconds <= 0:
            return unknown_time(raw, f"{provenance}: {raw[:40]!r} is not a time after 1970")
        at = datetime.fromtimestamp(seconds, tz=UTC)
        return _moment(at, raw, zone or UTC, zone, "second", "value", provenance)
    except _UnreadableError as why:
        return unknown_time(raw, f"{provenance}: {why}")
    except (ValueError, OverflowError, OSError):
        return unknown_time(
            raw, f"{provenance}: {raw[:40]!r} is no number of seconds or milliseconds"
        )


def find_time_text(words: str) -> str:
    """Return the first date and time in a line such as ``2019-09-07 13:43:45 来源: X``.

    The result is empty when the line has none that ``parse_time`` reads.
    """
    if not _MAY_BE_DATE.search(words):
        return ""
    line = _SPACE.sub(" ", unicodedata.normalize("NFKC", words[:_MAX_LINE]))
    for form in _FIND:
        for found in form.finditer(line):
            text = found.group().strip()
            if _is_readable(text):
                return text
            # The clock may be a part of other words.
            if _is_readable(day := _CLOCK_AFTER.sub("", text)):
                return day
    return ""


def _is_readable(text: str) -> bool:
    try:
        _day(_parts(text, day_first=True))
    except _UnreadableError:
        return False
    return True


def _read(
    raw: str,
    folded: str,
    zone: ZoneInfo | None,
    provenance: str,
    midnight_is_day: bool,
    day_first: bool | None,
) -> Moment:
    parts = _parts(folded, day_first)
    day = _day(parts)
    named = parts.get("zone")
    if parts.get("hour") is None and parts.get("full") is None:
        offset = _offset(named, day, time(), zone) if named else None
        return _whole_day(raw, day, offset, zone, provenance)
    clock, extra, precision = _clock(parts)
    offset = _offset(named, day, clock, zone) if named else None
    if midnight_is_day and _is_utc_midnight(offset, clock):
        return _whole_day(raw, day, None, zone, f"{provenance}, midnight in UTC stands for the day")
    own = offset or zone or UTC
    if day in _PLACEHOLDERS or (day == _EPOCH.date() and clock == time()):
        raise _UnreadableError(f"{day} is a placeholder")
    at = datetime.combine(day, clock, own).astimezone(UTC) + extra
    source, how = _zone_source(offset, zone, provenance)
    return _moment(at, raw, own, zone, precision, source, how)


def _moment(
    at: datetime,
    raw: str,
    own: tzinfo,
    zone: ZoneInfo | None,
    precision: Precision,
    source: TimezoneSource,
    provenance: str,
) -> Moment:
    """Return a time; its day is in the declared zone, else in its own."""
    if at.year > LAST_YEAR:
        raise _UnreadableError(f"the year {at.year} is out of range")
    if abs(at - _EPOCH) < timedelta(days=1):
        raise _UnreadableError(f"{at:%Y-%m-%d} is a placeholder")
    return Moment(
        at=at,
        on=at.astimezone(zone or own).date(),
        raw=raw,
        precision=precision,
        timezone=_zone_name(zone or own),
        timezone_source=source,
        provenance=provenance,
    )


def _whole_day(
    raw: str, day: date, offset: tzinfo | None, zone: ZoneInfo | None, provenance: str
) -> Moment:
    if day in _PLACEHOLDERS or day == _EPOCH.date():
        raise _UnreadableError(f"{day} is a placeholder")
    own = offset or zone or UTC
    source, how = _zone_source(offset, zone, provenance)
    return Moment(
        at=datetime.combine(day, time(), own).astimezone(UTC),
        on=day,
        raw=raw,
        precision="day",
        timezone=_zone_name(own),
        timezone_source=source,
        provenance=how,
    )


def _zone_source(
    offset: tzinfo | None, zone: ZoneInfo | None, provenance: str
) -> tuple[TimezoneSource, str]:
    if offset:
        return "value", provenance
    if zone:
        return "source", provenance
    return "none", f"{provenance}; no zone is declared, so in UTC"


def _zone_name(zone: tzinfo) -> str:
    """Return the IANA name of a zone, else an offset like ``+08:00``."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    name = str(zone)
    return name if name == "UTC" else name.removeprefix("UTC")


def _parts(folded: str, day_first: bool | None) -> dict[str, str | None]:
    text = folded if _NUMERIC.fullmatch(folded) else _normal(folded)
    if clock_first := _CLOCK_FIRST.fullmatch(text):
        text = f"{clock_first['day']} {clock_first['clock']}"
    for form in _FORMS:
        if found := form.fullmatch(text):
            parts = found.groupdict()
            return parts if "one" not in parts else parts | _day_and_month(parts, day_first)
    if not folded or re.fullmatch(r"[+-]\d{2}:?\d{2}", folded):
        raise _UnreadableError("there is no date")
    if CHANGE.search(folded):
        raise _UnreadableError(f"{folded[:40]!r} is the time of a change")
    if _RELATIVE.search(folded):
        raise _UnreadableError(f"{folded[:40]!r} is relative to an unknown moment")
    if _YEARLESS.fullmatch(text):
        raise _UnreadableError(f"{folded[:40]!r} names no year")
    raise _UnreadableError(f"{folded[:40]!r} is no known form of a date")


def _normal(folded: str) -> str:
    """Return a date with numbers for names: ``mer., 15 avr. 2026`` is ``15 §4 2026``."""
    text = folded.replace("§", "?").replace("\0", "?")
    for form, replacement in _REWRITES:
        text = form.sub(replacement, text)
    zone = found.group() if (found := _IANA.search(text)) else ""
    text = text.replace(zone, "\0") if zone else text
    month_count = sum(fold(word) in MONTHS for word in _WORD.findall(text))

    def meaning(found: re.Match[str]) -> str:
        word, start = fold(found.group()), found.start()
        if start and text[start - 1].isdigit():
            return found.group()
        if re.match(r"listopad", word) and text[:start].rstrip().endswith("."):
            raise _UnreadableError(f"{found.group()!r} is October or November")
        is_weekday = word in WEEKDAYS and month_count > 1 and not re.search(r"\d", text[:start])
        if word in MONTHS and not is_weekday:
            return f"§{MONTHS[word]} "
        is_zone = word in ZONES and ":" in text[:start] and not re.search(r"\d", text[start:])
        if word in FILLERS or (word in WEEKDAYS and not is_zone):
            return " "
        return found.group()

    text = _WORD.sub(meaning, text).replace("( )", " ").replace("\0", zone)
    return _SPACE.sub(" ", text).strip(" ,.:;|·•-–—([")


def _day_and_month(parts: Mapping[str, str | None], day_first: bool | None) -> dict[str, str]:
    one, two = parts["one"] or "", parts["two"] or ""
    if int(one) > 12 or one == two or parts["mark"] == ".":
        return {"day": one, "month": two}
    if int(two) > 12:
        return {"day": two, "month": one}
    if day_first is None:
        raise _UnreadableError(f"{one}{parts['mark']}{two} may have the day or the month first")
    return {"day": one, "month": two} if day_first else {"day": two, "month": one}


def _day(parts: Mapping[str, str | None]) -> date:
    year_text, month_text, day_text = (parts[name] or "" for name in ("year", "month", "day"))
    year = int(year_text)
    if len(year_text) == 2:
        year += 1900 if year >= 70 else 2000  # RFC 2822 4.3, with the pivot of POSIX
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise _UnreadableError(f"the year {year} is out of range")
    try:
        return date(year, int(month_text), int(day_text))
    except ValueError as error:
        raise _UnreadableError(f"{year_text}-{month_text}-{day_text} is no date") from error


def _clock(parts: Mapping[str, str | None]) -> tuple[time, timedelta, Precision]:
    hour, minute = int(parts["hour"] or 0), int(parts["minute"] or 0)
    second = int(parts["second"] or 0)
    microsecond = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    hour = _hour_of_24(hour, parts.get("half") or parts.get("full") or "")
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


def _hour_of_24(hour: int, half: str) -> int:
    if not half or (half.lower() == "pm" and 12 < hour < 24):
        return hour
    if not 1 <= hour <= 12:
        raise _UnreadableError(f"{hour} {half} is no time of day")
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _offset(named: str, day: date, clock: time, zone: ZoneInfo | None) -> tzinfo:
    name = named.lower()
    digits = re.fullmatch(r"(?:utc|gmt)?\s?([+-])(\d{1,2}):?(\d{2})?:?(\d{2})?", name)
    if digits:
        sign, hours, minutes, seconds = digits.groups(default="0")
        ahead = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
        if int(minutes) > 59 or ahead > timedelta(hours=15):
            raise _UnreadableError(f"{named!r} is no offset")
        return timezone(-ahead if sign == "-" else ahead) if ahead else UTC
    # CST is the time of China or of Chicago: the source's zone decides.
    if zone is not None and datetime.combine(day, clock, zone).tzname() == named.upper():
        return zone
    known = ZONES.get(name, named)
    if isinstance(known, str):
        return _named_zone(known)
    return UTC if known == 0 else timezone(timedelta(hours=known))


def _named_zone(name: str) -> ZoneInfo:
    try:
        if "/" in name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise _UnreadableError(f"{name!r} is no zone with one offset")


def _is_utc_midnight(offset: tzinfo | None, clock: time) -> bool:
    return offset is not None and offset.utcoffset(None) == timedelta() and clock == time()
