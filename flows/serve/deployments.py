"""The flows as Prefect deployments in one work pool: schedules, queues and limits.

``python -m flows.serve.deployments`` registers them and prints the result as JSON. This runs in
a process of its own: it imports the flows, and so DuckDB, Arrow and lxml.

    scheduled syncs   queue "default"     one run at a time; a run that would overlap is cancelled
    many feeds        queue "default"     one deployment a schedule (``schedule_groups``)
    on many machines  queue "default"     one deployment a host (``host_groups``); a run that would
                                          overlap waits; publications: queue "publications"
    all other flows   queue "long-runs"   at most half of the pool's processes, in order

The limits save processes. The lock of a source (``flows.pipeline.locks``) is what keeps two runs
of one source apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flows import prefect_api
from flows import settings as configuration
from flows.errors import RunFailed
from flows.serve.lost_runs import STOPPING, end_lost_runs, read_all
from flows.serve.plan import TAG, PlannedDeployment, PlannedSchedule, plan
from flows.settings import Settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.responses import DeploymentResponse

LONG_RUNS = "long-runs"
PUBLICATIONS = "publications"
"""Queue of a pool of several machines: workers that do not have the folders leave it out."""
RUNS_PER_SOURCE = 1
"""Runs of one source's deployment at a time; a later run is cancelled, or waits for its turn."""
REGISTER_SECONDS = 120.0
_MAX_NAMES = 10
# Intervals count from here in the source's zone. Counted from each registration, a daily interval
# would never come due on a machine that restarts every day.
_INTERVAL_ANCHOR = datetime(2020, 1, 1)  # noqa: DTZ001  # gets the zone of its source


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDeployment:
    """One deployment at the server.

    Attributes:
        name: ``flow/deployment``.
        schedule: As the configuration has it; empty for a flow that runs on request.
        is_paused: Its schedule was paused in the UI, and stays so.
    """

    name: str
    schedule: str
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a registration did.

    Attributes:
        deleted: Deployments that the configuration no longer has.
        crashed: Runs whose process is gone.
    """

    deployments: tuple[RegisteredDeployment, ...]
    deleted: tuple[str, ...] = ()
    crashed: tuple[str, ...] = ()

    def messages(self) -> Iterator[str]:
        """Return one line per kind of change."""
        if self.deleted:
            names = ", ".join(self.deleted[:_MAX_NAMES])
            more = len(self.deleted) - _MAX_NAMES
            yield (
                "deleted the deployments of sources that were removed or are in a group now: "
                f"{names}{f' and {more} more' if more > 0 else ''}"
            )
        if self.crashed:
            yield (
                f"set to Crashed because the process is gone: {', '.join(self.crashed)}. "
                "What these runs stored is kept"
            )


def register_in_subprocess(
    config: Path | None,
    pool: str,
    *,
    worker: str,
    is_worker_running: bool,
    is_local: bool,
    stop: threading.Event,
) -> Registration:
    """Make the server's deployments those of the configuration; end runs whose process is gone.

    Args:
        config: The configuration file.
        pool: The work pool; created if there is none.
        worker: Name of the worker whose lost runs are ended.
        is_worker_running: Its process runs.
        is_local: Only workers on this machine take the runs.
        stop: Ends the registration.

    Raises:
        RunFailed: The server refused or did not answer, or ``stop`` was set.
    """
    order = {
        "config": str(config.absolute()) if config else None,
        "pool": pool,
        "worker": worker,
        "is_worker_running": is_worker_running,
        "is_local": is_local,
    }
    command = [sys.executable, "-m", __name__, json.dumps(order)]
    with subprocess.Popen(  # noqa: S603  # our own module
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(int(REGISTER_SECONDS / 0.2)):
            with suppress(subprocess.TimeoutExpired):
                output, errors = process.communicate(timeout=0.2)
                break
            if stop.is_set():
                break
        if process.poll() is None:
            process.kill()
            reason = "stopped" if stop.is_set() else f"no answer in {REGISTER_SECONDS:.0f} s"
            raise RunFailed(f"cannot register the deployments: {reason}")
    if process.returncode:
        lines = errors.strip().splitlines() or [f"exit code {process.returncode}"]
        raise RunFailed(f"cannot register the deployments: {lines[-1]}")
    found = json.loads(output.splitlines()[-1])
    return Registration(
        deployments=tuple(RegisteredDeployment(**one) for one in found["deployments"]),
        deleted=tuple(found["deleted"]),
        crashed=tuple(found["crashed"]),
    )


def register(
    client: SyncPrefectClient,
    settings: Settings,
    config: Path | None,
    pool: str,
    *,
    command: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Registration:
    """Create or update the pool and every deployment; delete those of sources that were removed.

    Args:
        client: Of the server.
        settings: The configuration.
        config: Its file.
        pool: The work pool.
        command: Starts the process of a run; Prefect's own way by default.
        environ: What runs on several machines have in their environment; ``None`` if the pool has
            one machine.

    Raises:
        RunFailed: A deployment of this name belongs to another work pool.
    """
    _prepare_pool(client, pool, settings.serve.max_concurrent_runs)
    job = {"command": command} if command else {"env": dict(environ)} if environ else {}
    many = environ is not None
    registered = [
        _apply(client, one, settings, pool, job, waits=many)
        for one in plan(settings, config, by_host=many)
    ]
    deleted = _delete_others(client, pool, {one.name for one in registered})
    return Registration(deployments=tuple(registered), deleted=tuple(deleted))


def _prepare_pool(client: SyncPrefectClient, pool: str, max_concurrent_runs: int) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    long_limit = max(1, max_concurrent_runs // 2)
    try:
        found = client.read_work_pool(pool)
        if found.is_paused and found.description == STOPPING:  # a stop that was cut short
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False, description=""))
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    try:
        queue = client.read_work_queue_by_name(LONG_RUNS, work_pool_name=pool)
        client.update_work_queue(queue.id, concurrency_limit=long_limit)
    except ObjectNotFound:
        client.create_work_queue(
            LONG_RUNS, work_pool_name=pool, concurrency_limit=long_limit, priority=2
        )


def _apply(
    client: SyncPrefectClient,
    one: PlannedDeployment,
    settings: Settings,
    pool: str,
    job: dict[str, Any],
    *,
    waits: bool,
) -> RegisteredDeployment:
    """Create or update a deployment; a schedule that was paused in the UI stays paused.

    A run that would overlap another one waits for it (``waits``) or is cancelled.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions

    from flows.reporting.parameters import with_source_enum

    module, _, name = one.entrypoint.rpartition(".")
    flow: Any = getattr(import_module(module), name)
    full_name = f"{one.flow_name}/{one.name}"
    known = _known(client, full_name)
    if known and known.work_pool_name not in (None, pool):
        raise RunFailed(
            f"the deployment {full_name} belongs to the work pool {known.work_pool_name!r} of "
            f"another installation at this Prefect server: delete it there (`prefect deployment "
            f"delete {full_name}`), or give each installation a server of its own"
        )
    found = known.schedules if known else []
    paused = {one.slug for one in found} - {one.slug for one in found if one.active}
    schedules = [
        deployment_schedule(new, is_active=new.name not in paused) for new in one.schedules
    ]
    is_paused = bool(known and known.paused)
    strategy = ConcurrencyLimitStrategy.ENQUEUE if waits else ConcurrencyLimitStrategy.CANCEL_NEW
    form = with_source_enum(flow, settings).model_dump()
    form["properties"]["config"]["enum"] = [one.parameters["config"]]
    client.create_deployment(
        flow_id=client.create_flow_from_name(one.flow_name),
        name=one.name,
        entrypoint=one.entrypoint,
        parameters={
            key: one.parameters[key] for key in one.parameters if key in form["properties"]
        },
        parameter_openapi_schema=form,
        enforce_parameter_schema=True,
        schedules=schedules,
        paused=is_paused,
        concurrency_limit=None if one.is_long else RUNS_PER_SOURCE,
        concurrency_options=None
        if one.is_long
        else ConcurrencyOptions(collision_strategy=strategy),
        work_pool_name=pool,
        work_queue_name=_queue(one, is_shared=waits),
        job_variables=job,
        tags=[*one.tags, *([pool_tag(pool)] if waits else [])],
        description=one.description or (flow.description or one.flow_name).splitlines()[0],
    )
    return RegisteredDeployment(
        name=full_name,
        schedule="; ".join(map(str, one.schedules)),
        is_paused=is_paused or (bool(schedules) and not any(new.active for new in schedules)),
    )


def _queue(one: PlannedDeployment, *, is_shared: bool) -> str:
    if one.is_long:
        return LONG_RUNS
    return PUBLICATIONS if is_shared and one.flow_name == "publish" else "default"


def pool_tag(pool: str) -> str:
    """The tag of the deployments and runs of a pool of several machines."""
    return f"pool:{pool}"


def _known(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    from prefect.exceptions import ObjectNotFound

    with suppress(ObjectNotFound):
        return client.read_deployment_by_name(full_name)
    return None


def deployment_schedule(planned: PlannedSchedule, *, is_active: bool) -> DeploymentScheduleCreate:
    """Return a schedule as Prefect's server takes it."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

    found = planned.schedule
    zone = found.prefect_time_zone
    schedule: CronSchedule | IntervalSchedule | RRuleSchedule
    if found.kind == "cron":
        schedule = CronSchedule(cron=found.value, timezone=zone)
    elif found.kind == "rrule":
        schedule = RRuleSchedule(rrule=_anchored(found.value, zone), timezone=zone)
    else:
        schedule = IntervalSchedule(
            interval=timedelta(seconds=float(found.value)),
            anchor_date=_INTERVAL_ANCHOR.replace(tzinfo=ZoneInfo(found.zone))
            + timedelta(seconds=found.offset_seconds),
            timezone=zone,
        )
    return DeploymentScheduleCreate(
        schedule=schedule,
        active=is_active,
        slug=planned.name,
        parameters={"sources": list(planned.sources)} if planned.sources else {},
    )


def _anchored(rule: str, zone: str) -> str:
    """Add the day that a rule counts from; Prefect's client adds the time of the registration.

    The server expands a rule from its first day. So rules of minutes and seconds count from a
    recent one.
    """
    today = datetime.now(ZoneInfo(zone))
    first = {"SECONDLY": today, "MINUTELY": today.replace(month=1, day=1)}
    frequency = rule.partition("FREQ=")[2].partition(";")[0]
    return f"DTSTART:{first.get(frequency, _INTERVAL_ANCHOR):%Y%m%dT000000}\n{rule}"


def _delete_others(client: SyncPrefectClient, pool: str, kept: set[str]) -> list[str]:
    """Delete this pool's deployments that the configuration no longer has; their runs stay."""
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterTags,
        WorkPoolFilter,
        WorkPoolFilterName,
    )

    found = read_all(
        client.read_deployments,
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )
    names = {one.id: f"{client.read_flow(one.flow_id).name}/{one.name}" for one in found}
    deleted = {id_: name for id_, name in names.items() if name not in kept}
    for id_ in deleted:
        client.delete_deployment(id_)
    return list(deleted.values())


def _main(order: dict[str, Any]) -> None:
    from prefect.client.orchestration import get_client

    config = Path(order["config"]) if order["config"] else None
    with get_client(sync_client=True) as client:
        # One process per run: by default the worker starts a second one, which looks for a
        # project to install.
        command = f"{sys.executable} -m prefect.engine" if order["is_local"] else None
        settings = configuration.load(config)
        # First the runs: the server cannot end a run whose deployment, and its limit, is deleted.
        crashed = end_lost_runs(
            client,
            order["pool"],
            order["worker"],
            is_worker_running=order["is_worker_running"],
            is_local=order["is_local"] and settings.serve.host in prefect_api.LOOPBACK,
        )
        done = register(client, settings, config, order["pool"], command=command)
    sys.stdout.write("\n" + json.dumps(asdict(done) | {"crashed": crashed}) + "\n")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
