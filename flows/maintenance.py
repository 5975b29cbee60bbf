"""The maintenance flow: each task of ``flows.admin.maintenance`` as a task run.

The Prefect server of ``copydesk serve`` deletes its old runs itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Cancelled, Completed, Failed
from pydantic import Field

from flows.admin.maintenance import MaintenanceResult, maintain
from flows.reporting.artifacts import create_result_table
from flows.reporting.pool_run import load_settings
from flows.reporting.states import run_trigger


@task(name="maintenance-task", cache_policy=NO_CACHE, persist_result=False, retries=0)
def run_task(work: Callable[[], None]) -> None:
    """Run one task of maintenance as a task run."""
    work()


@flow(
    name="maintenance", flow_run_name="maintenance", persist_result=False, validate_parameters=True
)
def maintenance(
    fetch_retention_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    move_archive_days: Annotated[int | None, Field(ge=1, le=36500)] = None,
    move_archive_to: str | None = None,
    verify_archive: bool = True,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[MaintenanceResult]:
    """Delete old snapshots and checkpoints, compact the warehouse, verify the archive.

    Args:
        fetch_retention_days: Delete older rows of fetches, except the last complete one of each
            URL. By default all are kept.
        move_archive_days: Move archive files that are older to ``move_archive_to``, and leave
            links.
        move_archive_to: A folder, for example on another disk.
        verify_archive: Read every archive file that was closed since the last maintenance.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    settings = load_settings(config)
    # Prefect asks for a concurrency slot for each tag of a task run, so task runs have none.
    with TagsContext(current_tags=set()):
        # Prefect's own handler of SIGTERM would stop a task at any line; ``maintain`` has another.
        result = maintain(
            settings,
            fetch_retention_days=fetch_retention_days,
            move_archive_days=move_archive_days,
            move_archive_to=Path(move_archive_to) if move_archive_to else None,
            verify_archive=verify_archive,
            call=lambda name, work: run_task.with_options(task_run_name=name)(work),
        )
        title = f"Maintenance {result.run_id}, {result.seconds:.1f} seconds"
        create_result_table("copydesk-maintenance", result.rows(), title, ())
    return _state(result)


def _state(result: MaintenanceResult) -> State[MaintenanceResult]:
    message = result.message()[:2000]
    # In a run of a deployment, Prefect raises the data of a state that is not Completed.
    data = None if run_trigger() == "schedule" else result
    if result.state == "failed":
        return Failed(message=message, data=data)
    if result.state == "interrupted":
        return Cancelled(message=message, data=data)
    return Completed(message=message, data=result)
