"""Timestamps: every known format, and times that stay unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.model import Moment
from parsers.text.dates import (
    find_time_text,
    from_epoch,
    parse_time,
    unknown_time,
    without_future,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


READ = [
    # finews
    ("2022-03-14 20:43:16 +0800", utc(2022, 3, 14, 12, 43, 16), "second", "value"),
    ("2022-03-14 20:43:16", utc(2022, 3, 14, 12, 43, 16), "second", "source"),
    ("2022-03-14 20:43", utc(2022, 3, 14, 12, 43), "minute", "source"),
    # woshipm, Eastmoney, people.com.cn, mydrivers, solidot
    ("2022/03/23", utc(2022, 3, 22, 16), "day", "source"),
    ("2026年08月19日 17:46", utc(2026, 8, 19, 9, 46), "minute", "source"),
    ("2024年04月24日23:52", utc(2024, 4, 24, 15, 52), "minute", "source"),
    ("2024年04月24日 08时05分", utc(2024, 4, 24, 0, 5), "minute", "source"),
    ("2024年04月24日 08时05分09秒", utc(2024, 4, 24, 0, 5, 9), "second", "source"),
    ("2022年3月14日", utc(2022, 3, 13, 16), "day", "source"),
    ("2019-9-7 21:30:50", utc(2019, 9, 7, 13, 30, 50), "second", "source"),
    ("2019.09.26 12:11", utc(2019, 9, 26, 4, 11), "minute", "source"),
    ("2024年04月24日 星期三 23:52", utc(2024, 4, 24, 15, 52), "minute", "source"),
    ("２０２２－０３－１４　２０：４３：１６", utc(2022, 3, 14, 12, 43, 16), "second", "source"),
    # RFC 822 and its neighbours
    ("Wed, 23 Mar 2022 07:45:00 GMT", utc(2022, 3, 23, 7, 45), "second", "value"),
    ("Fri, 18 Apr 2014", utc(2014, 4, 17, 16), "day", "source"),
    ("Thu,28 Jul 2022 4:35:5 GMT+9", utc(2022, 7, 27, 19, 35, 5), "second", "value"),
    ("28 Jul 22 04:35 -0430", utc(2022, 7, 28, 9, 5), "minute", "value"),
    ("Thursday, 28-Jul-22 04:35:05 UT", utc(2022, 7, 28, 4, 35, 5), "second", "value"),
    ("Mon, 5 Sept 2022 10:00:00 EDT", utc(2022, 9, 5, 14), "second", "value"),
    ("28 July 2022 04:35:05 JST", utc(2022, 7, 27, 19, 35, 5), "second", "value"),
    ("Wed Mar 23 2022 08:00:00 GMT+0800 (CST)", utc(2022, 3, 23), "second", "value"),
    ("Wed Mar 23 08:00:00 CST 2022", utc(2022, 3, 23), "second", "value"),
    ("March 23, 2022", utc(2022, 3, 22, 16), "day", "source"),
    # ISO 8601
    ("2022-03-14T20:43:16Z", utc(2022, 3, 14, 20, 43, 16), "second", "value"),
    ("2022-03-14T20:43:16+08:00", utc(2022, 3, 14, 12, 43, 16), "second", "value"),
    ("2022-03-14T20:43:16.25Z", utc(2022, 3, 14, 20, 43, 16, 250_000), "second", "value"),
    ("2022-03-14T20:43:16.123456789-0500", utc(2022, 3, 15, 1, 43, 16, 123_456), "second", "value"),
    ("2022-03-14T20:43", utc(2022, 3, 14, 12, 43), "minute", "source"),
    ("20220314T204316Z", utc(2022, 3, 14, 20, 43, 16), "second", "value"),
    ("20220314204316", utc(2022, 3, 14, 12, 43, 16), "second", "source"),
    ("20220314", utc(2022, 3, 13, 16), "day", "source"),
    ("2022-03-14T24:00:00Z", utc(2022, 3, 15), "second", "value"),
    ("2016-12-31T23:59:60Z", utc(2017, 1, 1), "second", "value"),
    # epochs
    ("1647261796", utc(2022, 3, 14, 12, 43, 16), "second", "value"),
    ("1647261796500", utc(2022, 3, 14, 12, 43, 16, 500_000), "second", "value"),
    # Shanghai was not always eight hours ahead
    ("1988-07-01 12:00:00", utc(1988, 7, 1, 3), "second", "source"),
    ("1900-07-01 12:00:00", utc(1900, 7, 1, 3, 54, 17), "second", "source"),
]


@pytest.mark.parametrize(("raw", "at", "precision", "timezone_source"), READ)
def test_time_is_read_with_its_own_precision(
    raw: str, at: datetime, precision: str, timezone_source: str
) -> None:
    found = parse_time(raw, SHANGHAI, "listing:showtime")

    assert (found.at, found.precision, found.timezone_source) == (at, precision, timezone_source)
    assert found.raw == raw
    assert found.provenance == "listing:showtime"
    assert found.at is not None
    assert found.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "no date"),
        (" +0800", "no date"),
        ("Invalid Date", "no known form"),
        ("昨天", "relative"),
        ("前天 12:30", "relative"),
        ("3小时前", "relative"),
        ("几分钟前", "relative"),
        ("2 hours ago", "relative"),
        ("10-08", "no year"),
        ("03-14 20:43", "no year"),
        ("3月14日 20:43", "no year"),
        ("14 Mar", "no year"),
        ("2022-02-30", "no date"),
        ("2022-13-01 00:00:00", "no date"),
        ("31 Foo 2022", "no known form"),
        ("2022-03-14 25:00:00", "no time of day"),
        ("2022-03-14 20:61", "no time of day"),
        ("0001-01-01T00:00:00", "out of range"),
        ("9999-12-31 23:59:59", "out of range"),
        ("2022-03-14 20:43:16 +9900", "no offset"),
        ("2022-03-14 20:43:16 +0860", "no offset"),
        ("Wed, 23 Mar 2022 07:45:00 BST", "no zone with one offset"),
        ("Wed, 23 Mar 2022 07:45:00 XYZ", "no zone with one offset"),
        ("0000000000", "not a time after 1970"),
        ("12:30:45", "no known form"),
        ("2022", "no known form"),
        pytest.param("1" * 1_000_000, "longer than any date", id="long"),
        ("2022-03-14 20:43:16 来源：某报", "no known form"),
    ],
)
def test_unreadable_time_is_unknown_with_a_reason(raw: str, why: str) -> None:
    found = parse_time(raw, SHANGHAI, "css:time")

    assert (found.at, found.precision, found.timezone_source, found.raw) == (
        None,
        "unknown",
        "none",
        raw,
    )
    assert found.provenance.startswith("absent: css:time: ")
    assert why in found.provenance


@pytest.mark.parametrize("raw", ["2022-03-14 20:43:16", "2022-03-14"])
def test_time_without_any_zone_is_in_utc_and_marked_as_assumed(raw: str) -> None:
    found = parse_time(raw, None, "feed")

    declared = parse_time(raw, ZoneInfo("UTC"), "feed")
    assert found == replace(declared, timezone_source="none", provenance=found.provenance)
    assert "no zone is declared" in found.provenance


def test_named_offset_needs_no_declared_zone() -> None:
    assert parse_time("2022-03-14T20:43:16Z", None, "feed").at == utc(2022, 3, 14, 20, 43, 16)


def test_cst_is_the_declared_zone_where_that_is_its_name_there() -> None:
    raw = "2022-03-14 20:00:00 CST"

    assert parse_time(raw, SHANGHAI, "x").at == utc(2022, 3, 14, 12)
    assert parse_time(raw, ZoneInfo("Europe/Paris"), "x").at == utc(2022, 3, 15, 2)


@pytest.mark.parametrize("raw", ["Wed, 23 Mar 2022 00:00:00 GMT", "2022-03-23T00:00:00Z"])
def test_midnight_in_utc_is_a_day_of_the_declared_zone_where_the_source_prints_days(
    raw: str,
) -> None:
    day = parse_time(raw, SHANGHAI, "feed:pubDate", midnight_is_day=True)
    instant = parse_time(raw, SHANGHAI, "feed:pubDate")

    assert (day.at, day.precision, day.timezone_source) == (utc(2022, 3, 22, 16), "day", "source")
    assert (instant.at, instant.precision) == (utc(2022, 3, 23), "second")


@pytest.mark.parametrize("raw", ["Wed, 23 Mar 2022 00:00:01 GMT", "2022-03-23 00:00:00 +0800"])
def test_other_times_stay_instants_where_midnight_is_a_day(raw: str) -> None:
    assert parse_time(raw, SHANGHAI, "x", midnight_is_day=True).precision == "second"


def test_epoch_takes_seconds_and_milliseconds() -> None:
    at = utc(2022, 3, 14, 12, 43, 16)

    assert from_epoch(1_647_261_796, "json:ctime").at == at
    assert from_epoch(1_647_261_796_000, "json:ctime").at == at
    assert from_epoch("1647261796", "json:ctime").raw == "1647261796"


@pytest.mark.parametrize("value", [0, -1, "", "soon", float("nan"), float("inf"), 1e300, 9e12])
def test_epoch_that_names_no_time_is_unknown(value: float | str) -> None:
    assert from_epoch(value, "json:ctime").at is None


def test_unknown_keeps_the_text_and_the_reason() -> None:
    assert unknown_time("?", "the feed has none") == Moment(
        at=None,
        on=None,
        raw="?",
        precision="unknown",
        timezone=None,
        timezone_source="none",
        provenance="absent: the feed has none",
    )


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2019-09-07 13:43:45 来源: 某报 举报", "2019-09-07 13:43:45"),
        ("发布时间：2019年06月15日08:18 来源：某网", "2019年06月15日08:18"),
        ("2024年04月24日23:52 | 来源：某社", "2024年04月24日23:52"),
        ("更新于 2022-03-14T20:43:16+08:00。", "2022-03-14T20:43:16+08:00"),
        ("２０２２年３月１４日", "2022年3月14日"),
        ("By a reporter | May 15, 2026, 3:09 PM ET | 4 min read", "May 15, 2026, 3:09 PM ET"),
        ("Berlin, 15. Mai 2026 (dpa)", "15. Mai 2026"),
        ("den 3. Stock 2026", ""),
        ("15 May 2026 10:00:00 BST", "15 May 2026"),
        ("2026-05-15 10:00:00 IST", "2026-05-15"),
        ("2026-05-15 10:00 America/New_York", "2026-05-15"),
        ("2026-05-15 3:09 PM", "2026-05-15 3:09 PM"),
        ("昨天 12:30", ""),
    ],
)
def test_find_time_takes_the_first_date_out_of_other_words(text: str, time: str) -> None:
    assert find_time_text(text) == time
    assert not time or parse_time(time, SHANGHAI, "x").at is not None


IN_MANY_LANGUAGES = [
    # 12-hour clocks
    ("Sun, 3 May 2026 1:55 PM EDT", utc(2026, 5, 3, 17, 55)),
    ("Friday, May 15, 2026 - 3:09pm", utc(2026, 5, 15, 13, 9)),
    ("15 May 2026, 12:30 a.m.", utc(2026, 5, 14, 22, 30)),
    ("May 15, 2026 at 9am", utc(2026, 5, 15, 7)),
    ("3:09 PM ET, May 15, 2026", utc(2026, 5, 15, 19, 9)),
    ("2026-05-15 오후 11:23:17", utc(2026, 5, 15, 21, 23, 17)),
    ("2026年5月15日 下午3:09", utc(2026, 5, 15, 13, 9)),
    ("2026年5月15日(金) 15時09分", utc(2026, 5, 15, 13, 9)),
    # zones by name
    ("Fri, 15 May 2026 20:19:00 America/Los_Angeles", utc(2026, 5, 16, 3, 19)),
    ("2026-05-15T10:00:00+02:00[Europe/Paris]", utc(2026, 5, 15, 8)),
    ("15 May 2026 10:00 MESZ", utc(2026, 5, 15, 8)),
    ("15 May 2026 10:00 ACST", utc(2026, 5, 15, 0, 30)),
    # ordinals, labels, weekdays, clocks first
    ("Fri, 15th May 2026 09:32:20 GMT", utc(2026, 5, 15, 9, 32, 20)),
    ("1er mai 2026, 10:00", utc(2026, 5, 1, 8)),
    ("Published on: May 15th, 2026 10:00", utc(2026, 5, 15, 8)),
    ("发布时间：2026-05-15 10:00", utc(2026, 5, 15, 8)),
    ("Fri, 2026/05/15 08:19:53 EDT", utc(2026, 5, 15, 12, 19, 53)),
    ("10:00, 15 May 2026", utc(2026, 5, 15, 8)),
    ("2026-05-15 10:00 (Fri)", utc(2026, 5, 15, 8)),
    # names in other languages
    ("Fr, 15 Mai 2026 00:00:00 +0200", utc(2026, 5, 14, 22)),
    ("Freitag, 15. Mai 2026 um 15.09 Uhr", utc(2026, 5, 15, 13, 9)),
    ("mar., 3 mars 2026 à 15h09", utc(2026, 3, 3, 14, 9)),
    ("martes, 3 de marzo de 2026, 10:00", utc(2026, 3, 3, 9)),
    ("mar, 3 mar 2026 10:00:00 +0100", utc(2026, 3, 3, 9)),
    ("terça-feira, 3 de março de 2026 10:00", utc(2026, 3, 3, 9)),
    ("venerdì 15 maggio 2026, ore 15:09", utc(2026, 5, 15, 13, 9)),
    ("15 mei 2026 om 15.09 uur", utc(2026, 5, 15, 13, 9)),
    ("fredag 15 maj 2026 kl. 15.09", utc(2026, 5, 15, 13, 9)),
    ("15. toukokuuta 2026 10:00", utc(2026, 5, 15, 8)),
    ("piątek, 15 maja 2026 r., 10:00", utc(2026, 5, 15, 8)),
    ("pátek 15. května 2026 v 10:00", utc(2026, 5, 15, 8)),
    ("2026. május 15. 10:00", utc(2026, 5, 15, 8)),
    ("15 мая 2026 г., 10:00", utc(2026, 5, 15, 8)),
    ("15 травня 2026 року, 10:00", utc(2026, 5, 15, 8)),
    ("15 Mayıs 2026 Cuma 10:00", utc(2026, 5, 15, 8)),
    ("Παρασκευή, 15 Μαΐου 2026 10:00", utc(2026, 5, 15, 8)),
    # days before months where no other reading is possible
    ("27/11/2025 01:57", utc(2025, 11, 27, 0, 57)),
    ("11/27/2025 01:57", utc(2025, 11, 27, 0, 57)),
    ("03.04.2026 10:00", utc(2026, 4, 3, 8)),
]


@pytest.mark.parametrize(("raw", "at"), IN_MANY_LANGUAGES)
def test_time_is_read_in_many_languages(raw: str, at: datetime) -> None:
    assert parse_time(raw, ZoneInfo("Europe/Berlin"), "x").at == at


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("03/04/2026", "day or the month first"),
        ("3/4/26", "no known form"),
        ("Sat, 11 04 2026 08:51:49 +0100", "no known form"),
        ("2026-04-08T16:20:00-05:00Z", "no known form"),
        ("5. listopada 2026", "October or November"),
        ("17 Apr 2026 13:09 AM", "no time of day"),
        ("17 Apr 2026 0:09 PM", "no time of day"),
        ("Fri, 17 Apr 2026 15:09:00 Mars/Olympus", "no zone"),
        ("Updated: 17 April 2026", "time of a change"),
        ("更新时间：2026-04-17 15:09", "time of a change"),
        ("April 2026", "no known form"),
        ("1970-01-01T00:00:00Z", "placeholder"),
        ("1970-01-01 00:00:00", "placeholder"),
        ("1970-01-01 08:00:00", "placeholder"),
        ("1969-12-31T19:00:00-05:00", "placeholder"),
        ("1 January 1970", "placeholder"),
        ("1900-01-01", "placeholder"),
        ("1899-12-30 00:00", "placeholder"),
        ("0000-00-00 00:00:00", "out of range"),
    ],
)
def test_time_that_may_be_wrong_is_unknown(raw: str, why: str) -> None:
    found = parse_time(raw, SHANGHAI, "x")

    assert (found.at, found.on, found.precision, found.raw) == (None, None, "unknown", raw)
    assert why in found.provenance


@pytest.mark.parametrize(("day_first", "month"), [(True, 4), (False, 3)])
def test_page_decides_which_of_two_small_numbers_is_the_day(day_first: bool, month: int) -> None:
    found = parse_time("03/04/2026", SHANGHAI, "x", day_first=day_first)

    assert found.on == date(2026, month, 7 - month)


@pytest.mark.parametrize(
    ("raw", "zone", "on", "timezone"),
    [
        ("2021年10月7日", SHANGHAI, date(2021, 10, 7), "Asia/Shanghai"),
        ("2021-10-07", SHANGHAI, date(2021, 10, 7), "Asia/Shanghai"),
        ("2021-10-07", None, date(2021, 10, 7), "UTC"),
        ("2021-10-07+02:00", SHANGHAI, date(2021, 10, 7), "+02:00"),
        ("2021-10-07 00:30", SHANGHAI, date(2021, 10, 7), "Asia/Shanghai"),
        ("2021-10-07T23:30:00Z", SHANGHAI, date(2021, 10, 8), "Asia/Shanghai"),
        ("2021-10-07T00:30:00+08:00", None, date(2021, 10, 7), "+08:00"),
        ("2021-10-07 00:30 America/New_York", None, date(2021, 10, 7), "America/New_York"),
        ("1633535999", SHANGHAI, date(2021, 10, 6), "Asia/Shanghai"),
    ],
)
def test_day_is_that_of_the_declared_zone_else_of_the_text(
    raw: str, zone: ZoneInfo | None, on: date, timezone: str
) -> None:
    found = parse_time(raw, zone, "x")

    assert (found.on, found.timezone) == (on, timezone)


def test_time_ahead_of_its_page_is_unknown_and_keeps_its_text() -> None:
    fetched_at = utc(2026, 3, 10)
    soon, late = (
        without_future(parse_time(raw, SHANGHAI, "feed:time"), fetched_at)
        for raw in ("2026-03-12 07:59", "2026-03-12 08:01")
    )

    assert soon.at == utc(2026, 3, 11, 23, 59)
    assert (late.at, late.on, late.raw, late.precision) == (
        None, None, "2026-03-12 08:01", "unknown",
    )  # fmt: skip
    assert "future" in late.provenance


ZONE_NAMES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "UTC"]
DAY_FORMS = [
    "{0:%Y-%m-%d}", "{0:%Y}年{0.month}月{0.day}日", "{0:%Y/%m/%d}", "{0:%d.%m.%Y}", "{0:%d %B %Y}",
    "{0:%A}, {0:%B} {0.day}, {0:%Y}",
]  # fmt: skip


@given(
    st.dates(min_value=date(1970, 1, 2), max_value=date(2199, 12, 31)),
    st.sampled_from(ZONE_NAMES),
    st.sampled_from(DAY_FORMS),
)
def test_printed_day_never_moves(day: date, zone: str, form: str) -> None:
    raw = form.format(day)
    found = parse_time(raw, ZoneInfo(zone), "x")

    assert (found.on, found.precision) == (day, "day")
    assert found.at is not None
    assert found.at.astimezone(ZoneInfo(zone)).date() == day
    assert parse_time(raw, None, "x").on == day


@given(st.integers(min_value=100_000, max_value=7_258_000_000), st.sampled_from(ZONE_NAMES))
def test_printed_time_keeps_its_day_and_is_read_back(seconds: int, zone: str) -> None:
    # The second of two equal hours in autumn reads as the first.
    local = datetime.fromtimestamp(seconds, tz=ZoneInfo(zone)).replace(fold=0)
    found = parse_time(f"{local:%a, %d %b %Y %I:%M:%S %p} {zone}", ZoneInfo(zone), "x")
    again = parse_time(str(found.at), ZoneInfo(zone), "x")

    assert (found.at, found.on) == (local.astimezone(UTC), local.date())
    assert (again.at, again.on) == (found.at, found.on)


@given(
    st.text(alphabet="0123456789年月日时分秒 -/.:,TZ+GMTDecMondayago前昨天星期三（(", max_size=40)
)
def test_any_text_is_parsed_without_an_exception(raw: str) -> None:
    found = parse_time(raw, SHANGHAI, "x", midnight_is_day=True)

    assert found.raw == raw
    assert (found.at is None) == (found.precision == "unknown") == (found.timezone_source == "none")


@given(st.integers(min_value=86_400, max_value=7_258_000_000))
def test_time_written_in_utc_is_parsed_to_itself(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, tz=UTC)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%d %H:%M:%S +0000"):
        assert parse_time(at.strftime(form), None, "x").at == at
    assert from_epoch(seconds, "x").at == at
