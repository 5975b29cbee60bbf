"""The deployments of a configuration: what each runs, when, and with which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.publish_settings import publication_schedules
from flows.schedules import Schedule
from flows.serve.host_groups import host_groups
from flows.serve.schedule_groups import feed_groups, spread
from flows.settings import Settings, maintenance_schedule, source_schedules
from flows.text import pluralize

TAG = "copydesk"
_ON_DEMAND = {  # flow, and deployment of the same name: entrypoint
    "backfill": "flows.backfill.backfill",
    "import": "flows.import_posts.import_posts",
    "reparse": "flows.reparse.reparse",
    "maintenance": "flows.maintenance.maintenance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSchedule:
    """One schedule of a deployment.

    Attributes:
        name: Of the schedule in its deployment; ``None`` for the only one.
        sources: What its runs sync, instead of the sources of the deployment.
    """

    schedule: Schedule
    name: str | None = None
    sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The schedule, and what it is for."""
        return f"{self.schedule}: {self.name}" if self.name else str(self.schedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDeployment:
    """One deployment of a configuration.

    Attributes:
        flow_name: Name of the flow at the server.
        entrypoint: Module path of the flow, ``package.module.flow``.
        schedules: Its schedules; none for a flow that runs on request.
        is_long: Its runs may take hours, and wait in the queue ``long-runs``.
    """

    name: str
    flow_name: str
    entrypoint: str
    parameters: dict[str, Any]
    tags: tuple[str, ...]
    description: str
    schedules: tuple[PlannedSchedule, ...] = ()
    is_long: bool = True


def plan(
    settings: Settings, config: Path | None, *, by_host: bool = False
) -> list[PlannedDeployment]:
    """Return every deployment of a configuration.

    Args:
        settings: The configuration.
        config: Its file.
        by_host: Sources of one host share a deployment, and so its limit of one run.
    """
    parameters = {"config": str(config.absolute()) if config else None}
    planned = _host_syncs(settings, parameters) if by_host else _syncs(settings, parameters)
    planned.append(
        PlannedDeployment(
            name="all",
            flow_name="sync",
            entrypoint="flows.sync.sync",
            parameters=parameters,
            tags=(TAG,),
            description="Fetch new articles of every source into the warehouse.",
        )
    )
    own_schedules = publication_schedules(settings.publish, settings.defaults.time_zone)
    planned += [
        PlannedDeployment(
            name=name,
            flow_name="publish",
            entrypoint="flows.publish.publish",
            parameters={"names": [name], **parameters},
            tags=(TAG, "publish"),
            description=f"Publish {name} into its folder, and run its command.",
            schedules=_only(own_schedules.get(name)),
            is_long=False,
        )
        for name in settings.publish
    ]
    planned += [
        PlannedDeployment(
            name=name,
            flow_name=name,
            entrypoint=entrypoint,
            parameters=parameters,
            tags=(TAG, name),
            description="",
            schedules=_only(maintenance_schedule(settings) if name == "maintenance" else None),
        )
        for name, entrypoint in _ON_DEMAND.items()
    ]
    return planned


def _syncs(settings: Settings, parameters: dict[str, Any]) -> list[PlannedDeployment]:
    """A deployment for each group of feeds, and for each other source."""
    schedules = source_schedules(settings)
    groups = feed_groups(settings, schedules)
    grouped = {slug for group in groups for slug in group.sources}
    own = spread({slug: one for slug, one in schedules.items() if slug not in grouped})
    planned = [
        PlannedDeployment(
            name=group.name,
            flow_name="sync",
            entrypoint="flows.sync.sync",
            parameters={"sources": list(group.sources), **parameters},
            tags=(TAG, "feeds"),
            description=f"Fetch new articles of {len(group.sources)} feeds in one run. A feed with "
            'schedule = "" in its section is left out.',
            schedules=_only(group.schedule),
            is_long=False,
        )
        for group in groups
    ]
    planned += [
        PlannedDeployment(
            name=slug,
            flow_name="sync",
            entrypoint="flows.sync.sync",
            parameters={"sources": [slug], **parameters},
            tags=(TAG, slug),
            description=f"Fetch new articles of {slug} into the warehouse.",
            schedules=_only(own.get(slug)),
            is_long=False,
        )
        for slug in settings.sources
        if slug not in grouped
    ]
    return planned


def _host_syncs(settings: Settings, parameters: dict[str, Any]) -> list[PlannedDeployment]:
    """The same, with one deployment for those that share a host; each keeps its schedule."""
    single = {one.name: one for one in _syncs(settings, parameters)}
    sources = {name: tuple(one.parameters["sources"]) for name, one in single.items()}
    return [
        single[group.name]
        if group.name in single
        else PlannedDeployment(
            name=group.name,
            flow_name="sync",
            entrypoint="flows.sync.sync",
            parameters={
                "sources": [slug for name in group.members for slug in sources[name]],
                **parameters,
            },
            tags=(TAG, "host"),
            description=f"Fetch new articles of {pluralize(len(group.members), 'deployment')} of "
            f"one host, one run at a time: {', '.join(group.members)}.",
            schedules=tuple(
                PlannedSchedule(schedule=one.schedule, name=name, sources=sources[name])
                for name in group.members
                for one in single[name].schedules
            ),
            is_long=False,
        )
        for group in host_groups(settings, sources)
    ]


def _only(schedule: Schedule | None) -> tuple[PlannedSchedule, ...]:
    return (PlannedSchedule(schedule=schedule),) if schedule else ()
