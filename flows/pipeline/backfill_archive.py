"""The pieces of a backfill that are pages of an archive: no network, and the time of their fetch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from flows.archive import ArchiveError
from flows.archive.index import (
    ArchiveIndex,
    RecordLocation,
    listing_entries,
    read_response,
    with_next_pages,
)
from flows.fetch import decode_page
from flows.pipeline import steps
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import READ_ARCHIVE, new_chunk
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk

RECORDS_EACH = 200


def pieces(work: BackfillContext, found: ArchiveIndex) -> list[NewChunk]:
    """Pieces for those pages that no piece of the plan holds yet."""
    planned = {
        (file, offset)
        for chunk in work.plan.chunks
        if chunk.kind == READ_ARCHIVE
        for file, offset, *_ in json.loads(chunk.spec)
    }
    fresh = [one for one in found.pages if (one.file, one.offset) not in planned]
    parts = [fresh[i : i + RECORDS_EACH] for i in range(0, len(fresh), RECORDS_EACH)]
    return [
        new_chunk(
            READ_ARCHIVE,
            f"{pluralize(len(part), 'page')}, {part[0].at:%Y-%m-%d} to {part[-1].at:%Y-%m-%d}",
            [[one.file, one.offset, one.url, one.at.isoformat()] for one in part],
            len(part),
        )
        for part in parts
    ]


def read_records(work: BackfillContext, found: ArchiveIndex, chunk: Chunk) -> None:
    """Read and store some pages of an archive; their time is that of their fetch."""
    places = [
        RecordLocation(file, offset, url, datetime.fromisoformat(at))
        for file, offset, url, at in json.loads(chunk.spec)
    ]
    if work.run.is_dry:
        work.stats.add(discovered=len(places))
        work.stats.warnings += [
            f"would read {one.url} of {one.at:%Y-%m-%d %H:%M}" for one in places
        ]
        work.plan.end(chunk)
        return
    batch, state = Batch(), DONE
    for place in places:
        try:
            batch.pages += _arrived(found, place)
        except (ArchiveError, ParseError) as error:
            work.stats.add(discovered=1)
            work.stats.fail(f"{place.url}: {error}")
            if isinstance(error, ArchiveError):
                state = INCOMPLETE  # the file may come back whole, from a backup
    # A listing may carry many articles, or none.
    work.stats.add(discovered=len(batch.pages), fetched=len(batch.pages))
    steps.parse(work.run, work.source, batch)
    _leave_recorded(work, found, batch)
    work.plan.end(chunk, state)
    work.store(batch)


def _arrived(found: ArchiveIndex, place: RecordLocation) -> list[FetchedPage]:
    fetched = read_response(found.folder, place.file, place.offset, place.url)
    fetched = replace(fetched, fetched_at=place.at)
    if place.url in found.listings:
        entries = [entry for entry in listing_entries(found, place) if entry.content is not None]
        return [FetchedPage(entry, decode_page(fetched, entry)) for entry in entries]
    arrived = []
    for entry in found.entries(place):
        page = decode_page(fetched, entry)
        more = registry.next_pages(found.source, page)
        following = [at for url in more if (at := found.nearest(url, place.at))]
        arrived.append(FetchedPage(entry, with_next_pages(page, found.folder, following), fetched))
    return arrived


def _leave_recorded(work: BackfillContext, found: ArchiveIndex, batch: Batch) -> None:
    """Record the fetches of our own archive that are not recorded: it outlived its warehouse."""
    is_own = found.folder.resolve() == work.run.settings.archive.path.resolve()
    places = {
        (row.archive_file, row.archive_offset): url
        for url, row in batch.fetches.items()
        if row.archive_file is not None and row.archive_offset is not None
    }
    known = work.run.recorded(places) if is_own else set(places)
    for place in known:
        del batch.fetches[places[place]]
