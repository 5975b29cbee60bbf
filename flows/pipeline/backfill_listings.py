"""Backfill chunks of listing pages: from a range of days to chunks of articles, and its gaps."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from duckdb import DuckDBPyConnection

from flows.fetch import Cancelled, FetchFailure, FetchRequest, FetchResponse, decode_page
from flows.pipeline import backfill_entries, rows, steps
from flows.pipeline.backfill_context import BackfillContext, parse_utc
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import CLOSE_GAPS, LIST_PAGES, new_chunk
from flows.pipeline.discover import gap_reason, is_continuous
from flows.pipeline.stats import Problem, fetch_problem
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, ListingContent, Source
from warehouse.records import gaps, watermarks
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk
from warehouse.rows import NewGap

MAX_LISTING_PAGES = 5000
_GONE = frozenset({404, 410})


def plan_channels(source: Source) -> list[NewChunk]:
    """Make a chunk of the first listing page of each channel."""
    return [_page_chunk(channel) for channel in dict.fromkeys(c.channel for c in _listings(source))]


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
        job.stats.add(discovered=1)
        job.stats.fail(str(result.error), fetch_problem("listing", channel, result.error))
        return INCOMPLETE
    content = parse_listing(job, listing, result, batch)
    if content is None:
        return INCOMPLETE
    entries = [one for one in content.entries if isinstance(one, Entry)]
    spec["since"] = spec["since"] or result.fetched_at.isoformat()
    if turn == 0:
        detect_gap(job, listing, result.fetched_at, entries, batch)
    take_entries(job, listing, result, entries, batch)
    _plan_next_page(job, listing, spec, entries)
    return DONE


def parse_listing(
    job: BackfillContext, listing: Listing, response: FetchResponse, batch: Batch
) -> ListingContent | None:
    """The content of a listing page; ``None`` when it cannot be parsed."""
    try:
        content = registry.read_listing(job.source, listing, decode_page(response, None))
    except ParseError as error:
        job.stats.add(discovered=1)
        job.stats.quarantine(str(error), Problem("listing", listing.channel))
        batch.failures.append(rows.listing_failure(job.source, listing.channel, response, error))
        return None
    for entry in content.entries:
        if isinstance(entry, BadEntry):
            job.stats.add(discovered=1)
            job.stats.quarantine(str(entry.error), Problem("line", entry.channel))
            batch.failures.append(
                rows.entry_failure(job.source, listing.url, entry, response.fetched_at)
            )
    return content


def detect_gap(
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


def take_entries(
    job: BackfillContext,
    listing: Listing,
    response: FetchResponse,
    entries: list[Entry],
    batch: Batch,
) -> None:
    """Parse the entries in the range whose text the listing carries; plan the others."""
    days = job.days
    new = [
        entry
        for entry in entries
        if days.may_contain(entry) and entry.source_article_id not in job.planned
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


def _plan_next_page(
    job: BackfillContext, listing: Listing, spec: dict[str, str], entries: list[Entry]
) -> None:
    """Plan the next page, unless this one reaches beyond the range or is the last."""
    days, turn = job.days, int(spec["turn"]) + 1
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
    days, spec = job.days, json.loads(chunk.spec)
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
        job.plan.defer(partial(_close_gaps, job, channel, min(days.end, listed_at)))
    job.plan.finish(chunk)
    job.load(Batch())


def _close_gaps(
    job: BackfillContext, channel: str, until: datetime, store: DuckDBPyConnection
) -> None:
    start, slug = job.days.start, job.source.slug
    count = gaps.close_gaps(store, slug, channel, from_at=start, to_at=until, run_id=job.run.id)
    if count:
        job.stats.warnings.append(f"closed {pluralize(count, 'gap')} of {channel}")
