"""The reparse flow: archived pages through today's parsers, without network.

    reparse                           one row of counters a source
    └── source (one after the other)  flows/pipeline/reparse_steps.py
        └── for each 200 pages, oldest first
            ├── parse
            └── load                  one transaction; not with diff

Each page keeps the time of its fetch, so newer content stays. With ``diff`` nothing is
stored: the run reports what would change, and fails if a field would lose something.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run

from flows.cluster.chunks import use_cluster
from flows.cluster.task_runner import check_cluster
from flows.pipeline import locks
from flows.pipeline.parser_diff import ParserDiff
from flows.pipeline.reparse_steps import Reparser, reparse_source, require_pages
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.reporting.artifacts import create_result_table, result_table
from flows.reporting.pool_run import load_settings
from flows.reporting.states import final_state, run_trigger
from warehouse.read.archived_fetches import ArchivedPage


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    what = "compare" if given.get("diff") else "reparse"
    return f"{what} {' '.join(given.get('sources') or ['all sources'])}"


@task(name="pages", cache_policy=NO_CACHE, persist_result=False, retries=0)
def reparse_pages(reparser: Reparser, pages: Sequence[ArchivedPage]) -> None:
    """Parse and load some archived pages."""
    reparser.process(pages)


@flow(name="reparse", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def reparse(
    sources: list[str] | None = None,
    since: datetime | None = None,
    diff: bool = False,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[RunReport]:
    """Parse the archived pages again with today's parsers.

    Args:
        sources: Which of the configured sources; all of them by default.
        since: Only pages fetched at this time or later; UTC unless it names a zone.
        diff: Store nothing; report what would change, and what would get worse.
        config: The configuration file; ``copydesk.toml`` by default.

    Raises:
        ConfigurationError: The workers of ``[run] task_runner`` cannot be used.
        WarehouseMissing: There is no warehouse, and so no archived page.
    """
    settings = load_settings(config)
    require_pages(settings)
    check_cluster(settings)
    slugs = [source.slug for source in settings.selected_sources(tuple(sources or ()))]
    since = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    run = RunContext("reparse", settings, slugs, trigger=run_trigger(), is_dry=diff)
    only_one = locks.acquire(settings, "reparse", flow="reparse", run_id=run.id)
    # Prefect asks for a concurrency slot for each tag of a task run, so task runs have none.
    with TagsContext(current_tags=set()), only_one, run, use_cluster(run):
        changes = {
            slug: reparse_source(
                run,
                slug,
                since=since,
                diff=diff,
                do_batch=_do_batch,
                on_progress=run.environment.on_progress,
            )
            for slug in slugs
        }
        report = run.finish()
        if not diff:
            run.publish()
    if diff:
        report = ParserDiff.of(report, changes)
    create_result_table(
        "copydesk-reparse",
        result_table(report),
        f"Run {report.run_id}: {report.state}",
        [*report.errors, *report.warnings],
    )
    return final_state(report)


def _do_batch(reparser: Reparser, pages: Sequence[ArchivedPage], name: str) -> None:
    reparse_pages.with_options(task_run_name=name)(reparser, pages)
