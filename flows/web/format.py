"""Numbers, times and texts as pages show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo

from flows.secrets.redact import redact_text
from parsers.text.characters import display_line

NOTHING = "–"
"""What a page shows for a value that is null."""

_KANA = re.compile("[\u3040-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LANGUAGE_TAG = re.compile("[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_BYTES = 1000.0
_YEAR = 365.25 * 86_400
# Below the limit, the unit in seconds and its name.
_UNITS = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"), (2 * _YEAR, 86_400, "d"))


def number(value: float | None) -> str:
    """A number with thousands separators: ``1,234``; a fraction has one digit."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def percent(share: float | None) -> str:
    """A share of 0 to 1 in percent; only 1 itself is 100%, and only 0 itself is 0%."""
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{_short(share * 100) if share < 0.0995 else int(share * 100 + 1e-9)}%"


def duration(seconds: float | None) -> str:
    """Seconds in their largest useful unit: ``20 ms``, ``45 s``, ``12 min``, ``3.5 h``, ``2 d``, ``4 y``."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    for limit, unit, name in _UNITS:
        if seconds < limit:
            return f"{_short(seconds / unit)} {name}"
    return f"{_short(seconds / _YEAR)} y"


def file_size(count: float | None) -> str:
    """A number of bytes: ``512 B``, ``27 kB``, ``1.3 MB``."""
    if count is None:
        return NOTHING
    for unit in ("B", "kB", "MB", "GB"):
        if count < _BYTES:
            return f"{_short(count) if unit != 'B' else int(count)} {unit}"
        count /= _BYTES
    return f"{_short(count)} TB"


def day(value: date | None) -> str:
    """A day: ``14 Mar 2022``."""
    return NOTHING if value is None else f"{value.day} {value:%b} {value.year}"


def moment(value: datetime | None, zone: tzinfo) -> str:
    """A time in a zone, to the minute: ``14 Mar 2022, 20:43``. The page names the zone."""
    if value is None:
        return NOTHING
    local = value.astimezone(zone)
    return f"{day(local)}, {local:%H:%M}"


def clean(text: str | None) -> str:
    """Stored text on one line; see ``display_line``."""
    return NOTHING if text is None else display_line(text)


def shorten(text: str | None, length: int = 200) -> str:
    """``clean`` text, cut to a length."""
    cleaned = clean(text)
    return cleaned if len(cleaned) <= length else f"{cleaned[: length - 1].rstrip()}…"


def language_of(text: str | None, tag: str | None = None) -> str:
    """The ``lang`` of a stored text, so that a browser takes the right glyphs.

    Args:
        text: The text.
        tag: The language that is stored with it, if any.

    Returns:
        The tag if it is well-formed; else a guess from the script; empty for a Latin text.
    """
    if tag and _LANGUAGE_TAG.fullmatch(tag):
        return tag
    for script, language in ((_KANA, "ja"), (_HANGUL, "ko"), (_HAN, "zh")):
        if text and script.search(text):
            return language
    return ""


def _short(value: float) -> str:
    """Two digits or more: one after the point below 10, unless it is zero."""
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"


FILTERS: Mapping[str, Callable[..., str]] = {
    "number": number,
    "percent": percent,
    "duration": duration,
    "file_size": file_size,
    "day": day,
    "moment": moment,
    "clean": clean,
    "shorten": shorten,
    "language_of": language_of,
    "redact": redact_text,
}
"""The filters of the templates, by name."""
