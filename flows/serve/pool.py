"""`copydesk deploy`: the deployments in a work pool whose workers run on several machines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flows import prefect_api
from flows.errors import ConfigurationError, RunFailed
from flows.serve.deployments import Registration, pool_tag, register
from flows.settings import CONFIG_DIGEST, Settings
from flows.settings_file import file_digest
from warehouse.location import Lake

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkPool
    from prefect.events.schemas.automations import AutomationCore

HEARTBEAT_SECONDS = 30
"""Prefect allows no less."""
MISSED_HEARTBEATS = 3
START_SECONDS = 300
"""As long as Prefect keeps the place of a run that does not start (``grace_period_seconds``)."""
_ENDS = ("Completed", "CompletedWithWarnings", "Failed", "Cancelled", "Crashed", "AwaitingRetry")
_ENVIRONMENT = {
    **prefect_api.TELEMETRY_OFF,
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
    "PREFECT_LOGGING_EXTRA_LOGGERS": "copydesk",  # our log on the page of a run
}


def register_in_pool(
    settings: Settings, config: Path | None, pool: str
) -> tuple[Registration, list[str]]:
    """Register the deployments at the server that PREFECT_API_URL names.

    Returns:
        What was registered, and warnings.

    Raises:
        ConfigurationError: PREFECT_API_URL is not set.
        RunFailed: The server cannot be used, or a deployment belongs to another pool.
    """
    environ = _ENVIRONMENT | {CONFIG_DIGEST: file_digest(config)}
    with _client(settings) as client:
        done = register(client, settings, config, pool, environ=environ)
        found = client.read_work_pool(pool)
        has_environ = _takes_environment(found)
        if has_environ:
            for automation in _automations(pool):
                _apply_automation(client, automation)
    return done, list(_warnings(settings, found, has_environ=has_environ))


def check(settings: Settings, config: Path | None, pool: str) -> str | None:
    """Return how the registered configuration differs from that of this machine, if it does.

    Raises:
        ConfigurationError: PREFECT_API_URL is not set.
        RunFailed: The server cannot be used, or the pool has no deployments of copydesk.
    """
    from prefect.exceptions import ObjectNotFound

    with _client(settings) as client:
        try:
            found = client.read_deployment_by_name("sync/all")
        except ObjectNotFound:
            found = None
    if found is None or found.work_pool_name != pool:
        raise RunFailed(
            f"the work pool {pool!r} has no deployments of copydesk: run "
            f"`copydesk deploy --pool {pool}` first"
        )
    registered, own = found.job_variables.get("env", {}).get(CONFIG_DIGEST), file_digest(config)
    if registered == own:
        return None
    return (
        f"{config or 'the configuration'} (digest {own}) is not the one that was deployed to "
        f"{pool} (digest {registered}): runs on this machine fail. Copy the file from the machine "
        f"that deployed it, or deploy this one: copydesk deploy --pool {pool}"
    )


@contextmanager
def _client(settings: Settings) -> Iterator[SyncPrefectClient]:
    api_url = prefect_api.configured_server(os.environ)
    if api_url is None:
        raise ConfigurationError(
            f"set {prefect_api.API_URL} to the address of the Prefect server's API; "
            "on one machine `copydesk serve` needs no server of its own"
        )
    prefect_api.prepare_client(os.environ, settings, api_url, is_own=False)
    if problem := prefect_api.server_problem(api_url):
        from flows.secrets.redact import redact_url

        raise RunFailed(f"the Prefect server {redact_url(api_url)} {problem}")
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


def _takes_environment(pool: WorkPool) -> bool:
    """Whether the pool passes the job variable ``env`` on to a run, as its default template does.

    A pool that is new has no template. Its first worker adds the default one.
    """
    template = pool.base_job_template
    return not template or "env" in template.get("variables", {}).get("properties", {})


def _warnings(settings: Settings, pool: WorkPool, *, has_environ: bool) -> Iterator[str]:
    location = settings.warehouse.location
    file = location.file if isinstance(location, Lake) else location
    if file is not None:
        yield (
            f"the warehouse is a file ({file}), so every worker of this pool must run on this "
            'machine; for several machines set [warehouse] url = "ducklake:postgres:..."'
        )
    if pool.is_paused:
        yield f"the work pool {pool.name} is paused, so no run starts: resume it in the Prefect UI"
    if not has_environ:
        yield (
            f"the job template of the work pool {pool.name} has no variable `env`: runs do not "
            "check their configuration, and a run whose machine is gone stays Running. Add `env` "
            "as in Prefect's default template"
        )


def _automations(pool: str) -> Iterator[AutomationCore]:
    """Prefect's documented way to end runs whose machine is gone: no heartbeat, or no start.

    A run may be killed before its first heartbeat, so its start counts as one.
    """
    missed = HEARTBEAT_SECONDS * MISSED_HEARTBEATS
    yield _automation(
        f"copydesk: no heartbeat in {pool}",
        pool,
        after={"Running", "heartbeat"},
        expect={"heartbeat"},
        seconds=missed,
        message=f"no heartbeat for {missed} s; what this run stored is kept",
    )
    yield _automation(
        f"copydesk: no start in {pool}",
        pool,
        after={"Pending", "Submitting"},
        expect={"Running", "AwaitingConcurrencySlot"},
        seconds=START_SECONDS,
        message=f"not started in {START_SECONDS} s",
    )


def _automation(
    name: str, pool: str, *, after: set[str], expect: set[str], seconds: int, message: str
) -> AutomationCore:
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    return AutomationCore(
        name=name,
        description="Made by `copydesk deploy`: sets a run to Crashed whose machine is gone.",
        trigger=EventTrigger(
            after={f"prefect.flow-run.{one}" for one in after},
            expect={f"prefect.flow-run.{one}" for one in (*expect, *_ENDS)},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.id": f"prefect.tag.{pool_tag(pool)}"}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[
            ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)
        ],
    )


def _apply_automation(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """Create or update an automation; one that was disabled in the UI stays disabled."""
    found = client.read_automations_by_name(automation.name)
    if not found:
        client.create_automation(automation)
        return
    kept = automation.model_copy(update={"enabled": found[0].enabled})
    client.update_automation(found[0].id, kept)
