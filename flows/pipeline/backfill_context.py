"""The state of one backfill, shared by its chunks."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from flows.archive.index import ArchiveIndex, build_index
from flows.pipeline import load
from flows.pipeline.batch import Batch
from flows.pipeline.checkpoint import (
    CLOSE_GAPS,
    FETCH_ENTRIES,
    LIST_PAGES,
    READ_LISTING,
    READ_NEXT_PAGE,
    JobPlan,
)
from flows.pipeline.cluster import Pending
from flows.pipeline.date_range import BackfillRequest, DateRange
from flows.pipeline.rows import make_entry
from flows.pipeline.run import RunContext
from parsers.model import Entry, Source
from warehouse.records.backfill_chunks import Chunk


class BackfillContext:
    """The state of one backfill.

    Attributes:
        entries_per_chunk: How many articles one chunk holds; a kill repeats at most these.
        chunk_seconds: After this time a chunk leaves its unfetched articles to a new chunk.
            It is shorter than the time that a sync waits for the source's lock.
        clock: A monotonic clock, in seconds.
        was_done: Whether an earlier run finished the plan, and nothing can be new since.
        oldest: The oldest article of each channel that this run parsed.
        newest: The newest article of each channel since the last page of its listing.
        listed: The addresses of the listings of the plan.
        planned: The ids of the articles that some chunk of the plan holds.
        sent: The chunks that workers of a cluster do, by number.
    """

    entries_per_chunk = 100
    chunk_seconds = 300.0
    clock = staticmethod(time.monotonic)

    def __init__(self, run: RunContext, request: BackfillRequest, *, restart: bool = False) -> None:
        self.run = run
        self.request = request
        self.source: Source = run.settings.source(request.source)
        self.stats = run.stats_of(request.source)
        self.plan = JobPlan(run, request.plan, request.source)
        is_done = self.plan.is_done
        self.was_done = is_done and not restart and not self._is_open_ended()
        if restart or (is_done and not self.was_done and not request.is_archive):
            self.plan.restart()
        self.sent: dict[int, Pending[Any]] = {}
        self.oldest: dict[str, datetime] = {}
        self.newest: dict[str, datetime] = {}
        self.listed = {
            json.loads(chunk.spec)["url"]
            for chunk in self.plan.chunks
            if chunk.kind in (READ_LISTING, READ_NEXT_PAGE)
        }
        self.planned = {
            entry.source_article_id
            for chunk in self.plan.chunks
            if chunk.kind == FETCH_ENTRIES
            for entry in entries_of(chunk)
        }

    @cached_property
    def index(self) -> ArchiveIndex:
        """The records of the archive for this source."""
        assert self.request.archive is not None  # noqa: S101  # only an archive has records
        return build_index(self.request.archive, self.source)

    @property
    def days(self) -> DateRange:
        """The range of a request that has one."""
        assert self.request.date_range is not None  # noqa: S101  # only a range has listing pages
        return self.request.date_range

    def _is_open_ended(self) -> bool:
        """Whether a finished plan may have more by now: an archive, or a range not yet over."""
        if self.request.is_archive:
            return True
        days, ended = self.request.date_range, self.plan.ended_at
        if days is None or ended is None:
            return False
        # The time of the listings counts, not that of the articles fetched after them.
        specs = (json.loads(c.spec) for c in self.plan.chunks if c.kind in (LIST_PAGES, CLOSE_GAPS))
        listed = [parse_utc(spec["since"]) for spec in specs if spec.get("since")]
        return min(listed, default=ended) < days.end

    def load(self, batch: Batch) -> None:
        """Load a batch and save the plan in one transaction; a dry run stores nothing."""
        if not self.run.is_dry:
            load.load(self.run, self.source, batch, on_commit=self.plan.save)


def entries_of(chunk: Chunk) -> list[Entry]:
    """The entries of a chunk."""
    return [make_entry(fields) for fields in json.loads(chunk.spec)]


def parse_utc(text: str) -> datetime:
    """Parse a time of a chunk (UTC)."""
    return datetime.fromisoformat(text).astimezone(UTC)
