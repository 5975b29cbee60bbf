"""The backfill: chunks of work over the steps of the sync.

    list_pages      read one listing page, add its entries as chunks    backfill_listings.py
    fetch_entries   fetch, parse and load some articles                 backfill_entries.py
    read_archive    parse and load some archived pages                  backfill_archive.py
    read_warc       parse and load the pages in a range of a WARC file  warc_import.py
    read_listing    read one file of a sitemap, or page of a list       backfill_tree.py
    read_next_page  the same, after the articles of the page before     backfill_tree.py
    close_gaps      close the gaps of a channel that was covered        backfill_listings.py

Watermarks stay as they are: they belong to the sync.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from flows.callbacks import OnProgress, no_progress
from flows.pipeline import (
    backfill_archive,
    backfill_entries,
    backfill_listings,
    backfill_tree,
    warc_import,
)
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.checkpoint import (
    CLOSE_GAPS,
    FETCH_ENTRIES,
    LIST_PAGES,
    READ_ARCHIVE,
    READ_LISTING,
    READ_NEXT_PAGE,
    READ_WARC,
)
from flows.pipeline.date_range import BackfillRequest
from flows.pipeline.run import RunContext
from flows.text import pluralize
from warehouse.records.backfill_chunks import Chunk


def run_backfill(
    run: RunContext,
    request: BackfillRequest,
    *,
    restart: bool = False,
    do_chunk: Callable[[BackfillContext, Chunk], object] | None = None,
    on_progress: OnProgress = no_progress,
) -> BackfillContext:
    """Run every chunk of a request that is not done.

    Args:
        run: The run.
        request: What to backfill.
        restart: Repeat chunks that are done.
        do_chunk: Called in place of ``run_chunk``.
        on_progress: Called before the first and after each chunk.
    """
    started, do_chunk = time.monotonic(), do_chunk or run_chunk
    job = BackfillContext(run, request, restart=restart)
    stats, plan = job.stats, job.plan
    try:
        plan_chunks(job)
        if job.was_done:
            stats.warnings.append(
                f"nothing to do: {request.plan} was done at {plan.ended_at:%Y-%m-%d %H:%M} UTC "
                f"(run {plan.chunks[-1].run_id}); --restart does it again"
            )
        else:
            on_progress(request.source, *plan.progress())
            while not run.is_stopping and (chunk := plan.next_chunk()):
                do_chunk(job, chunk)
                on_progress(request.source, *plan.progress())
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started
    if stats.records:
        stats.warnings.append(stats.records_message())
    if plan.open_count:
        chunks = pluralize(len(plan.chunks), "chunk is", "chunks are")
        stats.warnings.append(f"{plan.open_count} of {chunks} left; run the same backfill again")
    return job


def plan_chunks(job: BackfillContext) -> None:
    """Add the first chunks to a new plan, and those of new records to the plan of an archive.

    Every run reports the URLs and the archive files that it cannot use.
    """
    if job.request.archive:
        for message in job.index.damaged:
            job.stats.add(discovered=1)
            job.stats.fail(message)
        job.plan.add(backfill_archive.plan_records(job))
        if not job.index.pages and job.source.parser.accepts_any_url:
            job.stats.warnings.append(
                f"{job.request.archive} has no listing of {job.source.slug}, and without one no page "
                "is known to be an article of it; --archive 'DIR/*.warc.gz' takes all of its site"
            )
    elif job.request.warc_files:
        job.plan.add(warc_import.plan_ranges(job))
    elif job.request.date_range:
        if not job.plan.chunks:
            is_tree = job.source.parser.read_listing is not None
            planner = backfill_tree.plan_roots if is_tree else backfill_listings.plan_channels
            job.plan.add(planner(job.source))
    else:
        chunks = backfill_entries.plan_urls(job)
        if job.plan.chunks:
            backfill_entries.report_failed_urls(job)
        else:
            job.plan.add(chunks)


def run_chunk(job: BackfillContext, chunk: Chunk) -> None:
    """Run one chunk."""
    _STEPS[chunk.kind](job, chunk)


def _close_gaps(job: BackfillContext, chunk: Chunk) -> None:
    is_tree = job.source.parser.read_listing is not None
    (backfill_tree if is_tree else backfill_listings).close_gaps(job, chunk)


_STEPS: Mapping[str, Callable[[BackfillContext, Chunk], None]] = {
    LIST_PAGES: backfill_listings.list_pages,
    READ_LISTING: backfill_tree.read_listing,
    READ_NEXT_PAGE: backfill_tree.read_listing,
    FETCH_ENTRIES: backfill_entries.fetch_entries,
    READ_ARCHIVE: backfill_archive.read_archive,
    READ_WARC: warc_import.read_warc,
    CLOSE_GAPS: _close_gaps,
}
