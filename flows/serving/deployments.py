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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flows import settings as configuration
from flows.errors import RunFailed
from flows.settings import Settings, maintenance_timetable, timetables

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule

    from flows.schedules import Timetable

# Flow, module: one deployment each, without a schedule (maintenance has its own setting).
ON_DEMAND = (
    ("backfill", "flows.backfill"),
    ("import_posts", "flows.import_flow"),
    ("reparse", "flows.reparse"),
    ("maintenance", "flows.maintenance"),
)
EVERYTHING = "all-sources"
REGISTER_SECONDS = 120.0


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
    timetable: Timetable | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One deployment that the server knows.

    Attributes:
        id: At the server.
        name: With its flow, as ``prefect deployment run`` takes it.
        when: Its timetable in words; empty for on demand.
    """

    id: str
    name: str
    when: str


def register(config: Path | None) -> list[Registered]:
    """Make or renew every deployment at the server that the environment names.

    Raises:
        RunFailed: The server refused, or is away; the message holds the last words.
    """
    command = [sys.executable, "-m", __name__, *([str(config.absolute())] if config else [])]
    try:
        done = subprocess.run(  # noqa: S603  # our own module
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=REGISTER_SECONDS,
            start_new_session=True,
        )
    except subprocess.CalledProcessError as error:
        words = error.stderr.strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise RunFailed(f"the schedules could not be registered: {words[0]}") from None
    except subprocess.TimeoutExpired:
        raise RunFailed(
            f"the schedules could not be registered within {REGISTER_SECONDS:.0f} s"
        ) from None
    return [Registered(**one) for one in json.loads(done.stdout.splitlines()[-1])]


def planned(settings: Settings, config: Path | None) -> list[Planned]:
    """Every deployment of this configuration."""
    from flows.sync import sync

    common = {"config": str(config.absolute()) if config else None}
    tables = timetables(settings)
    found = [
        Planned(
            name=slug,
            flow=sync,
            parameters={"sources": [slug], **common},
            tags=("copydesk", slug),
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
            tags=("copydesk",),
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
            tags=("copydesk", flow.name),
            timetable=maintenance_timetable(settings) if name == "maintenance" else None,
            description=(flow.description or flow.name).splitlines()[0],
        )


def deployment(one: Planned, settings: Settings) -> RunnerDeployment:
    """What Prefect is told of it."""
    from prefect.types.entrypoint import EntrypointType

    from flows.forms import with_sources

    # The form then offers the configured sources, and the server refuses others.
    made: Any = with_sources(one.flow, settings).to_deployment(
        name=one.name,
        schedules=[schedule(one.timetable)] if one.timetable else [],
        parameters=one.parameters,
        description=one.description,
        tags=[*one.tags],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return cast("RunnerDeployment", made)


def schedule(timetable: Timetable) -> Schedule:
    """The timetable as Prefect has it."""
    from prefect.schedules import Cron, Interval, RRule

    if timetable.kind == "cron":
        return Cron(timetable.value, timezone=timetable.zone)
    if timetable.kind == "rrule":
        return RRule(timetable.value, timezone=timetable.zone)
    return Interval(timedelta(seconds=float(timetable.value)), timezone=timetable.zone)


def _register(config: Path | None) -> None:
    settings = configuration.load(config)
    done = [
        Registered(
            id=str(deployment(one, settings).apply()),
            name=f"{one.flow.name}/{one.name}",
            when=one.timetable.words() if one.timetable else "",
        )
        for one in planned(settings, config)
    ]
    sys.stdout.write("\n" + json.dumps([asdict(one) for one in done]) + "\n")


if __name__ == "__main__":
    _register(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
