"""The backfill flow: the steps of a sync over a bounded range; watermarks stay as they are.

    backfill                          one source, one row of counters
    └── for each chunk                flows/pipeline/backfill_steps.py
        ├── list_pages                a listing page, further and further back
        ├── fetch_entries             fetch, parse and load some articles
        ├── read_archive              or parse and load some archived pages
        ├── read_warc                 or the pages in a range of a WARC file
        └── close_gaps                close the gaps that the backfill covered

The warehouse keeps the chunks. A chunk ends in the transaction that stores its articles, so
a killed backfill continues with its first open chunk. A backfill holds the lock of its
source for one chunk at a time, so that syncs run in between.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run

from flows.cluster.chunks import use_cluster
from flows.cluster.task_runner import check_cluster
from flows.errors import ConfigurationError, Interrupted
from flows.pipeline import backfill_steps, locks
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.date_range import (
    parse_request,
    parse_url_list,
    read_url_file,
)
from flows.pipeline.run import RunContext
from flows.pipeline.run_log import Stopwatch, logger
from flows.pipeline.stats import RunReport
from flows.reporting import parameters
from flows.reporting.artifacts import create_run_artifacts
from flows.reporting.pool_run import load_settings
from flows.reporting.states import final_state, invalid_request_state, run_trigger
from warehouse.records.backfill_chunks import DONE, Chunk


def _run_name() -> str:
    given: dict[str, Any] = flow_run.parameters
    days = f"{given.get('from_date')} to {given.get('to_date')}" if given.get("from_date") else ""
    archive = f"archive {given['archive']}" if given.get("archive") else ""
    return f"backfill {given.get('source')} {days or archive or 'URLs'}"


@task(name="chunk", cache_policy=NO_CACHE, persist_result=False, retries=0)
def do_chunk(job: BackfillContext, chunk: Chunk) -> None:
    """Run one chunk under the lock of its source."""
    run = job.run
    if run.is_dry:
        _run_and_log(job, chunk)
        return
    lock = locks.acquire(
        run.settings,
        job.source.slug,
        flow="backfill",
        run_id=run.id,
        wait_seconds=locks.LONG_WAIT_SECONDS,
        notify=run.environment.notify,
        stop=run.environment.stop,
    )
    hosts = run.hosts.held(job.source.slug)
    with suppress(Interrupted), lock, hosts:  # the next backfill does what this one leaves
        _run_and_log(job, chunk)


def _run_and_log(job: BackfillContext, chunk: Chunk) -> None:
    """Run a chunk; log what it brought and how far the plan is."""
    before, watch = dict(job.stats.counts), Stopwatch()
    backfill_steps.run_chunk(job, chunk)
    done, total = job.plan.progress()
    what = "chunks" if job.plan.counts_chunks else "articles"
    counts = [
        f"{count - before[name]} {name.replace('_', ' ')}"
        for name, count in job.stats.counts.items()
        if count > before[name]
    ]
    is_open = job.plan.chunks[chunk.number - 1].state != DONE
    logger.info(
        f"chunk {chunk.number} of {len(job.plan.chunks)}, {chunk.description}: "
        f"{', '.join(counts) or 'nothing'} in {watch.lap():.1f} s"
        f"{'; left for the next backfill' if is_open else ''}; {done} of {total} {what} done"
    )


@flow(name="backfill", flow_run_name=_run_name, persist_result=False, validate_parameters=True)
def backfill(
    source: str,
    from_date: date | None = None,
    to_date: date | None = None,
    urls: str = "",
    urls_file: str | None = None,
    archive: str | None = None,
    dry_run: bool = False,  # switches in Prefect's parameter form
    restart: bool = False,
    config: str | None = None,
) -> State[RunReport]:
    """Fetch what is older or was missed: a range of days, a list of URLs, or an archive.

    The same backfill continues where the last one ended. Watermarks stay as they are, and
    newer content is never replaced.

    Args:
        source: One of the configured sources.
        from_date: The first day, in the source's time zone. Give a first and a last day, or
            URLs, or an archive: one of the three.
        to_date: The last day; it is part of the range, and not before the first.
        urls: URLs of articles, one a line, instead of a range.
        urls_file: A file of URLs, one a line, in the data folder.
        archive: A folder of WARC files in the data folder, read instead of the network; or
            WARC files, one path or pattern a line.
        dry_run: Report what would be fetched; fetch listings only, store nothing.
        restart: Repeat what is done.
        config: The configuration file; ``copydesk.toml`` by default.
    """
    try:
        settings = load_settings(config)
        parameters.require_readable(
            settings, *filter(None, [urls_file, *(archive or "").splitlines()])
        )
        request = parse_request(
            settings,
            source,
            first=from_date,
            last=to_date,
            urls=[*parse_url_list(urls), *(read_url_file(urls_file) if urls_file else ())],
            archive=archive or None,
        )
        check_cluster(settings)
    except ConfigurationError as error:
        return invalid_request_state(error)
    run = RunContext("backfill", settings, [source], trigger=run_trigger(), is_dry=dry_run)
    only_one = locks.acquire(settings, f"backfill {source}", flow="backfill", run_id=run.id)
    # Prefect asks for a concurrency slot for each tag of a task run, so task runs have none.
    with TagsContext(current_tags=set()), only_one, run, use_cluster(run):
        backfill_steps.run_backfill(
            run,
            request,
            restart=restart,
            do_chunk=_do_chunk,
            on_progress=run.environment.on_progress,
        )
        report = run.finish()
        if not dry_run:
            run.publish()
    warnings = [one for one in report.warnings if "would fetch" not in one]
    create_run_artifacts(
        report, settings, key="copydesk-backfill", what=request.plan, warnings=warnings
    )
    return final_state(report)


def _do_chunk(job: BackfillContext, chunk: Chunk) -> None:
    do_chunk.with_options(task_run_name=f"{chunk.number}: {chunk.description}")(job, chunk)


# The form shows the error of the last alternative, so the most common one comes last.
parameters.require(backfill, ("urls",), ("urls_file",), ("archive",), ("from_date", "to_date"))
