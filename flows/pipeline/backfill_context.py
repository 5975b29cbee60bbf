"""One backfill under way: what its pieces share, whatever they are."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import cached_property

from flows.archive import index as records
from flows.pipeline import steps
from flows.pipeline.batch import Batch
from flows.pipeline.checkpoint import (
    CLOSE_GAPS,
    FETCH_ENTRIES,
    LIST_PAGES,
    CheckpointedRun,
    JobPlan,
)
from flows.pipeline.date_range import BackfillRequest
from parsers.model import Entry, Source
from warehouse.records.backfill_chunks import Chunk


class BackfillContext:
    """One backfill under way: what its pieces share.

    Attributes:
        entries_each: How many articles a piece holds: what a kill repeats at most.
        piece_seconds: After how long a piece ends, and leaves what it has not fetched to
            another: how long the schedule waits for its turn, which is less than it would.
        clock: Seconds that never go back.
    """

    entries_per_chunk = 100
    chunk_seconds = 300.0
    clock = staticmethod(time.monotonic)

    def __init__(
        self, run: CheckpointedRun, asked: BackfillRequest, *, restart: bool = False
    ) -> None:
        self.run = run
        self.asked = asked
        self.source: Source = run.settings.source(asked.source)
        self.stats = run.stats_of(asked.source)
        self.plan = JobPlan(run, asked.plan, asked.source)
        self.was_done = self.plan.is_done and not self._is_open_ended()
        if restart or (self.plan.is_done and not self.was_done and not asked.archive):
            self.plan.restart()
            self.was_done = False
        self.oldest: dict[str, datetime] = {}
        self.planned = {
            entry.source_article_id
            for chunk in self.plan.chunks
            if chunk.kind == FETCH_ENTRIES
            for entry in entries_of(chunk)
        }

    @cached_property
    def index(self) -> records.ArchiveIndex:
        """What the archive holds."""
        assert self.asked.archive is not None  # noqa: S101  # only an archive has records
        return records.build_index(self.asked.archive, self.source)

    def _is_open_ended(self) -> bool:
        """Whether there may be more by now: of a window that was not over, of an archive."""
        if self.asked.archive:
            return True
        window, ended = self.asked.window, self.plan.ended_at
        if window is None or ended is None:
            return False
        # What counts is when the listings were read, however long the articles took after that.
        return min(self._listed_at(), default=ended) < window.end

    def _listed_at(self) -> list[datetime]:
        specs = (
            json.loads(one.spec) for one in self.plan.chunks if one.kind in (LIST_PAGES, CLOSE_GAPS)
        )
        return [aware(spec["since"]) for spec in specs if spec["since"]]

    def store(self, batch: Batch) -> None:
        """Store a batch, and what became of its piece with it."""
        if not self.run.is_dry:
            steps.load(self.run, self.source, batch)


def entries_of(chunk: Chunk) -> list[Entry]:
    """The entries of a piece."""
    return [Entry(**facts) for facts in json.loads(chunk.spec)]


def aware(text: str) -> datetime:
    """A moment of a piece, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
