"""The pieces of a backfill that are articles: from addresses or a listing's lines to rows.

A piece has its time: a site may ask for many seconds between two requests, and the schedule
waits for its turn meanwhile. What a piece does not fetch in its time is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from flows.pipeline import steps
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
"""How many are fetched before it is known how long one takes."""


def named(work: BackfillContext, urls: Sequence[str]) -> list[NewChunk]:
    """The pieces of a list of addresses; one that the source does not know is told."""
    entries: dict[str, Entry] = {}
    merged = 0
    for url in urls:
        try:
            entry = work.source.parser.entry_of(work.source, url)
        except (UnknownUrl, ValueError) as error:
            work.stats.add(discovered=1)
            work.stats.fail(f"{url[:200]}: {error}")
        else:
            merged += entry.source_article_id in entries
            entries.setdefault(entry.source_article_id, entry)
    if merged:
        work.stats.warnings.append(
            f"{merged} of the addresses target to articles that others target to"
        )
    return pieces(work, list(entries.values()), "addresses")


def tell_lost(work: BackfillContext) -> None:
    """Say again which addresses brought nothing, and will not be tried again."""
    urls = [
        entry.url
        for chunk in work.plan.chunks
        if chunk.kind == FETCH_ENTRIES and chunk.state == DONE
        for entry in entries_of(chunk)
    ]
    with work.run.reading() as store:
        lost = archived_fetches.last_fetch_errors(store, urls)
    if lost:
        words = [error if url in error else f"{url}: {error}" for url, error in lost.items()]
        told = "; ".join(words[:MAX_MESSAGES])
        work.stats.warnings.append(
            f"{len(lost)} of the addresses brought nothing and are not tried again "
            f"(--restart does): {told}"
        )


def pieces(work: BackfillContext, entries: Sequence[Entry], what: str) -> list[NewChunk]:
    """New pieces of a plan for some articles; ``what`` says which, for people."""
    each = work.entries_per_chunk
    parts = [entries[i : i + each] for i in range(0, len(entries), each)]
    return [
        new_chunk(
            FETCH_ENTRIES, f"{len(part)} of {what}", [asdict(entry) for entry in part], len(part)
        )
        for part in parts
    ]


def read_entries(work: BackfillContext, chunk: Chunk) -> None:
    """Fetch, read and store the articles of a piece."""
    run, stats = work.run, work.stats
    planned = entries_of(chunk)
    entries = _left_to_listings(work, planned)
    if run.is_dry:
        stats.add(discovered=len(planned))
        stats.warnings += [f"would fetch {entry.url}" for entry in entries]
        work.plan.end(chunk)
        return
    batch, rest = _fetch_in_time(work, entries)
    stats.add(discovered=len(planned) - len(rest))
    note_days(work, batch)
    if not run.is_stopping:
        missing = any(_may_come(target.entry.url, batch) for target in batch.targets)
        left = {id(entry) for entry in rest}
        own = [asdict(entry) for entry in planned if id(entry) not in left]
        work.plan.end(
            chunk,
            INCOMPLETE if missing else DONE,
            entries=len(own),
            spec=new_chunk(FETCH_ENTRIES, "", own).spec,
        )
        work.plan.grow(pieces(work, rest, "a piece that took long"))
    work.store(batch)


def _fetch_in_time(work: BackfillContext, entries: list[Entry]) -> tuple[Batch, list[Entry]]:
    """The articles that come in the time that one piece has, and the entries left over.

    A site may ask for many seconds between two requests, and the schedule waits meanwhile.
    """
    whole, rest, started = Batch(), entries, work.clock()
    size = _FIRST_ENTRIES
    while rest and not work.run.is_stopping:
        part, rest = rest[:size], rest[size:]
        batch = steps.fetch(work.run, work.source, Batch(FetchTarget(one, None) for one in part))
        whole.merge(steps.parse(work.run, work.source, batch))
        spent = work.clock() - started
        size = int((work.chunk_seconds - spent) * (len(entries) - len(rest)) / max(spent, 1e-3))
        if size < 1:
            break
    return whole, rest


def _left_to_listings(work: BackfillContext, entries: list[Entry]) -> list[Entry]:
    """Those entries that no listing tells more of than their page does.

    The page behind a share link gives a time to the minute where the listing gave the
    second: what a listing brought is newer knowledge, and stays.
    """
    shared = {
        f"{work.source.slug}:{entry.source_article_id}"
        for entry in entries
        if entry.channel == registry.SHARE_LINK
    }
    with work.run.reading() as store:
        known = not_modified.ids_in_other_channels(store, shared, channel=registry.SHARE_LINK)
    if known:
        work.stats.add(unmodified=len(known))
        work.stats.warnings.append(f"{len(known)} known from their listings, which tell more")
    return [one for one in entries if f"{work.source.slug}:{one.source_article_id}" not in known]


def _may_come(url: str, batch: Batch) -> bool:
    """Whether a page that is not there may be there another time."""
    if url in batch.permanent_failures:
        return False
    return url in batch.failed_urls or url not in batch.fetches


def note_days(work: BackfillContext, batch: Batch) -> None:
    """Learn how far back undated listings go from the articles themselves.

    What turns out to be of other days is stored all the same: it has been read.
    """
    window = work.asked.window
    if window is None:
        return
    if outside := sum(not window.holds(row.published_at) for row in batch.rows):
        work.stats.warnings.append(f"{outside} read that are not of {work.asked.stretch}")
    for row in batch.rows:
        if row.published_at is not None:
            known = work.oldest.get(row.channel)
            work.oldest[row.channel] = min(known or row.published_at, row.published_at)
