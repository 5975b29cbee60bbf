"""The deployments of a configuration: what each runs, when, and with which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.publish_settings import publication_schedules
from flows.schedules import Schedule
from flows.serve.schedule_groups import feed_groups, spread
from flows.settings import Settings, maintenance_schedule, source_schedules

TAG = "copydesk"
_ON_DEMAND = {  # flow, and deployment of the same name: entrypoint
    "backfill": "flows.backfill.backfill",
    "import": "flows.import_posts.import_posts",
    "reparse": "flows.reparse.reparse",
    "maintenance": "flows.maintenance.maintenance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDeployment:
    """One deployment of a configuration.

    Attributes:
        flow_name: Name of the flow at the server.
        entrypoint: Module path of the flow, ``package.module.flow``.
        schedule: Its schedule; ``None`` for a flow that runs on request.
        is_long: Its runs may take hours, and wait in the queue ``long-runs``.
    """

    name: str
    flow_name: str
    entrypoint: str
    parameters: dict[str, Any]
    tags: tuple[str, ...]
    description: str
    schedule: Schedule | None = None
    is_long: bool = True


def plan(settings: Settings, config: Path | None) -> list[PlannedDeployment]:
    """Return every deployment of a configuration."""
    parameters = {"config": str(config.absolute()) if config else None}
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
            schedule=group.schedule,
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
            schedule=own.get(slug),
            is_long=False,
        )
        for slug in settings.sources
        if slug not in grouped
    ]
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
            schedule=own_schedules.get(name),
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
            schedule=maintenance_schedule(settings) if name == "maintenance" else None,
        )
        for name, entrypoint in _ON_DEMAND.items()
    ]
    return planned
