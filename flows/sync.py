"""The scheduled flow: discover, fetch, parse, load. Start here.

The way of one page, from its schedule to its row:

     1  flows/cli/serve.py             `copydesk serve` starts the supervisor
     2  flows/serve/supervisor.py      supervises a Prefect server and a worker
     3  flows/serve/deployments.py     registers the deployments and their schedules
     4  (Prefect)                      schedule, work queue, worker, process of the run
     5  flows/sync.py                  sync: a flow run; one task run a source, or one for many
     6  flows/settings.py              load: the configuration
     7  flows/pipeline/run.py          RunContext: statistics, archive, fetcher, warehouse
     8  flows/pipeline/sync_source.py  sync_source: the source's lock, then its batches
     9  flows/pipeline/discover.py     discover: listings to fetch targets, and gaps
    10  flows/pipeline/batch.py        DiscoveryResult.batches
    11  flows/pipeline/steps.py        fetch: targets to pages,
        flows/fetch/fetcher.py         polite and bounded,
    12  flows/archive/writer.py        archived before they are parsed
    13  flows/pipeline/steps.py        parse: pages to articles,
        parsers/registry.py            by the parser of the source
    14  flows/pipeline/rows.py         article_row; warehouse.observe validates and hashes it once
    15  flows/pipeline/load.py         load: one transaction for the batches that wait
    16  warehouse/upsert/articles.py   upsert_articles: new, updated, unchanged or duplicate?
    17  warehouse/upsert/lookup.py     what is stored of these articles
    18  warehouse/upsert/history.py    where a sighting belongs in the history of its article
    19  warehouse/upsert/insert.py     the row
    20  warehouse/records/             fetches, quarantine, gaps, watermarks, counters
    21  flows/pipeline/run.py          finish, publish: the state of the run, the read snapshot
    22  flows/publish.py               publish: a flow run, if a publication has work
    23  flows/alerts/deliver.py        send_alerts: one message about what is new

A listing, line or page that fails is counted, reported and kept, and the run continues. Only a
warehouse that cannot be written ends it. Prefect retries and caches nothing: `flows.fetch`
retries, and pages stay in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.alerts.deliver import send_alerts
from flows.cluster.chunks import use_cluster
from flows.cluster.task_runner import check_cluster
from flows.errors import ConfigurationError
from flows.pipeline.first_error import raising_first
from flows.pipeline.run import RunContext, use_environment
from flows.pipeline.stats import RunReport
from flows.pipeline.sync_source import sync_source, sync_sources
from flows.publication.failures import publication_errors
from flows.publication.publish_all import (
    PublishReport,
    due_after_sync,
    with_publications,
    with_work,
)
from flows.publish import publish
from flows.reporting.artifacts import create_run_artifacts
from flows.reporting.events import send_events
from flows.reporting.pool_run import is_in_pool, load_settings, request_publications
from flows.reporting.states import final_state, invalid_request_state, run_trigger
from flows.text import pluralize

MAX_NAMES = 5
MAX_TASK_RUNS = 16
"""A run of more sources is one task run. Each costs the server's database 13 to 28 KB."""

_TASK_RUNNER: TaskRunner[Any] = ThreadPoolTaskRunner(max_workers=MAX_TASK_RUNS)

_sync_source = task(name="source", cache_policy=NO_CACHE, persist_result=False, retries=0)(
    sync_source
)
_sync_sources = task(name="sources", cache_policy=NO_CACHE, persist_result=False, retries=0)(
    sync_sources
)


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    sources = parameters.get("sources") or ["all sources"]
    many = pluralize(len(sources), "source")
    return f"sync {many if len(sources) > MAX_NAMES else ' '.join(sources)}"


@flow(
    name="sync",
    flow_run_name=_run_name,
    task_runner=_TASK_RUNNER,
    persist_result=False,
    validate_parameters=True,
)
def sync(
    sources: list[str] | None = None,
    limit: int | None = None,
    dry_run: bool = False,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[RunReport]:
    """Fetch new articles into the warehouse.

    Args:
        sources: Configured sources; all of them by default.
        limit: At most this many entries of each source.
        dry_run: List what would be fetched; store nothing.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    try:
        settings = load_settings(config)
        slugs = [source.slug for source in settings.selected_sources(tuple(sources or ()))]
        check_cluster(settings)
    except ConfigurationError as error:
        return invalid_request_state(error)
    run = RunContext("sync", settings, slugs, trigger=run_trigger(), limit=limit, is_dry=dry_run)
    # Prefect asks its server for a concurrency slot for each tag of a task run, which takes
    # seconds. So task runs do not inherit the tags of the flow run.
    with (
        TagsContext(current_tags=set()),
        run,
        use_cluster(run),
        raising_first(_run_tasks(run, slugs)),
    ):
        report = run.finish()
        if not dry_run:
            alerted = send_events(report)
            if run.alert_only_new:
                run.mark_alerted(alerted)
            run.publish()
            try:
                report = _publish(run, report, config)
            finally:
                send_alerts(run, publication_errors(settings, report))
    create_run_artifacts(report, settings)
    return final_state(report)


def _run_tasks(run: RunContext, slugs: list[str]) -> list[BaseException]:
    """Sync the sources in task runs; return the errors that ended any of them."""
    if len(slugs) > MAX_TASK_RUNS:
        name = pluralize(len(slugs), "source")
        found = _sync_sources.with_options(task_run_name=name)(run, slugs, return_state=True)
        result: object = found.result(raise_on_failure=False)
        return [result] if isinstance(result, BaseException) else cast("list[Any]", result)
    futures = [_sync_source.with_options(task_run_name=slug).submit(run, slug) for slug in slugs]
    results: list[object] = [future.result(raise_on_failure=False) for future in futures]
    return [result for result in results if isinstance(result, Exception)]


def _publish(run: RunContext, report: RunReport, config: str | None) -> RunReport:
    """Run the publications that follow this sync, if they have something to do.

    In a pool of several machines they run on the one that has their folders.
    """
    due = due_after_sync(run.settings, report)
    if is_in_pool():
        totals = report.totals()
        request_publications(due, has_news=totals["new"] + totals["updated"] > 0)
        return report
    names = with_work(run.settings, due)
    if not names:
        return report
    with use_environment(run.environment):
        state = publish(names, config=config, return_state=True)
    found: object = state.result(raise_on_failure=False)
    if isinstance(found, PublishReport):
        return with_publications(report, found)
    if state.is_cancelled():
        return replace(report, state="interrupted")
    error = state.message or state.name
    failed = tuple({"name": name, "error": error} for name in names)
    return replace(report, state="failed", publications=failed)
