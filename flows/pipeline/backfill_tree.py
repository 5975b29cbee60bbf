"""Backfill chunks of listings that name further listings: sitemaps and paged lists.

Each listing is a chunk. A file of a sitemap that cannot have entries of the range is not read:
its index declares an older change, or its name has other days. A paged list ends with the page
whose entries are older than the range. A list without dates is read page by page, after the
articles of the page before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flows.fetch import Cancelled, FetchFailure, FetchRequest, FetchResponse
from flows.pipeline import backfill_listings
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.batch import Batch
from flows.pipeline.checkpoint import CLOSE_GAPS, READ_LISTING, READ_NEXT_PAGE, new_chunk
from flows.pipeline.stats import fetch_problem
from flows.text import pluralize
from parsers.model import Entry, Listing, Source
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk

MAX_LISTINGS = 20_000
_GONE = frozenset({404, 410})
_KINDS = (READ_LISTING, READ_NEXT_PAGE)


def plan_roots(source: Source) -> list[NewChunk]:
    """Make a chunk of each configured listing, and one that closes the gaps of each channel."""
    listings = source.parser.listings(source)
    return [
        *(_listing_chunk(one) for one in listings),
        *(
            new_chunk(CLOSE_GAPS, f"channel {channel}", {"channel": channel, "is_tree": True})
            for channel in dict.fromkeys(one.channel for one in listings)
        ),
    ]


def read_listing(job: BackfillContext, chunk: Chunk) -> None:
    """Read one listing; its entries in the range and the listings that it names become chunks."""
    spec, batch = json.loads(chunk.spec), Batch()
    state = _read(job, spec, batch, is_later=chunk.kind == READ_NEXT_PAGE)
    if state is not None:
        text = json.dumps(spec, ensure_ascii=False, sort_keys=True)
        job.plan.finish(replace(chunk, spec=text), state)
        job.load(batch)


def close_gaps(job: BackfillContext, chunk: Chunk) -> None:
    """Close the gaps of a channel, as far as its listings go back."""
    channel = json.loads(chunk.spec)["channel"]
    specs = [json.loads(one.spec) for one in job.plan.chunks if one.kind in _KINDS]
    own = [spec for spec in specs if spec["channel"] == channel]
    fields = {
        "channel": channel,
        "is_tree": True,
        "since": min((spec["since"] for spec in own if spec["since"]), default=""),
        "reached": min((spec["reached"] for spec in own if spec["reached"]), default=""),
    }
    backfill_listings.close_gaps(job, replace(chunk, spec=json.dumps(fields, sort_keys=True)))


def _read(
    job: BackfillContext, spec: dict[str, Any], batch: Batch, *, is_later: bool
) -> str | None:
    """The state of a listing's chunk; ``None`` when the run stops before the listing arrives."""
    listing = _listing_of(spec)
    newest = job.newest.pop(listing.channel, None)
    if is_later and newest is not None and newest < job.days.start:
        spec["reached"] = newest.isoformat()
        return DONE
    result = next(iter(job.run.fetch_all([FetchRequest(url=listing.url)])), None)
    if result is None or (isinstance(result, FetchFailure) and isinstance(result.error, Cancelled)):
        return None
    batch.record_fetch(job.source, listing.channel, result)
    if isinstance(result, FetchFailure):
        if listing.is_next_page and result.error.status in _GONE:
            return DONE  # the list ends here
        job.stats.add(discovered=1)
        job.stats.fail(str(result.error), fetch_problem("listing", listing.channel, result.error))
        return INCOMPLETE
    content = backfill_listings.parse_listing(job, listing, result, batch)
    if content is None:
        return INCOMPLETE
    job.stats.warnings += content.notes
    entries = [one for one in content.entries if isinstance(one, Entry)]
    spec["since"] = result.fetched_at.isoformat()
    spec["reached"] = _reached(job, listing, entries)
    if not (listing.is_next_page or listing.is_archive):
        backfill_listings.detect_gap(job, listing, result.fetched_at, entries, batch)
    backfill_listings.take_entries(job, listing, result, entries, batch)
    if listing.is_archive:
        _plan_files(job, spec, content.listings)
    else:
        _plan_next_page(job, entries, content.listings)
    _note_url(job, result)
    return DONE


def _plan_files(job: BackfillContext, spec: dict[str, Any], files: Sequence[Listing]) -> None:
    """Plan the files of an index that may have entries of the range."""
    others = 0
    for one in files:
        is_before = one.changed_at is not None and one.changed_at < job.days.start
        place = _place(job, one.period)
        if is_before or place < 0:
            # So the sitemap goes back beyond the range.
            spec["reached"] = (job.days.start - timedelta(seconds=1)).isoformat()
        if is_before or place:
            others += 1
        else:
            _plan(job, one, READ_LISTING)
    if others:
        job.stats.warnings.append(
            f"{spec['url']}: {pluralize(others, 'sitemap')} of other days not read"
        )


def _plan_next_page(
    job: BackfillContext, entries: Sequence[Entry], pages: Sequence[Listing]
) -> None:
    """Plan the next page of a list, unless this page is older than the range."""
    dated = [at for one in entries if (at := _listed_at(job, one))]
    if not entries or (dated and dated[-1] < job.days.start):
        return
    for page in pages:
        if dated:
            _plan(job, page, READ_LISTING)
        elif job.run.is_dry:
            job.stats.warnings.append(
                f"{page.url}: not read, because the list gives no dates and a dry run fetches no "
                "articles"
            )
        else:
            _plan(job, page, READ_NEXT_PAGE)


def _plan(job: BackfillContext, listing: Listing, kind: str) -> None:
    if listing.url in job.listed:
        return
    if len(job.listed) >= MAX_LISTINGS:
        job.stats.warn(
            f"more than {MAX_LISTINGS} listings; the others are not read: take a smaller range"
        )
        return
    job.listed.add(listing.url)
    job.plan.add([_listing_chunk(listing, kind)])


def _note_url(job: BackfillContext, response: FetchResponse) -> None:
    """Note where a redirect led, so that no index reads it again."""
    job.listed.update({response.request.url, response.final_url})


def _listing_chunk(listing: Listing, kind: str = READ_LISTING) -> NewChunk:
    spec = {
        "channel": listing.channel,
        "url": listing.url,
        "is_archive": listing.is_archive,
        "is_complete": listing.is_complete,
        "has_content": listing.has_content,
        "is_next_page": listing.is_next_page,
        "depth": listing.depth,
        "since": "",
        "reached": "",
    }
    return new_chunk(kind, f"listing {listing.url}", spec)


def _listing_of(spec: dict[str, Any]) -> Listing:
    names = ("channel", "url", "is_archive", "is_complete", "has_content", "is_next_page", "depth")
    return Listing(**{name: spec[name] for name in names})


def _reached(job: BackfillContext, listing: Listing, entries: Sequence[Entry]) -> str:
    """The oldest time that a listing gives, as text; empty when it gives none.

    Entries of a sitemap without a date are all fetched, so that nothing older is left.
    """
    times = [_listed_at(job, one) for one in entries]
    if listing.is_archive and None in times:
        times.append(job.days.start - timedelta(seconds=1))
    return min((at.isoformat() for at in times if at), default="")


def _listed_at(job: BackfillContext, entry: Entry) -> datetime | None:
    """The time that a listing or an address gives for an entry; an article is never newer."""
    if at := job.days.published_at(entry):
        return at
    if day := entry.facts.get("day", ""):
        return datetime.combine(date.fromisoformat(day), time(), job.days.zone).astimezone(UTC)
    return job.days.changed_at(entry)


def _place(job: BackfillContext, period: tuple[date, date] | None) -> int:
    """-1 when the days of a listing are before the range, 1 when they are after it."""
    if period is None:
        return 0
    margin = timedelta(days=1)
    if period[1] < job.days.first - margin:
        return -1
    return 1 if period[0] > job.days.last + margin else 0
