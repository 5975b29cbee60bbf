"""Backfill chunks of articles: from URLs or the entries of a listing to rows.

A chunk has a time limit, because a site may ask for many seconds between two requests while
a sync waits for the source's lock. What a chunk does not fetch in time becomes a new chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from flows.pipeline import fetch_chunk, steps
from flows.pipeline.backfill_context import BackfillContext, entries_of
from flows.pipeline.batch import Batch, FetchTarget
from flows.pipeline.checkpoint import FETCH_ENTRIES, new_chunk
from flows.pipeline.stats import MAX_MESSAGES
from parsers import registry
from parsers.errors import UnknownUrl
from parsers.model import Entry
from warehouse.read import archived_fetches
from warehouse.records import not_modified
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk

_FIRST_ENTRIES = 8
"""How many are fetched before the time that one takes is known."""


def plan_urls(job: BackfillContext) -> list[NewChunk]:
    """Make the chunks of the request's URLs; report those that the source does not know."""
    entries: dict[str, Entry] = {}
    repeated = 0
    for url in job.request.urls:
        try:
            entry = job.source.parser.entry_of(job.source, url)
        except (UnknownUrl, ValueError) as error:
            job.stats.add(discovered=1)
            job.stats.fail(f"{url[:200]}: {error}")
        else:
            repeated += entry.source_article_id in entries
            entries.setdefault(entry.source_article_id, entry)
    if repeated:
        job.stats.warnings.append(f"{repeated} of the URLs name articles that other URLs name")
    return entry_chunks(job, list(entries.values()), "addresses")


def report_failed_urls(job: BackfillContext) -> None:
    """Report the URLs of done chunks that gave no page; no run tries them again."""
    urls = [
        entry.url
        for chunk in job.plan.chunks
        if chunk.kind == FETCH_ENTRIES and chunk.state == DONE
        for entry in entries_of(chunk)
    ]
    with job.run.reading() as store:
        failed = archived_fetches.last_fetch_errors(store, urls)
    if failed:
        errors = [error if url in error else f"{url}: {error}" for url, error in failed.items()]
        job.stats.warnings.append(
            f"{len(failed)} of the URLs gave no page and are not tried again "
            f"(--restart does): {'; '.join(errors[:MAX_MESSAGES])}"
        )


def entry_chunks(job: BackfillContext, entries: Sequence[Entry], what: str) -> list[NewChunk]:
    """Make chunks of some articles; ``what`` describes them to people."""
    size = job.entries_per_chunk
    parts = [entries[start : start + size] for start in range(0, len(entries), size)]
    return [
        new_chunk(
            FETCH_ENTRIES, f"{len(part)} of {what}", [asdict(entry) for entry in part], len(part)
        )
        for part in parts
    ]


def fetch_entries(job: BackfillContext, chunk: Chunk) -> None:
    """Fetch, parse and load the articles of a chunk."""
    planned = entries_of(chunk)
    entries = _without_listed(job, planned)
    if job.run.is_dry:
        job.stats.add(discovered=len(planned), skipped=len(entries))
        job.stats.warnings += [f"would fetch {entry.url}" for entry in entries]
        job.plan.finish(chunk)
        return
    batch, rest = _fetch_in_time(job, entries)
    job.stats.add(discovered=len(planned) - len(rest))
    note_days(job, batch)
    if not job.run.is_stopping:
        is_incomplete = any(_may_come_later(target.entry.url, batch) for target in batch.targets)
        left = {id(entry) for entry in rest}
        own = [asdict(entry) for entry in planned if id(entry) not in left]
        kept = replace(chunk, entry_count=len(own), spec=new_chunk(FETCH_ENTRIES, "", own).spec)
        job.plan.finish(kept, INCOMPLETE if is_incomplete else DONE)
        job.plan.add(entry_chunks(job, rest, "a chunk that took long"))
    job.load(batch)


def _fetch_in_time(job: BackfillContext, entries: list[Entry]) -> tuple[Batch, list[Entry]]:
    """Fetch and parse what fits in the chunk's time; return it and the entries left over."""
    whole, rest, started = Batch(), entries, job.clock()
    size = _FIRST_ENTRIES
    while rest and not job.run.is_stopping:
        part, rest = rest[:size], rest[size:]
        batch = fetch_chunk.fetch(
            job.run, job.source, Batch(FetchTarget(one, None) for one in part)
        )
        whole.merge(steps.parse(job.run, job.source, batch))
        spent = job.clock() - started
        size = int((job.chunk_seconds - spent) * (len(entries) - len(rest)) / max(spent, 1e-3))
        if size < 1:
            break
    return whole, rest


def _without_listed(job: BackfillContext, entries: list[Entry]) -> list[Entry]:
    """Leave out share links of articles that a listing brought.

    A listing gives an article's time to the second, its shared page to the minute. The page
    would be newer, and would replace the better time.
    """
    shared = {
        f"{job.source.slug}:{entry.source_article_id}"
        for entry in entries
        if entry.channel == registry.SHARE_LINK
    }
    with job.run.reading() as store:
        known = not_modified.ids_in_other_channels(store, shared, channel=registry.SHARE_LINK)
    if known:
        job.stats.add(unchanged=len(known))
        job.stats.warnings.append(f"{len(known)} known from their listings, which give more")
    return [one for one in entries if f"{job.source.slug}:{one.source_article_id}" not in known]


def _may_come_later(url: str, batch: Batch) -> bool:
    """Whether a later fetch may bring a page that is missing now."""
    return url not in batch.permanent_failures and (
        url in batch.failed_urls or url not in batch.fetches
    )


def note_days(job: BackfillContext, batch: Batch) -> None:
    """Record how far back a listing without dates goes, from its articles.

    Articles of other days are stored all the same, because they are fetched already.
    """
    days = job.request.date_range
    if days is None:
        return
    if outside := sum(not days.contains(row.published_at) for row in batch.articles):
        job.stats.warnings.append(f"{outside} articles are not of {job.request.range_text}")
    for row in batch.articles:
        if row.published_at is not None:
            oldest = job.oldest.get(row.channel, row.published_at)
            job.oldest[row.channel] = min(oldest, row.published_at)
            newest = job.newest.get(row.channel, row.published_at)
            job.newest[row.channel] = max(newest, row.published_at)
