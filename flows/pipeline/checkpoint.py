"""The plan of a resumable run: chunks of work, stored in the warehouse.

The end of a chunk is written in the transaction that stores its articles, so a killed run
repeats at most one chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows.pipeline.run import RunContext
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import DONE, WAITING, Chunk, NewChunk

LIST_PAGES, FETCH_ENTRIES = "list_pages", "fetch_entries"
READ_LISTING, READ_NEXT_PAGE = "read_listing", "read_next_page"
READ_ARCHIVE, READ_WARC, CLOSE_GAPS = "read_archive", "read_warc", "close_gaps"

_PRIORITY = {
    LIST_PAGES: 0, READ_LISTING: 0, FETCH_ENTRIES: 1, READ_NEXT_PAGE: 1, READ_ARCHIVE: 1,
    READ_WARC: 1,
    CLOSE_GAPS: 2,
}  # fmt: skip
"""Listings come before their articles, so that the total is known early. A page that depends on
the dates of articles comes after them."""


class JobPlan:
    """The chunks of one job. Changes stay in memory until ``save`` writes them.

    Attributes:
        name: What was asked for; the same name continues the same plan.
        chunks: Every chunk, in the order of its number.
    """

    def __init__(self, run: RunContext, name: str, source: str) -> None:
        self.name = name
        self.source = source
        with run.reading() as store:
            self.chunks = backfill_chunks.chunks_of_plan(store, name)
        self._run_id = run.id
        self._taken: set[int] = set()
        self._unsaved: list[Callable[[DuckDBPyConnection], object]] = []

    def save(self, store: DuckDBPyConnection) -> None:
        """Write the changes since the last call, inside the caller's transaction."""
        for write in self._unsaved:
            write(store)
        self._unsaved.clear()

    def defer(self, write: Callable[[DuckDBPyConnection], object]) -> None:
        """Run a write in the transaction of the next ``save``."""
        self._unsaved.append(write)

    def restart(self) -> None:
        """Remove every chunk."""
        self.chunks.clear()
        self.defer(lambda store: backfill_chunks.delete_plan(store, self.name))

    def add(self, new: Sequence[NewChunk]) -> None:
        """Append chunks."""
        if not new:
            return
        now, first = datetime.now(UTC), len(self.chunks) + 1
        self.chunks += [
            Chunk(
                plan=self.name, source=self.source, number=number, kind=one.kind, description=one.description,
                spec=one.spec, entry_count=one.entry_count, state=WAITING, created_at=now, ended_at=None,
                run_id=self._run_id,
            )
            for number, one in enumerate(new, first)
        ]  # fmt: skip
        self.defer(
            lambda store: backfill_chunks.add(
                store, self.name, self.source, new, run_id=self._run_id, at=now
            )
        )

    def finish(self, chunk: Chunk, state: str = DONE) -> None:
        """Set the state of a chunk: ``DONE``, or ``INCOMPLETE`` to repeat it in the next run."""
        ended = replace(chunk, state=state, ended_at=datetime.now(UTC), run_id=self._run_id)
        self.chunks[chunk.number - 1] = ended
        self.defer(
            lambda store: backfill_chunks.finish(
                store, ended, state=state, run_id=self._run_id, entry_count=ended.entry_count,
                spec=ended.spec, at=ended.ended_at,
            )
        )  # fmt: skip

    def next_chunk(self) -> Chunk | None:
        """Return the next chunk that is not done; a run gets each chunk once."""
        open_chunks = [c for c in self.chunks if c.state != DONE and c.number not in self._taken]
        chunk = min(open_chunks, key=lambda one: (_PRIORITY[one.kind], one.number), default=None)
        if chunk is not None:
            self._taken.add(chunk.number)
        return chunk

    @property
    def is_done(self) -> bool:
        """Whether the plan has chunks and all of them are done."""
        return bool(self.chunks) and not self.open_count

    @property
    def open_count(self) -> int:
        """The number of chunks that are not done."""
        return sum(one.state != DONE for one in self.chunks)

    @property
    def ended_at(self) -> datetime | None:
        """When the last chunk ended (UTC)."""
        return max((one.ended_at for one in self.chunks if one.ended_at), default=None)

    def progress(self) -> tuple[int, int]:
        """Return the number of articles that are done, and of all that are known.

        The ranges of a WARC file have an unknown number of articles; then it is that of chunks.
        """
        if self.counts_chunks:
            return len(self.chunks) - self.open_count, len(self.chunks)
        done = sum(one.entry_count for one in self.chunks if one.state == DONE)
        return done, sum(one.entry_count for one in self.chunks)

    @property
    def counts_chunks(self) -> bool:
        """Whether ``progress`` counts chunks."""
        return any(one.kind == READ_WARC for one in self.chunks)


def new_chunk(kind: str, what: str, spec: Any, entries: int = 0) -> NewChunk:
    """Make a chunk whose ``spec`` is stored as JSON."""
    text = json.dumps(spec, ensure_ascii=False, sort_keys=True)
    return NewChunk(kind=kind, description=what, spec=text, entry_count=entries)
