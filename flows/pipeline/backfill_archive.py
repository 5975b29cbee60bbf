"""Backfill chunks of archived pages: no network; each page keeps the time of its fetch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from flows.archive import ArchiveError, BucketUnreachable
from flows.archive.index import RecordLocation, listing_entries, read_page, read_response
from flows.fetch import decode_page
from flows.pipeline import steps
from flows.pipeline.backfill_context import BackfillContext
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import READ_ARCHIVE, new_chunk
from flows.pipeline.next_pages import add_next_pages
from flows.text import pluralize
from parsers.errors import ParseError
from parsers.model import Page
from warehouse.read import archived_fetches
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk

RECORDS_PER_CHUNK = 200


def plan_records(job: BackfillContext) -> list[NewChunk]:
    """Make chunks of the pages that no chunk of the plan holds."""
    planned = {
        (file, offset)
        for chunk in job.plan.chunks
        if chunk.kind == READ_ARCHIVE
        for file, offset, *_ in json.loads(chunk.spec)
    }
    new = [one for one in job.index.pages if (one.file, one.offset) not in planned]
    size = RECORDS_PER_CHUNK
    parts = [new[start : start + size] for start in range(0, len(new), size)]
    return [
        new_chunk(
            READ_ARCHIVE,
            f"{pluralize(len(part), 'page')}, {part[0].at:%Y-%m-%d} to {part[-1].at:%Y-%m-%d}",
            [[one.file, one.offset, one.url, one.at.isoformat()] for one in part],
            len(part),
        )
        for part in parts
    ]


def read_archive(job: BackfillContext, chunk: Chunk) -> None:
    """Parse and load the pages of a chunk."""
    locations = [
        RecordLocation(file, offset, url, datetime.fromisoformat(at))
        for file, offset, url, at in json.loads(chunk.spec)
    ]
    if job.run.is_dry:
        job.stats.add(discovered=len(locations), skipped=len(locations))
        job.stats.warnings += [
            f"would read {one.url} of {one.at:%Y-%m-%d %H:%M}" for one in locations
        ]
        job.plan.finish(chunk)
        return
    batch, state = Batch(), DONE
    for location in locations:
        try:
            batch.pages += pages_at(job, location)
        except (ArchiveError, ParseError) as error:
            job.stats.add(discovered=1)
            job.stats.fail(f"{location.url}: {error}")
            if isinstance(error, BucketUnreachable):
                raise  # so it would be for every other page
            if isinstance(error, ArchiveError):
                state = INCOMPLETE  # a backup may restore the file
    # A listing may carry many articles, or none.
    job.stats.add(discovered=len(batch.pages), fetched=len(batch.pages))
    steps.parse(job.run, job.source, batch)
    _drop_recorded_fetches(job, batch)
    job.plan.finish(chunk, state)
    job.load(batch)


def pages_at(job: BackfillContext, location: RecordLocation) -> list[FetchedPage]:
    """The articles of a record: one for each entry that led to it, or those it carries.

    Raises:
        ArchiveError: The record is damaged.
        ParseError: The listing cannot be parsed.
    """
    index = job.index
    response = read_response(index.store, location.file, location.offset, location.url)
    response = replace(response, fetched_at=location.at)
    if location.key in index.listings:
        entries = [one for one in listing_entries(index, location) if one.content is not None]
        return [FetchedPage(entry, decode_page(response, entry)) for entry in entries]

    def archived(url: str) -> Page | None:
        found = index.nearest(url, location.at)
        return read_page(index.store, found) if found else None

    pages = []
    for entry in index.entries(location):
        page = add_next_pages(index.source, decode_page(response, entry), archived)
        pages.append(FetchedPage(entry, page, response))
    return pages


def _drop_recorded_fetches(job: BackfillContext, batch: Batch) -> None:
    """Record a fetch only if it is of our own archive and the warehouse lost it."""
    is_own = job.index.store.is_same(job.run.archive_store)
    urls = {
        (row.archive_file, row.archive_offset): url
        for url, row in batch.fetches.items()
        if row.archive_file is not None and row.archive_offset is not None
    }
    recorded = set(urls)
    if is_own:
        with job.run.reading() as store:
            recorded = archived_fetches.recorded_locations(store, list(urls))
    for location in recorded:
        del batch.fetches[urls[location]]
