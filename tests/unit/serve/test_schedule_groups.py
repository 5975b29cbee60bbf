"""Which sources share a flow run, and when the others begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import settings
from flows.schedules import parse_schedule
from flows.serve.deployments import deployment_schedule
from flows.serve.plan import PlannedSchedule, plan
from flows.serve.schedule_groups import MAX_OFFSET_SECONDS, MIN_FEEDS, spread

FEED = """
[sources.{slug}]
parser = "feed"
url = "http://{slug}.example/feed"
{more}
"""


def write(folder: Path, count: int, more: str = "") -> Path:
    file = folder / "copydesk.toml"
    feeds = "".join(FEED.format(slug=f"feed_{n}", more="") for n in range(count))
    file.write_text(f'[defaults]\nschedule = "*/30 * * * *"\n{feeds}{more}', encoding="utf-8")
    return file


def syncs(file: Path):
    found = plan(settings.load(file, {}), file)
    return {one.name: one for one in found if one.flow_name == "sync" and one.name != "all"}


def test_many_feeds_of_one_schedule_are_one_deployment_and_others_stay(tmp_path):
    more = (
        FEED.format(slug="own", more='schedule = "0 7 * * *"')
        + FEED.format(slug="zone", more='time_zone = "Asia/Shanghai"')
        + FEED.format(slug="paused", more='schedule = ""')
        + "[sources.ofweek]\n"
    )
    found = syncs(write(tmp_path, MIN_FEEDS, more))
    (group,) = [name for name in found if name.startswith("feeds.")]

    assert set(found) == {group, "own", "paused", "ofweek"}
    assert found[group].parameters["sources"] == [*(f"feed_{n}" for n in range(MIN_FEEDS)), "zone"]
    assert found[group].schedules[0].schedule.value == "*/30 * * * *"
    assert found["own"].schedules[0].schedule.value == "0 7 * * *"
    assert found["paused"].schedules == ()


def test_few_feeds_have_a_deployment_each(tmp_path):
    found = syncs(write(tmp_path, MIN_FEEDS - 1))

    assert set(found) == {f"feed_{n}" for n in range(MIN_FEEDS - 1)}


def test_group_keeps_its_name_when_a_feed_is_added(tmp_path):
    before = set(syncs(write(tmp_path, MIN_FEEDS)))

    assert set(syncs(write(tmp_path, MIN_FEEDS + 1))) == before


@pytest.mark.parametrize("text", ["every 10 minutes", "*/30 * * * *", "*/5 * * * *"])
def test_sources_of_one_schedule_begin_one_after_the_other(text):
    names = [f"source_{n}" for n in range(40)]
    schedules = {name: parse_schedule(text, "UTC") for name in names}
    found = {
        name: deployment_schedule(PlannedSchedule(schedule=one), is_active=True)
        for name, one in spread(schedules).items()
    }
    again = spread({name: schedules[name] for name in reversed(names[:3])})

    assert len({str(one.schedule) for one in found.values()}) >= 5
    assert again["source_1"] == spread(schedules)["source_1"]
    assert all(one.offset_seconds <= MAX_OFFSET_SECONDS for one in spread(schedules).values())


def test_time_of_the_day_and_a_schedule_of_its_own_stay_as_they_are():
    given = {
        "a": parse_schedule("0 7 * * *", "UTC"),
        "b": parse_schedule("0 7 * * *", "UTC"),
        "c": parse_schedule("*/5 * * * *", "UTC"),
    }

    assert spread(given) == given


def test_shifted_schedule_has_as_many_times_an_hour():
    given = {name: parse_schedule("*/30 * * * *", "UTC") for name in map(str, range(50))}

    minutes = {one.value.split("-")[0] for one in spread(given).values()}
    assert minutes <= {"0", "1", "2", "3", "4"}
    for one in spread(given).values():
        parse_schedule(one.value, "UTC")
