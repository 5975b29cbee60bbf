"""What the server's schedules become when `serve` starts again: tests at the session's server."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from flows import schedules, settings
from flows.serving import deployments, registry
from flows.serving.deployments import Registered
from flows.serving.place import Served
from flows.serving.registry import Registry
from flows.serving.telling import announcement
from tests.e2e.test_schedules import moments

pytestmark = pytest.mark.e2e

SERVED = Served(pid=1, api_url="http://127.0.0.1:4200/api", is_own=True)
CONFIG = """
[sources.{first}]
parser = "ofweek"
base_url = "http://127.0.0.1:1"
schedule = "every 1 day"
[sources.second]
parser = "ofweek"
base_url = "http://127.0.0.1:1"
"""


@pytest.fixture
def register(tmp_path, client):
    """Register the syncs of a configuration, as a start of `serve` does."""
    config = tmp_path / "copydesk.toml"

    def start(first="first", file=config):
        file.write_text(CONFIG.format(first=first), encoding="utf-8")
        chosen = settings.load(file, {})
        syncs = [one for one in deployments.planned(chosen, file) if one.flow.name == "sync"]
        return [deployments.applied(one, chosen) for one in syncs]

    start.config = config
    return start


def names(client):
    return {one.name for one in client.read_deployments()}


# --- intervals -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["every 1 day", "every 7 hours", "every 90 seconds"])
def test_interval_is_counted_alike_from_every_start(text):
    told = [deployments.schedule(schedules.parse_schedule(text, "Asia/Shanghai")) for _ in range(2)]

    assert told[0] == told[1]
    assert told[0].anchor_date < datetime(2021, 1, 1, tzinfo=UTC)


def test_every_day_begins_at_midnight_of_the_source():
    found = moments("every day", "Asia/Shanghai", datetime(2026, 6, 15, 1, tzinfo=UTC), 48)

    assert [f"{one:%H:%M}" for one in found] == ["16:00", "16:00"]


# --- pauses ----------------------------------------------------------------------------


def test_deployment_paused_in_the_ui_stays_paused_at_the_next_start(register, client):
    register()
    known = client.read_deployment_by_name("sync/first")
    client.pause_deployment(known.id)

    found = {one.name: one for one in register()}

    assert client.read_deployment(known.id).paused
    assert found["sync/first"].is_paused
    assert not found["sync/second"].is_paused
    words = announcement(SERVED, list(found.values()))
    assert "every 1 day, paused in the UI" in words


def test_schedule_switched_off_in_the_ui_stays_off_at_the_next_start(register, client):
    register()
    known = client.read_deployment_by_name("sync/first")
    client.update_deployment_schedule(known.id, known.schedules[0].id, active=False)

    register()

    assert [one.active for one in client.read_deployment(known.id).schedules] == [False]


def test_deployment_resumed_in_the_ui_runs_on_at_the_next_start(register, client):
    register()
    known = client.read_deployment_by_name("sync/first")
    client.pause_deployment(known.id)
    register()
    client.resume_deployment(known.id)

    found = register()

    assert not client.read_deployment(known.id).paused
    assert not any(one.is_paused for one in found)


# --- sources that are gone -------------------------------------------------------------


def test_renamed_source_is_no_longer_scheduled_under_its_old_name(register, client):
    register("first")
    old = client.read_deployment_by_name("sync/first")
    run = client.create_flow_run_from_deployment(old.id)
    found = register("renamed")

    removed = deployments.remove_stale(found, register.config, is_own=True)

    assert removed == ["sync/first"]
    # The server is shared with other tests, whose deployments may be there too.
    assert "first" not in names(client)
    assert names(client) >= {"renamed", "second", "all"}
    from prefect.exceptions import ObjectNotFound

    with pytest.raises(ObjectNotFound):
        client.read_flow_run(run.id)
    assert deployments.remove_stale(found, register.config, is_own=True) == []


def test_at_a_shared_server_only_this_configurations_deployments_go(register, client, tmp_path):
    register("first")
    other = tmp_path / "other.toml"
    register("theirs", other)
    found = register("renamed")

    removed = deployments.remove_stale(found, register.config, is_own=False)

    assert removed == ["sync/first"]
    assert "theirs" in names(client)


def test_deployment_that_a_person_copied_is_left_alone(register, client):
    found = register()
    original = client.read_deployment_by_name("sync/first")
    client.create_deployment(
        flow_id=original.flow_id,
        name="first, slowly",
        tags=original.tags,
        parameters=original.parameters,
    )

    assert deployments.remove_stale(found, register.config, is_own=True) == []
    assert "first, slowly" in names(client)


def test_desk_says_which_deployments_it_took_away(monkeypatch, tmp_path):
    registered = [Registered(id=str(UUID(int=1)), name="sync/kept", when="")]
    monkeypatch.setattr(registry, "register", lambda _config, **_options: registered)
    monkeypatch.setattr(registry, "remove_stale", lambda *_args, **_options: ["sync/gone"])
    said = []
    known = Registry(
        settings.Settings(), None, installed="", is_own=True, stop=threading.Event(),
        notify=said.append,
    )  # fmt: skip

    known.renew()

    assert known.registered == registered
    assert said == [
        "sync/gone: no longer configured, so taken out of Prefect together with what was "
        "scheduled; what ran stays"
    ]


def test_day_of_an_interval_is_a_day():
    found = moments("every 2 days", "Asia/Shanghai", datetime(2026, 6, 15, 1, tzinfo=UTC), 96)

    assert found[1] - found[0] == timedelta(days=2)
