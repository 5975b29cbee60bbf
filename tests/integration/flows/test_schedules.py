"""Refused names and schedules, and the path of the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import schedules, settings
from flows.errors import ConfigurationError
from flows.serve import plan, run_local
from flows.settings import RESERVED_NAMES

SOURCE = '[sources.{slug}]\nparser = "ofweek"\nbase_url = "http://127.0.0.1:1"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 30-31 feb *", "bad day-of-month"),
        ("0 0 31 4,6,9,11 *", "bad day-of-month"),
        ("0 0 * * 1#2", "expected cron of digits"),
        ("0 0 LW * *", "expected cron of digits"),
        ("FREQ=DAILY;INTERVAL=0", "expected an INTERVAL of 1 or more"),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "it never does"),
        ("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1;BYMINUTE=2", "it never does"),
        ("FREQ=SECONDLY;BYSETPOS=2", "expected BYSETPOS with days or longer only"),
        ("FREQ=DAILY;BYHOUR=7;BYSETPOS=9", "it never does"),
        ("FREQ=DAILY;UNTIL=20200101T000000Z", "expected a rule that never ends"),
    ],
)
@pytest.mark.timeout(10)
def test_schedule_whose_time_never_comes_is_refused_at_once(text, message):
    with pytest.raises(ValueError, match=message):
        schedules.parse_schedule(text, "Asia/Shanghai")


@pytest.mark.parametrize(
    "text",
    [
        "0 0 29 2 *",
        "0 0 31 2 mon",  # cron: the 31st, or a Monday
        "0 0 31 */2 *",
        "0 0 */31 2 *",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1",
        "FREQ=DAILY;UNTIL=29991231T000000Z",
    ],
)
def test_schedule_whose_time_comes_seldom_is_accepted(text):
    assert schedules.parse_schedule(text, "Asia/Shanghai").value == text


@pytest.mark.parametrize("slug", sorted(RESERVED_NAMES))
def test_source_with_a_reserved_name_is_refused(tmp_path, slug):
    file = tmp_path / "copydesk.toml"
    file.write_text(SOURCE.format(slug=slug), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=f"sources.{slug}: .* give the source another"):
        settings.load(file, {})


def test_names_of_our_own_schedules_are_the_reserved_ones():
    planned = {one.name for one in plan.plan(settings.Settings(sources={}), None)}

    assert planned >= RESERVED_NAMES


# --- the file that is meant ------------------------------------------------------------


def test_default_file_is_resolved_to_its_absolute_path(elsewhere):
    assert settings.resolve_config_file(None) is None

    (elsewhere / "copydesk.toml").write_text("", encoding="utf-8")

    assert settings.resolve_config_file(None) == elsewhere / "copydesk.toml"
    assert settings.resolve_config_file(Path("other.toml")) == elsewhere / "other.toml"


@pytest.fixture
def asked(monkeypatch):
    """Record the arguments of flows instead of calling them."""
    given = []

    def run_flow(_entrypoint, parameters, **_options):
        given.append(parameters)

    monkeypatch.setattr(run_local, "run_flow", run_flow)
    return given


def test_flows_get_the_absolute_path_of_the_default_file(elsewhere, asked, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    file = elsewhere / "copydesk.toml"
    file.write_text(SOURCE.format(slug="ofweek"), encoding="utf-8")
    chosen = settings.load()
    reported = {"config": None, "notify": print, "progress": print}

    run_local.run_sync(chosen, (), **reported)
    chosen.warehouse.path.parent.mkdir()
    chosen.warehouse.path.touch()  # without one there is nothing to read again
    run_local.run_reparse(chosen, (), **reported)
    run_local.run_backfill(chosen, "ofweek", urls=["http://127.0.0.1:1/a"], **reported)

    assert [one["config"] for one in asked] == [str(file)] * 3
    file.unlink()
    with pytest.raises(ConfigurationError, match="there is no configuration file"):
        settings.load(Path(asked[0]["config"]), {})
