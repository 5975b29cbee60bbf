"""The scheduled flow: discover, fetch, parse, upsert. Start here.

    sync                              a flow run, one row of counters a source
    └── source (each, side by side)   a task run                 flows/tasks.py
        ├── discover                  listings to leads          flows/pipeline/discover.py
        └── for each batch
            ├── fetch                 leads to whole pages       flows/pipeline/steps.py: fetch
            ├── parse                 pages to articles          flows/pipeline/steps.py: read
            └── upsert                one transaction            flows/pipeline/steps.py: store

What fails on the way (a listing, a line, a page) is counted, told and kept; the run
goes on. Only a warehouse that cannot be written ends it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows import settings as configuration
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.reporting.artifacts import create_run_artifacts
from flows.reporting.states import invalid_request_state
from flows.serving import claims
from flows.serving.ending import in_words
from flows.serving.events import tell
from flows.serving.leaving import give_up_soon
from flows.settings import Settings
from flows.tasks import named, sync_source

give_up_soon()  # here, because the first events of a run come before its first line
if flow_run.id is not None:  # of a deployment: what it fails of may come before its first line
    in_words()

SOURCES_AT_ONCE = 8
PROBLEMS_TOLD = 5
_SIDE_BY_SIDE: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=SOURCES_AT_ONCE)


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    return f"sync {' '.join(parameters.get('sources') or ['all sources'])}"


@flow(
    name="sync",
    flow_run_name=_run_name,
    task_runner=_SIDE_BY_SIDE,
    persist_result=False,
    validate_parameters=True,
)
def sync(
    sources: list[str] | None = None,
    limit: int | None = None,
    dry_run: bool = False,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[RunReport]:
    """Fetch what is new into the warehouse.

    Args:
        sources: Which of the configured sources; all of them by default.
        limit: At most this many entries of each source.
        dry_run: Say what would be fetched; fetch and store nothing.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    try:
        settings = configuration.load(Path(config) if config else None)
        slugs = [source.slug for source in settings.selected_sources(tuple(sources or ()))]
    except configuration.ConfigurationError as refusal:
        return invalid_request_state(refusal)
    # Task runs must not inherit the run's tags: see tasks.py.
    untagged = TagsContext(current_tags=set())
    with untagged, RunContext("sync", settings, slugs, limit=limit, is_dry=dry_run) as run:
        started = [named(sync_source, slug).submit(run, slug) for slug in slugs]
        errors = [error for future in started if (error := _error_of(future))]
        report = run.finish()
        if not dry_run:
            told = tell(report, settings)
            if run.alert_only_new:  # on a schedule, where alerts are listened to
                run.mark_told(told)
            run.publish()
    if errors:
        raise errors[0]
    create_run_artifacts(report, settings)
    return state_for(report)


def sync_without_prefect(
    settings: Settings, slugs: list[str], *, limit: int | None, dry_run: bool
) -> RunReport:
    """The same run without Prefect, for when its server cannot be reached.

    Raises:
        WarehouseError: The warehouse could not be written.
    """
    with RunContext("sync", settings, slugs, limit=limit, is_dry=dry_run) as run:
        with ThreadPoolExecutor(SOURCES_AT_ONCE, thread_name_prefix="copydesk-source") as pool:
            # Each in a context of its own, for the surroundings.
            started = [pool.submit(copy_context().run, sync_source.fn, run, slug) for slug in slugs]
            errors = [error for future in started if (error := future.exception())]
        report = run.finish()
        if not dry_run:
            run.publish()
    if errors:
        raise errors[0]
    return report


def _error_of(future: Any) -> Exception | None:
    """What ended a source's task, once it has ended."""
    found = future.result(raise_on_failure=False)
    return found if isinstance(found, Exception) else None


def _words(report: RunReport) -> str:
    """What the state of a run says: what is wrong first."""
    told = [*report.problems[:PROBLEMS_TOLD]]
    if more := len(report.problems) - len(told):
        told.append(f"and {more} more, in the artifacts of the run")
    return "; ".join([*(told or ["all well"]), *report.standing])


def state_for(report: RunReport) -> State[RunReport]:
    """The run's state as Prefect shows it; the report travels inside, in memory."""
    words = _words(report)
    # In a run of a deployment nobody asks for the report, and Prefect, which raises what a
    # failed run holds, would complain of its type.
    held = None if claims.is_deployed() else report
    if report.state == "interrupted":
        said = "; ".join(
            ["interrupted; what was stored stays stored", *report.problems[:PROBLEMS_TOLD]]
        )
        return Cancelled(message=said, data=held)
    if report.state == "failed":
        return Failed(message=words, data=held)
    if report.state == "needs_attention":
        return Completed(name="NeedsAttention", message=words, data=report)
    return Completed(message=words, data=report)
