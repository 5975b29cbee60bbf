"""Schedules: how they are parsed, and when a run is due."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from flows import schedules, settings
from flows.errors import ConfigurationError
from flows.serve.deployments import deployment_schedule
from flows.serve.plan import PlannedSchedule

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # the evening before 29 March, 2 becomes 3
AUTUMN = datetime(2026, 10, 24, 21, 0, tzinfo=UTC)  # the evening before 25 October, 3 becomes 2


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("*/5 * * * *", "cron", "*/5 * * * *"),
        ("0 9-17 * * mon-fri", "cron", "0 9-17 * * mon-fri"),
        ("every 90 seconds", "interval", "90"),
        ("Every hour", "interval", "3600"),
        ("FREQ=DAILY;BYHOUR=7,19", "rrule", "FREQ=DAILY;BYHOUR=7,19"),
        ("RRULE:freq=hourly", "rrule", "FREQ=HOURLY"),
    ],
)
def test_schedule_is_cron_interval_or_rrule(text, kind, value):
    found = schedules.parse_schedule(text, "Asia/Shanghai")

    assert (found.kind, found.value, found.zone) == (kind, value, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("61 * * * *", "'61 * * * *': bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("5-1 * * * *", "bad minute"),
        ("* * * * funday", "bad day-of-week"),
        ("* * *", "expected cron"),
        ("@daily", "expected cron"),
        ("every 0 seconds", "at least one second"),
        ("FREQ=FOO", "found the rule 'FREQ=FOO'"),
        ("FREQ=DAILY;COUNT=3", "expected a rule that never ends"),
    ],
)
def test_wrong_schedule_is_reported_when_the_configuration_is_read(tmp_path, text, expected):
    file = tmp_path / "copydesk.toml"
    file.write_text(f'[sources.a]\nparser = "finews"\nschedule = "{text}"', encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        settings.load(file, {})

    assert "sources.a.schedule: " in str(caught.value)
    assert expected in str(caught.value)


# --- when it is to run -----------------------------------------------------------------


def moments(text, zone, start, hours):
    """When Prefect's server would make runs of a schedule, for some hours."""
    from prefect.server.schemas import schedules as server

    planned = PlannedSchedule(schedule=schedules.parse_schedule(text, zone))
    sent = deployment_schedule(planned, is_active=True).schedule
    counted = getattr(server, type(sent).__name__).model_validate(sent.model_dump())
    end = start + timedelta(hours=hours)
    found = asyncio.run(counted.get_dates(n=1000, start=start, end=end))
    return [datetime.fromtimestamp(one.timestamp(), UTC) for one in found]


@pytest.mark.parametrize("start", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("*/5 * * * *", 5),
        ("*/30 * * * *", 30),
        ("0 * * * *", 60),
        ("every 90 minutes", 90),
        ("every hour", 60),
        ("FREQ=HOURLY", 60),
        ("FREQ=MINUTELY;INTERVAL=20", 20),
    ],
)
def test_what_runs_all_day_leaves_no_hole_and_doubles_nothing_when_the_clocks_change(
    text, minutes, start
):
    found = moments(text, "Europe/Berlin", start, 10)

    assert {after - before for before, after in pairwise(found)} == {timedelta(minutes=minutes)}
    assert len(found) >= 10 * 60 // minutes - 1


@pytest.mark.parametrize("start", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("text", ["0 7 * * *", "FREQ=DAILY;BYHOUR=7"])
def test_seven_in_the_morning_stays_seven_in_the_morning(text, start):
    found = moments(text, "Europe/Berlin", start, 72)

    local = [one.astimezone(BERLIN) for one in found]
    assert [(one.hour, one.minute) for one in local] == [(7, 0)] * 3
    assert len({one.date() for one in local}) == 3


@pytest.mark.parametrize("start", [SPRING, AUTUMN], ids=["spring", "autumn"])
@pytest.mark.parametrize("text", ["30 2 * * *", "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"])
def test_time_that_is_not_there_or_there_twice_is_one_run_that_night(text, start):
    found = moments(text, "Europe/Berlin", start, 12)

    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("0 7 * * *", "Asia/Shanghai", ["23:00"]),
        ("FREQ=DAILY;BYHOUR=7,19", "Asia/Shanghai", ["11:00", "23:00"]),
        ("0 9 * * mon", "America/New_York", ["13:00"]),
        ("*/30 * * * *", "Asia/Kolkata", None),
        ("15 * * * *", "Asia/Kolkata", None),
    ],
)
def test_schedule_counts_in_the_zone_of_its_source(text, zone, utc):
    found = moments(text, zone, datetime(2026, 6, 15, 0, 0, tzinfo=UTC), 24)  # a Monday

    if utc is None:
        minutes = {one.astimezone(ZoneInfo(zone)).minute for one in found}
        assert minutes == ({15} if text.startswith("15") else {0, 30})
    else:
        assert [f"{one:%H:%M}" for one in found] == utc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/30 * * * *", datetime(2026, 3, 28, 22, 30, tzinfo=UTC)),
        ("0 7 * * *", datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),  # summer time
        ("every 90 seconds", SPRING + timedelta(seconds=90)),
        ("FREQ=DAILY;BYHOUR=7;BYMINUTE=0;BYSECOND=0", datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),
    ],
)
def test_the_next_time_of_a_schedule_is_in_its_zone(text, expected):
    schedule = schedules.parse_schedule(text, "Europe/Berlin")

    assert schedules.next_time(schedule, SPRING) == expected
