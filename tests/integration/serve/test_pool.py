"""`copydesk deploy`: the deployments of a pool of several machines, at a Prefect server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun
from prefect.states import Failed, Pending

from flows import settings
from flows.cli import run as run_command
from flows.errors import ConfigurationError, RunFailed
from flows.reporting.pool_run import load_settings, request_publications, superseded_by
from flows.serve.pool import check, register_in_pool
from flows.settings import CONFIG_DIGEST
from flows.settings_file import file_digest

SYNCS = {"sync/host.127.0.0.1:1", "sync/all"}
OTHERS = {
    "publish/blog", "backfill/backfill", "import/import", "reparse/reparse",
    "maintenance/maintenance",
}  # fmt: skip


@pytest.fixture
def server(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    return prefect_server


@pytest.fixture
def automations(client, pool) -> Any:
    """The automations of the pool; they are gone after the test."""

    def read() -> dict[str, Any]:
        return {one.name: one for one in client.read_automations() if one.name.endswith(pool)}

    yield read
    for one in read().values():
        client.delete_automation(one.id)


def test_pool_of_several_machines_has_one_deployment_a_host_whose_runs_wait(
    client, pool, chosen, config, server, automations
):
    done, warnings = register_in_pool(chosen, config, pool)

    assert {one.name for one in done.deployments} == SYNCS | OTHERS
    shared = client.read_deployment_by_name("sync/host.127.0.0.1:1")
    assert (shared.work_pool_name, shared.global_concurrency_limit.limit) == (pool, 1)
    assert shared.concurrency_options.collision_strategy == ConcurrencyLimitStrategy.ENQUEUE
    schedules = {one.slug: one.parameters for one in shared.schedules}
    assert schedules == {"a": {"sources": ["a"]}, "b": {"sources": ["b"]}}
    assert "command" not in shared.job_variables  # each worker has a Python of its own
    assert shared.job_variables["env"][CONFIG_DIGEST] == file_digest(config)
    assert f"pool:{pool}" in shared.tags
    assert client.read_deployment_by_name("publish/blog").work_queue_name == "publications"
    maintenance = client.read_deployment_by_name("maintenance/maintenance")
    assert len(maintenance.schedules) == 1
    assert [one.work_pool_name for one in client.read_deployments()].count(pool) == 7
    assert client.read_work_pool(pool).type == "process"
    assert any(str(chosen.warehouse.path) in text for text in warnings)


def test_registered_again_what_was_paused_or_disabled_in_the_ui_stays_so(
    client, pool, chosen, config, server, automations
):
    register_in_pool(chosen, config, pool)
    shared = client.read_deployment_by_name("sync/host.127.0.0.1:1")
    (of_b,) = [one for one in shared.schedules if one.slug == "b"]
    client.update_deployment_schedule(shared.id, of_b.id, active=False)
    found = automations()
    client.pause_automation(found[f"copydesk: no start in {pool}"].id)

    register_in_pool(chosen, config, pool)

    again = client.read_deployment_by_name("sync/host.127.0.0.1:1")
    assert {one.slug: one.active for one in again.schedules} == {"a": True, "b": False}
    assert {name.split(" in ")[0]: one.enabled for name, one in automations().items()} == {
        "copydesk: no heartbeat": True,
        "copydesk: no start": False,
    }


def test_pool_of_another_type_is_used_as_it_is(client, pool, chosen, config, server, automations):
    template = {
        "job_configuration": {"image": "{{ image }}"},
        "variables": {"type": "object", "properties": {"image": {"type": "string"}}},
    }
    client.create_work_pool(
        WorkPoolCreate(name=pool, type="docker", base_job_template=template, is_paused=True)
    )

    done, warnings = register_in_pool(chosen, config, pool)

    assert len(done.deployments) == 7
    assert client.read_work_pool(pool).type == "docker"
    assert client.read_work_pool(pool).base_job_template == template
    assert [any(word in text for text in warnings) for word in ("`env`", "paused")] == [True, True]
    assert automations() == {}
    client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))


def test_deployments_of_removed_sources_go(client, pool, chosen, config, server, automations):
    register_in_pool(chosen, config, pool)
    fewer = chosen.model_copy(update={"sources": {"a": chosen.sources["a"]}})

    done, _ = register_in_pool(fewer, config, pool)

    assert done.deleted == ("sync/host.127.0.0.1:1",)
    assert {one.name for one in done.deployments} == {"sync/a", "sync/all"} | OTHERS


def test_check_finds_another_configuration(
    client, pool, chosen, config, server, automations, capsys
):
    with pytest.raises(RunFailed, match=pool):
        check(chosen, config, pool)
    register_in_pool(chosen, config, pool)
    assert check(chosen, config, pool) is None

    config.write_text(f"# a comment\n{config.read_text()}", encoding="utf-8")
    assert check(chosen, config, pool) is None
    config.write_text(config.read_text().replace("*/5", "*/6"), encoding="utf-8")

    assert (
        run_command(["--config", str(config), "--json", "deploy", "--pool", pool, "--check"]) == 4
    )
    assert file_digest(config) in json.loads(capsys.readouterr().out)["difference"]


def test_without_a_server_nothing_is_registered(pool, chosen, config):
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL"):
        register_in_pool(chosen, config, pool)


# --- a run of the pool -------------------------------------------------------------------


@pytest.fixture
def run(client, pool, chosen, config, server, automations, monkeypatch) -> FlowRun:
    """This process is a run of source a in the pool."""
    register_in_pool(chosen, config, pool)
    shared = client.read_deployment_by_name("sync/host.127.0.0.1:1")
    client.pause_deployment(shared.id)  # the scheduler of the server makes no runs
    made = client.create_flow_run_from_deployment(shared.id, parameters={"sources": ["a"]})
    client.set_flow_run_state(made.id, Pending())
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(made.id))
    monkeypatch.setenv(CONFIG_DIGEST, shared.job_variables["env"][CONFIG_DIGEST])
    return made


def test_run_with_another_configuration_fails_and_names_both(run, config):
    load_settings(str(config))
    deployed = file_digest(config)
    config.write_text(config.read_text().replace("*/5", "*/6"), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(str(config))

    assert all(digest in str(caught.value) for digest in (deployed, file_digest(config)))


def test_command_of_a_publication_has_its_own_configuration(config, monkeypatch):
    monkeypatch.setenv(CONFIG_DIGEST, "another")

    assert load_settings(str(config)) == settings.load(config, {})


def test_late_runs_of_a_schedule_are_superseded_and_requests_are_not():
    now, flow = datetime.now(UTC), uuid4()

    def made(minutes: float, source: str, *, is_auto: bool = True) -> FlowRun:
        return FlowRun(
            flow_id=flow,
            parameters={"sources": [source]},
            expected_start_time=now + timedelta(minutes=minutes),
            auto_scheduled=is_auto,
        )

    late = [made(-9, "a"), made(-2, "a")]
    kept = [made(-2, "b"), made(5, "a"), made(-2, "a", is_auto=False)]

    assert superseded_by(made(-3, "a"), [*kept, *late], now) == late


def test_publication_after_a_sync_is_one_run_of_its_own_deployment(client, run):
    publication = client.read_deployment_by_name("publish/blog")
    client.pause_deployment(publication.id)
    by_deployment = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[publication.id]))

    def requested() -> list[FlowRun]:
        found = client.read_flow_runs(flow_run_filter=by_deployment)
        return [one for one in found if not one.auto_scheduled]

    for one in client.read_flow_runs(flow_run_filter=by_deployment):
        client.delete_flow_run(one.id)
    request_publications(["blog"], has_news=False)
    assert requested() == []
    request_publications(["blog", "unknown"], has_news=True)
    request_publications(["blog"], has_news=True)
    (first,) = requested()

    client.set_flow_run_state(first.id, Failed(), force=True)
    request_publications(["blog"], has_news=False)
    assert len(requested()) == 2
