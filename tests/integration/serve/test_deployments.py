"""The deployments of a configuration at a Prefect server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.exceptions import PrefectHTTPStatusError

from flows import settings
from flows.errors import RunFailed
from flows.serve.deployments import LONG_RUNS, register
from flows.serve.lost_runs import STOPPING
from flows.serve.plan import plan

ALL = {
    "sync/a", "sync/b", "sync/all", "backfill/backfill", "import/import", "reparse/reparse",
    "maintenance/maintenance", "publish/blog",
}  # fmt: skip


def test_configuration_becomes_deployments_with_schedules_queues_and_limits(
    client, pool, chosen, config
):
    done = register(client, chosen, config, pool)

    assert {one.name for one in done.deployments} == ALL
    first = client.read_deployment_by_name("sync/a")
    assert first.entrypoint == "flows.sync.sync"
    assert first.parameters == {"sources": ["a"], "config": str(config)}
    assert (first.work_pool_name, first.work_queue_name) == (pool, "default")
    assert first.schedules[0].schedule.cron == "*/5 * * * *"
    assert first.global_concurrency_limit.limit == 1
    assert first.concurrency_options.collision_strategy == ConcurrencyLimitStrategy.CANCEL_NEW
    second = client.read_deployment_by_name("sync/b")
    assert second.schedules[0].schedule.interval.total_seconds() == 90
    publication = client.read_deployment_by_name("publish/blog")
    assert publication.parameters == {"names": ["blog"], "config": str(config)}
    assert publication.schedules[0].schedule.interval.total_seconds() == 600
    assert publication.work_queue_name == "default"
    long_run = client.read_deployment_by_name("backfill/backfill")
    assert long_run.work_queue_name == LONG_RUNS
    assert long_run.global_concurrency_limit is None
    assert long_run.schedules == []
    assert not any(one.pull_steps for one in client.read_deployments())  # no code is fetched
    queue = client.read_work_queue_by_name(LONG_RUNS, work_pool_name=pool)
    assert queue.concurrency_limit == chosen.serve.max_concurrent_runs // 2


def test_registered_again_intervals_stay_and_a_schedule_paused_in_the_ui_stays_paused(
    client, pool, chosen, config
):
    register(client, chosen, config, pool)
    one, other = (client.read_deployment_by_name(f"sync/{slug}") for slug in ("a", "b"))
    client.pause_deployment(one.id)
    client.update_deployment_schedule(other.id, other.schedules[0].id, active=False)

    done = register(client, chosen, config, pool)

    assert {one.name for one in done.deployments if one.is_paused} == {"sync/a", "sync/b"}
    assert client.read_deployment_by_name("sync/a").paused
    again = client.read_deployment_by_name("sync/b")
    assert not again.schedules[0].active
    assert again.schedules[0].schedule.anchor_date == other.schedules[0].schedule.anchor_date


def test_resumed_schedule_runs_and_the_form_refuses_other_sources_and_configurations(
    client, pool, chosen, config
):
    register(client, chosen, config, pool)
    one = client.read_deployment_by_name("sync/a")
    client.pause_deployment(one.id)
    client.resume_deployment(one.id)

    done = register(client, chosen, config, pool)

    assert not any(one.is_paused for one in done.deployments)
    backfill = client.read_deployment_by_name("backfill/backfill")
    for wrong in ({"source": "c"}, {"sourc": "a"}, {"source": "a", "config": "/etc/passwd"}):
        with pytest.raises(PrefectHTTPStatusError):
            client.create_flow_run_from_deployment(backfill.id, parameters=wrong)


def test_deployments_of_removed_sources_go_and_no_others(client, pool, chosen, config):
    register(client, chosen, config, pool)
    flow = client.create_flow_from_name("sync")
    client.create_deployment(flow_id=flow, name="of a person", work_pool_name=pool)
    client.create_deployment(flow_id=flow, name="elsewhere", tags=["copydesk"])
    fewer = chosen.model_copy(update={"sources": {"a": chosen.sources["a"]}})

    done = register(client, fewer, config, pool)

    assert done.deleted == ("sync/b",)
    names = {one.name for one in client.read_deployments()}
    assert {"a", "of a person", "elsewhere"} <= names


def test_deployment_of_another_installation_is_not_taken(client, pool, chosen, config):
    register(client, chosen, config, pool)

    with pytest.raises(RunFailed, match=pool):
        register(client, chosen, config, f"{pool}-2")

    assert client.read_deployment_by_name("sync/a").work_pool_name == pool


def test_pool_that_a_stop_left_paused_is_resumed_and_one_that_a_user_paused_is_not(
    client, pool, chosen, config
):
    register(client, chosen, config, pool)
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True, description=STOPPING))
    register(client, chosen, config, pool)
    assert not client.read_work_pool(pool).is_paused

    client.update_work_pool(pool, WorkPoolUpdate(is_paused=True, description="maintenance"))
    register(client, chosen, config, pool)
    assert client.read_work_pool(pool).is_paused


def test_plan_of_a_configuration_without_a_file_names_none(chosen):
    assert {one.parameters["config"] for one in plan(chosen, None)} == {None}


def test_source_without_a_schedule_runs_on_request(tmp_path: Path):
    file = tmp_path / "copydesk.toml"
    file.write_text('[sources.a]\nparser = "ofweek"\nbase_url = "http://127.0.0.1:1"\n')

    (one,) = [one for one in plan(settings.load(file, {}), file) if one.name == "a"]

    assert one.schedules == ()
    assert replace(one, is_long=False) == one
