"""The reparse: archived pages through today's parsers, without network.

    reparse                           one row of counters a source
    └── source (one after the other)
        └── for each 200 pages, oldest first
            ├── parse                 flows/pipeline/reparse_steps.py
            └── upsert                one transaction; not with diff

Each page keeps the time it was fetched at, so that newer content stays. With ``diff``
nothing is stored: it is told what would change, and a field that lost something fails.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run

from flows import settings as configuration
from flows.pipeline import locks
from flows.pipeline.checkpoint import CheckpointedRun
from flows.pipeline.reparse_steps import ParserDiff, Reparser
from flows.pipeline.stats import RunReport
from flows.reporting.artifacts import result_table
from flows.reporting.progress import LiveProgress, create_result_table
from flows.reporting.states import final_state, run_trigger
from flows.serving.run_jobs import demand_warehouse
from warehouse.read.archived_fetches import ArchivedPage


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    what = "compare" if given.get("diff") else "reparse"
    return f"{what} {' '.join(given.get('sources') or ['all sources'])}"


@task(name="pages", cache_policy=NO_CACHE, persist_result=False, retries=0)
def reparse_pages(again: Reparser, pages: list[ArchivedPage]) -> None:
    """Read some archived pages again, and store them."""
    again.store(again.read(pages))


@flow(name="reparse", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def reparse(
    sources: list[str] | None = None,
    since: datetime | None = None,
    diff: bool = False,  # a switch in Prefect's parameter form
    config: str | None = None,
) -> State[RunReport]:
    """Read the archived pages again with today's parsers.

    Args:
        sources: Which of the configured sources; all of them by default.
        since: Only pages fetched at this time or later; UTC unless it says otherwise.
        diff: Store nothing; say what would change, and what would get worse.
        config: The configuration file; ``copydesk.toml`` by default.

    Raises:
        WarehouseMissing: There is no warehouse, and so no page to read again.
    """
    settings = configuration.load(Path(config) if config else None)
    demand_warehouse(settings.warehouse.path)
    slugs = [source.slug for source in settings.selected_sources(tuple(sources or ()))]
    since = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    run = CheckpointedRun("reparse", settings, slugs, trigger=run_trigger(), is_dry=diff)
    alone = locks.acquire(settings, "reparse", flow="reparse", run_id=run.id)
    # Task runs must not inherit the run's tags: see tasks.py.
    with TagsContext(current_tags=set()), alone, run:
        live = LiveProgress("reparse", "pages read again")
        every = [Reparser(run, slug, since=since, diff=diff) for slug in slugs]
        for again in every:
            _read_source(again, live)
        report = run.finish()
        if not diff:
            run.publish()
    if diff:
        report = _compared(report, every)
    _show(report)
    return final_state(report)


def _read_source(again: Reparser, live: LiveProgress) -> None:
    started, done, total = time.monotonic(), 0, again.total()
    stats, slug = again.stats, again.source.slug
    try:
        while not again.run.is_stopping and (pages := again.take()):
            named = reparse_pages.with_options(
                task_run_name=f"{slug} {done + 1} to {done + len(pages)} of {total}"
            )
            named(again, pages)
            done += len(pages)
            again.run.environment.on_progress(slug, done, total)
            live.show(done, total)
        live.show(done, total, is_last=True)
        again.end()
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started
    if not total:
        stats.warnings.append(
            "no page of it is archived" + (" since then" if again.since else "") + ": nothing to "
            "read again"
        )
    elif again.is_diff:
        stats.warnings += again.differences.words()


def _compared(report: RunReport, every: Sequence[Reparser]) -> ParserDiff:
    return ParserDiff(
        run_id=report.run_id,
        flow=report.flow,
        state=report.state,
        stats=report.stats,
        regressions=tuple(words for again in every for words in again.differences.regressions),
        changed={again.source.slug: again.differences.changed for again in every},
    )


def _show(report: RunReport) -> None:
    """The result table on the run's page."""
    words = f"Run {report.run_id}: {report.state}"
    create_result_table(
        "copydesk-reparse", result_table(report), words, [*report.errors, *report.warnings]
    )
