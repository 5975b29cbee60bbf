"""The backfill: chunks of work over the steps of the sync.

    list_pages      read one listing page, add its entries as chunks, and the next page
    fetch_entries   fetch, parse and load some articles      (backfill_entries.py)
    read_archive    parse and load some archived pages       (backfill_archive.py)
    close_gaps      close the gaps of a channel that the backfill covered

Watermarks stay as they are: they belong to the sync.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows.callbacks import OnProgress, no_progress
from flows.fetch import Cancelled, FetchFailure, FetchRequest, FetchResponse, decode_page
from flows.pipeline import backfill_archive, backfill_entries, rows, steps
from flows.pipeline.backfill_context import BackfillContext, parse_utc
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import (
    CLOSE_GAPS,
    FETCH_ENTRIES,
    LIST_PAGES,
    READ_ARCHIVE,
    new_chunk,
)
from flows.pipeline.date_range import BackfillRequest, DateRange
from flows.pipeline.discover import gap_reason, is_continuous
from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, fetch_problem
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, Source
from warehouse.records import gaps, watermarks
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk
from warehouse.rows import NewGap

MAX_LISTING_PAGES = 5000
_GONE = frozenset({404, 410})


def run_backfill(
    run: RunContext,
    request: BackfillRequest,
    *,
    restart: bool = False,
    do_chunk: Callable[[BackfillContext, Chunk], object] | None = None,
    on_progress: OnProgress = no_progress,
    max_chunks: int | None = None,
) -> BackfillContext:
    """Run every chunk of a request that is not done.

    Args:
        run: The run.
        request: What to backfill.
        restart: Repeat chunks that are done.
        do_chunk: Called in place of ``run_chunk``.
        on_progress: Called before the first and after each chunk.
        max_chunks: Stop after this many chunks.
    """
    started, do_chunk = time.monotonic(), do_chunk or run_chunk
    job = BackfillContext(run, request, restart=restart)
    stats, plan, count = job.stats, job.plan, 0
    try:
        plan_chunks(job)
        if job.was_done:
            stats.warnings.append(
                f"nothing to do: {request.plan} was done at {plan.ended_at:%Y-%m-%d %H:%M} UTC "
                f"(run {plan.chunks[-1].run_id}); --restart does it again"
            )
        else:
            on_progress(request.source, *plan.progress())
            while (
                not run.is_stopping
                and count != max_chunks
                and (chunk := plan.next_chunk()) is not None
            ):
                do_chunk(job, chunk)
                on_progress(request.source, *plan.progress())
                count += 1
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started
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
            job.stats.fail(message)
        job.plan.add(backfill_archive.plan_records(job))
    elif job.request.date_range:
        if not job.plan.chunks:
            channels = dict.fromkeys(one.channel for one in _listings(job.source))
            job.plan.add([_page_chunk(channel) for channel in channels])
    else:
        chunks = backfill_entries.plan_urls(job)
        if job.plan.chunks:
            backfill_entries.report_failed_urls(job)
        else:
            job.plan.add(chunks)


def run_chunk(job: BackfillContext, chunk: Chunk) -> None:
    """Run one chunk."""
    _STEPS[chunk.kind](job, chunk)


# --- a range of days: listing pages, further and further back --------------------------


def _page_chunk(channel: str, turn: int = 0, oldest: str = "", since: str = "") -> NewChunk:
    spec = {"channel": channel, "turn": turn, "oldest": oldest, "since": since}
    return new_chunk(LIST_PAGES, f"listing {channel}, page {turn + 1}", spec)


def _listings(source: Source) -> tuple[Listing, ...]:
    return source.parser.listings(source)


def listing_at(source: Source, channel: str, turn: int) -> Listing | None:
    """A listing page of a channel by number: those that a sync reads, then the older ones."""
    regular = [one for one in _listings(source) if one.channel == channel]
    if turn < len(regular):
        return regular[turn]
    if turn >= MAX_LISTING_PAGES:
        return None
    return source.parser.older_listing(source, channel, turn - len(regular) + 1)


def list_pages(job: BackfillContext, chunk: Chunk) -> None:
    """Read one listing page; its entries in the range become chunks."""
    spec, batch = json.loads(chunk.spec), Batch()
    state = _read_page(job, spec, batch)
    if state is not None:
        job.plan.finish(chunk, state)
        job.load(batch)


def _read_page(job: BackfillContext, spec: dict[str, Any], batch: Batch) -> str | None:
    """The state of the page's chunk; ``None`` when the run stops before the page arrives."""
    channel, turn = spec["channel"], int(spec["turn"])
    listing = listing_at(job.source, channel, turn)
    if listing is None:
        _plan_close(job, spec, None)
        return DONE
    result = next(iter(job.run.fetch_all([FetchRequest(url=listing.url)])), None)
    if result is None or (isinstance(result, FetchFailure) and isinstance(result.error, Cancelled)):
        return None
    batch.record_fetch(job.source, channel, result)
    if isinstance(result, FetchFailure):
        if turn > 0 and result.error.status in _GONE:  # the listing ends here
            _plan_close(job, spec, None)
            return DONE
        job.stats.fail(str(result.error), fetch_problem("listing", channel, result.error))
        return INCOMPLETE
    entries = _parse_listing(job, listing, result, batch)
    if entries is None:
        return INCOMPLETE
    spec["since"] = spec["since"] or result.fetched_at.isoformat()
    if turn == 0:
        _detect_gap(job, listing, result.fetched_at, entries, batch)
    _take_entries(job, listing, result, entries, batch)
    _plan_next_page(job, listing, spec, entries)
    return DONE


def _parse_listing(
    job: BackfillContext, listing: Listing, response: FetchResponse, batch: Batch
) -> list[Entry] | None:
    """The good entries of a listing page; ``None`` when it cannot be parsed."""
    try:
        entries = registry.entries(job.source, listing, decode_page(response, None))
    except ParseError as error:
        job.stats.quarantine(str(error), Problem("listing", listing.channel))
        batch.failures.append(rows.listing_failure(job.source, listing.channel, response, error))
        return None
    for entry in entries:
        if isinstance(entry, BadEntry):
            job.stats.add(discovered=1)
            job.stats.quarantine(str(entry.error), Problem("line", entry.channel))
            batch.failures.append(
                rows.entry_failure(job.source, listing.url, entry, response.fetched_at)
            )
    return [entry for entry in entries if isinstance(entry, Entry)]


def _detect_gap(
    job: BackfillContext, listing: Listing, at: datetime, entries: list[Entry], batch: Batch
) -> None:
    """Record a gap that the next sync cannot detect, because this run stores these entries."""
    with job.run.reading() as store:
        mark = watermarks.get(store, job.source.slug, listing.channel)
    regular = sum(one.channel == listing.channel for one in _listings(job.source))
    if mark is None or listing.is_complete or regular > 1 or not entries:
        return
    ids = [f"{job.source.slug}:{one.source_article_id}" for one in entries]
    if not is_continuous(job.run, listing.channel, ids, mark.value):
        reason = f"{gap_reason(len(entries))}; found by a backfill"
        job.stats.gap(f"possible gap in {listing.channel}: {reason}")
        since = min(mark.at, at) if mark.at else None
        batch.gaps.append(
            NewGap(
                source=job.source.slug,
                channel=listing.channel,
                from_at=since,
                to_at=at,
                detected_by=reason,
            )
        )


def _take_entries(
    job: BackfillContext,
    listing: Listing,
    response: FetchResponse,
    entries: list[Entry],
    batch: Batch,
) -> None:
    """Parse the entries in the range whose text the listing carries; plan the others."""
    days = _days_of(job)
    new = [
        entry
        for entry in entries
        if days.contains(days.published_at(entry)) and entry.source_article_id not in job.planned
    ]
    job.planned.update(entry.source_article_id for entry in new)
    carried = [entry for entry in new if entry.content is not None]
    others = [entry for entry in new if entry.content is None]
    job.plan.add(backfill_entries.entry_chunks(job, others, listing.channel))
    if carried:
        job.stats.add(discovered=len(carried), fetched=len(carried))
        batch.pages = [FetchedPage(entry, decode_page(response, entry)) for entry in carried]
        steps.parse(job.run, job.source, batch)
        backfill_entries.note_days(job, batch)


def _days_of(job: BackfillContext) -> DateRange:
    assert job.request.date_range is not None  # noqa: S101  # only a range has listing pages
    return job.request.date_range


def _plan_next_page(
    job: BackfillContext, listing: Listing, spec: dict[str, str], entries: list[Entry]
) -> None:
    """Plan the next page, unless this one reaches beyond the range or is the last."""
    days, turn = _days_of(job), int(spec["turn"]) + 1
    dated = [at for entry in entries if (at := days.published_at(entry))]
    oldest = entries[-1].source_article_id if entries else ""
    if listing.is_complete or (dated and dated[-1] < days.start):
        _plan_close(job, spec, days.start)
    elif entries and oldest != spec["oldest"] and listing_at(job.source, listing.channel, turn):
        job.plan.add([_page_chunk(listing.channel, turn, oldest, spec["since"])])
    else:
        _plan_close(job, spec, dated[-1] if dated else None)


def _plan_close(job: BackfillContext, spec: dict[str, str], reached: datetime | None) -> None:
    """Plan the last chunk of a channel; ``reached`` is the oldest time that it lists."""
    fields = {
        "channel": spec["channel"],
        "since": spec["since"],
        "reached": reached.isoformat() if reached else "",
    }
    job.plan.add([new_chunk(CLOSE_GAPS, f"channel {spec['channel']}", fields)])


def close_gaps(job: BackfillContext, chunk: Chunk) -> None:
    """Close the gaps of a channel that the listing covered; report one that it did not."""
    days, spec = _days_of(job), json.loads(chunk.spec)
    channel = spec["channel"]
    if any(one.state != DONE for one in job.plan.chunks if one.kind != CLOSE_GAPS):
        return  # a gap closes only when every page of it is stored
    listed_at = parse_utc(spec["since"]) if spec["since"] else None
    reached = parse_utc(spec["reached"]) if spec["reached"] else job.oldest.get(channel)
    if listed_at and listed_at < days.end <= datetime.now(UTC):
        job.stats.warnings.append(
            f"{channel}: its listing was read on {listed_at:%Y-%m-%d %H:%M} UTC, before the range "
            "was over; run the same backfill again for later entries"
        )
    if reached is None or reached > days.start:
        # Not a gap in the table of gaps: no later backfill could close it.
        reach = (
            f"the listing goes back to {reached.astimezone(days.zone):%Y-%m-%d %H:%M} only"
            if reached
            else "the listing gives no days"
        )
        job.stats.warn(
            f"{channel}: {reach}; get the rest of {job.request.range_text} by URL (--urls) or from "
            "an archive (--archive)"
        )
    elif listed_at is not None:
        job.plan.defer(_closing(job, channel, until=min(days.end, listed_at)))
    job.plan.finish(chunk)
    job.load(Batch())


def _closing(
    job: BackfillContext, channel: str, *, until: datetime
) -> Callable[[DuckDBPyConnection], None]:
    def close(store: DuckDBPyConnection) -> None:
        count = gaps.close_gaps(
            store,
            job.source.slug,
            channel,
            from_at=_days_of(job).start,
            to_at=until,
            run_id=job.run.id,
        )
        if count:
            job.stats.warnings.append(f"closed {pluralize(count, 'gap')} of {channel}")

    return close


_STEPS: Mapping[str, Callable[[BackfillContext, Chunk], None]] = {
    LIST_PAGES: list_pages,
    FETCH_ENTRIES: backfill_entries.fetch_entries,
    READ_ARCHIVE: backfill_archive.read_archive,
    CLOSE_GAPS: close_gaps,
}
