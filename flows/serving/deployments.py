"""The flows as Prefect deployments: every source on its schedule, the rest on demand.

Run as a module it registers them and prints what came of it: importing the flows brings
DuckDB, Arrow and lxml into memory, which a process that only waits need not hold.

Names are the same as in ``deploy/prefect.yaml``, so that moving from ``copydesk serve``
to a work pool replaces the deployments and does not double them.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from flows import settings as configuration
from flows.errors import RunFailed
from flows.serving import installation
from flows.settings import Settings, maintenance_schedule, source_schedules

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule as PrefectSchedule

    from flows.schedules import Schedule

# Flow, module: one deployment each, without a schedule (maintenance has its own setting).
ON_DEMAND = (
    ("backfill", "flows.backfill"),
    ("import_posts", "flows.import_posts"),
    ("reparse", "flows.reparse"),
    ("maintenance", "flows.maintenance"),
)
EVERYTHING = "all"
TAG = "copydesk"
REGISTER_SECONDS = 120.0
_LOOK_SECONDS = 0.2
_PAGE = 200
# Intervals are counted from here in the source's zone: counted from each start anew, what is to
# run every day would never run where something starts every day.
_COUNTED_FROM = datetime(2020, 1, 1)  # noqa: DTZ001  # its zone is the source's


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One deployment before Prefect knows it.

    Attributes:
        timetable: When it runs by itself; ``None`` for on demand.
    """

    name: str
    flow: Any
    parameters: dict[str, Any]
    tags: tuple[str, ...]
    timetable: Schedule | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One deployment that the server knows.

    Attributes:
        id: At the server.
        name: With its flow, as ``prefect deployment run`` takes it.
        when: Its timetable in words; empty for on demand.
        is_paused: Somebody switched its schedule off, and so it stays.
        installed: The installation whose it is.
        taken_from: Another one whose it was before; empty for none.
    """

    id: str
    name: str
    when: str
    is_paused: bool = False
    installed: str = ""
    taken_from: str = ""

    @property
    def is_long(self) -> bool:
        """Whether its runs may take hours: all but those of the sources' own schedules."""
        flow, _, name = self.name.partition("/")
        return flow != "sync" or name == EVERYTHING


def register(config: Path | None, *, stop: threading.Event | None = None) -> list[Registered]:
    """Make or renew every deployment at the server that the environment names.

    Args:
        config: The configuration file.
        stop: Ends it before its time.

    Raises:
        RunFailed: The server refused, or is away; the message holds the last words.
    """
    command = [sys.executable, "-m", __name__, *([str(config.absolute())] if config else [])]
    stop, end = stop or threading.Event(), time.monotonic() + REGISTER_SECONDS
    with subprocess.Popen(  # noqa: S603  # our own module
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while True:
            try:
                said, errors = process.communicate(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set() or time.monotonic() > end:
                    process.kill()
                    why = "stopped" if stop.is_set() else f"not within {REGISTER_SECONDS:.0f} s"
                    raise RunFailed(f"the schedules could not be registered: {why}") from None
    if process.returncode:
        words = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise RunFailed(f"the schedules could not be registered: {words[0]}")
    return [Registered(**one) for one in json.loads(said.splitlines()[-1])]


def forgotten(registered: Sequence[Registered]) -> list[str]:
    """The names of those that the server does not know any more.

    Raises:
        httpx.HTTPError: The server is away.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[UUID(one.id) for one in registered]))
    with get_client(sync_client=True) as client:
        known = {str(one.id) for one in client.read_deployments(deployment_filter=wanted)}
    return [one.name for one in registered if one.id not in known]


def remove_stale(
    registered: Sequence[Registered], config: Path | None, *, is_own: bool
) -> list[str]:
    """Take away the deployments of sources that are no longer configured; their names.

    Their schedules would make runs for ever that nobody carries out. Ended runs stay. What
    somebody else made is left alone: deployments of work pools, and those that are not called
    after their source.

    Args:
        registered: What is configured.
        config: The configuration that they are of.
        is_own: The server is this warehouse's alone. At another one only deployments that
            name this configuration's file are ours, and no other installation.

    Raises:
        httpx.HTTPError: The server is away.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterTags,
        FlowFilter,
        FlowFilterName,
    )
    from prefect.exceptions import ObjectNotFound

    kept, removed = {one.name for one in registered}, []
    here = {None, *(one.installed for one in registered)}  # earlier versions named none
    file = str(config.absolute()) if config else None
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    syncs = FlowFilter(name=FlowFilterName(any_=["sync"]))
    with get_client(sync_client=True) as client:
        found: list[DeploymentResponse] = []
        while len(found) % _PAGE == 0:
            page = client.read_deployments(
                deployment_filter=ours, flow_filter=syncs, limit=_PAGE, offset=len(found)
            )
            found += page
            if not page:
                break
        for one in found:
            is_named = file is not None and one.parameters.get("config") == file
            is_ours = is_own or (is_named and installation.tagged(one.tags) in here)
            is_sources = one.parameters.get("sources") == [one.name] and not one.work_pool_name
            if is_ours and is_sources and f"sync/{one.name}" not in kept:
                with suppress(ObjectNotFound):
                    client.delete_deployment(one.id)
                removed.append(f"sync/{one.name}")
    return removed


def planned(settings: Settings, config: Path | None) -> list[Planned]:
    """Every deployment of this configuration."""
    from flows.sync import sync

    common = {"config": str(config.absolute()) if config else None}
    tables = source_schedules(settings)
    found = [
        Planned(
            name=slug,
            flow=sync,
            parameters={"sources": [slug], **common},
            tags=(TAG, slug),
            timetable=tables.get(slug),
            description=f"What is new at {slug}, into the warehouse.",
        )
        for slug in settings.sources
    ]
    found.append(
        Planned(
            name=EVERYTHING,
            flow=sync,
            parameters=dict(common),
            tags=(TAG,),
            timetable=None,
            description="What is new at every source, into the warehouse, now.",
        )
    )
    return [*found, *_on_demand(settings, common)]


def _on_demand(settings: Settings, common: dict[str, Any]) -> Iterator[Planned]:
    for name, module in ON_DEMAND:
        if importlib.util.find_spec(module) is None:
            continue
        flow = getattr(importlib.import_module(module), name)
        accepted = flow.parameters.properties
        yield Planned(
            name=flow.name,
            flow=flow,
            parameters={key: value for key, value in common.items() if key in accepted},
            tags=(TAG, flow.name),
            timetable=maintenance_schedule(settings) if name == "maintenance" else None,
            description=(flow.description or flow.name).splitlines()[0],
        )


def deployment(
    one: Planned, settings: Settings, *, is_paused: bool = False, is_active: bool = True
) -> RunnerDeployment:
    """What Prefect is told of it.

    Args:
        one: What is planned.
        settings: For the names of the sources.
        is_paused: The deployment is switched off.
        is_active: The schedule of it is switched on.
    """
    from prefect.types.entrypoint import EntrypointType

    from flows.reporting.parameters import with_source_enum

    # The form then offers the configured sources, and the server refuses others.
    made: Any = with_source_enum(one.flow, settings).to_deployment(
        name=one.name,
        schedules=[replace(schedule(one.timetable), active=is_active)] if one.timetable else [],
        paused=is_paused,
        parameters=one.parameters,
        description=one.description,
        tags=[*one.tags, installation.tag(settings)],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)


def schedule(timetable: Schedule) -> PrefectSchedule:
    """The timetable as Prefect has it."""
    from prefect.schedules import Cron, Interval, RRule

    if timetable.kind == "cron":
        return Cron(timetable.value, timezone=timetable.prefect_time_zone)
    if timetable.kind == "rrule":
        return RRule(timetable.value, timezone=timetable.prefect_time_zone)
    return Interval(
        timedelta(seconds=float(timetable.value)),
        anchor_date=_COUNTED_FROM.replace(tzinfo=ZoneInfo(timetable.zone)),
        timezone=timetable.prefect_time_zone,
    )


def applied(one: Planned, settings: Settings) -> Registered:
    """Make or renew a deployment; one that somebody paused at the server stays paused."""
    name = f"{one.flow.name}/{one.name}"
    known = _known(name)
    is_paused = bool(known and known.paused)
    is_active = not (known and known.schedules) or any(one.active for one in known.schedules)
    made: Any = deployment(one, settings, is_paused=is_paused, is_active=is_active).apply()
    before, here = installation.tagged(known.tags if known else ()), installation.identity(settings)
    return Registered(
        id=str(made),
        name=name,
        when=str(one.timetable) if one.timetable else "",
        is_paused=is_paused or not is_active,
        installed=here,
        taken_from=before if before and before != here else "",
    )


def _known(name: str) -> DeploymentResponse | None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        return client.read_deployment_by_name(name)
    return None


def _register(config: Path | None) -> None:
    settings = configuration.load(config)
    done = [applied(one, settings) for one in planned(settings, config)]
    sys.stdout.write("\n" + json.dumps([asdict(one) for one in done]) + "\n")


if __name__ == "__main__":
    _register(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
