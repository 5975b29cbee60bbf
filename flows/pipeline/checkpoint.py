"""A long run in pieces: what is to be done, kept in the warehouse with what was done.

The end of a piece is written in the very transaction that stores its articles, so that a
run killed at any moment repeats at most the piece it was at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from flows.pipeline.run import RunContext
from warehouse.read import archived_fetches
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import DONE, WAITING, Chunk, NewChunk

Write = Callable[[DuckDBPyConnection], None]

LIST_PAGES, FETCH_ENTRIES, READ_ARCHIVE, CLOSE_GAPS = "walk", "entries", "records", "close"
_RANK = {LIST_PAGES: 0, FETCH_ENTRIES: 1, READ_ARCHIVE: 1, CLOSE_GAPS: 2}
"""Listings are read before their articles, so that the amount of work is known early."""


class CheckpointedRun(RunContext):
    """A run that can write something along with what its next step stores."""

    def along(self, write: Write) -> None:
        """Do this inside the next transaction, whoever opens it."""
        self._waiting.append(write)

    @property
    def _waiting(self) -> list[Write]:
        waiting: list[Write] = self.__dict__.setdefault("_along", [])
        return waiting

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """The warehouse in one transaction, in which everything waiting is written too."""
        with super().writing() as store:
            yield store
            for write in self._waiting:
                write(store)
        self._waiting.clear()

    def stored_chunks(self, plan: str) -> list[Chunk]:
        """The pieces of a plan that a run before this left."""
        with self.reading() as store:
            return backfill_chunks.chunks_of_plan(store, plan)

    def recorded(self, places: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of some places in the archive that a fetch is recorded for."""
        with self.reading() as store:
            return archived_fetches.recorded_locations(store, list(places))


class JobPlan:
    """The pieces of one plan: taken one by one, growing while listings are read.

    Attributes:
        chunks: Every piece, in the order of its number.
    """

    def __init__(self, run: CheckpointedRun, words: str, source: str) -> None:
        self.words = words
        self.source = source
        self.chunks = run.stored_chunks(words)
        self._run = run
        self._tried: set[int] = set()

    def restart(self) -> None:
        """Forget what was done."""
        self.chunks.clear()
        if not self._run.is_dry:
            self._run.along(lambda store: backfill_chunks.delete_plan(store, self.words))

    def grow(self, new: Sequence[NewChunk]) -> None:
        """Add pieces; stored with the next transaction."""
        if not new:
            return
        at = datetime.now(UTC)
        run_id, first = self._run.id, len(self.chunks) + 1
        self.chunks += [
            Chunk(
                plan=self.words, source=self.source, n=first + i, kind=one.kind, what=one.what,
                spec=one.spec, entries=one.entries, state=WAITING, made_at=at, ended_at=None,
                run_id=run_id,
            )
            for i, one in enumerate(new)
        ]  # fmt: skip
        if not self._run.is_dry:
            self._run.along(
                lambda store: backfill_chunks.add(
                    store, self.words, self.source, new, run_id=run_id, at=at
                )
            )

    def end(
        self,
        chunk: Chunk,
        state: str = DONE,
        *,
        entries: int | None = None,
        spec: str | None = None,
    ) -> None:
        """Say what became of a piece; stored with the next transaction.

        Args:
            chunk: The piece.
            state: ``DONE``, or ``INCOMPLETE`` to try it again when the plan goes on.
            entries: How many articles it had, where it is known only now.
            spec: What it was, when another piece takes over the rest.
        """
        at = datetime.now(UTC)
        self.chunks[chunk.n - 1] = Chunk(
            plan=chunk.plan, source=chunk.source, n=chunk.n, kind=chunk.kind, what=chunk.what,
            spec=spec or chunk.spec, entries=chunk.entries if entries is None else entries, state=state,
            made_at=chunk.made_at, ended_at=at, run_id=self._run.id,
        )  # fmt: skip
        if not self._run.is_dry:
            self._run.along(
                lambda store: backfill_chunks.finish(
                    store,
                    chunk,
                    state=state,
                    run_id=self._run.id,
                    entries=entries,
                    spec=spec,
                    at=at,
                )
            )

    def take(self) -> Chunk | None:
        """The next piece that is not done; each is taken once in a run."""
        left = [one for one in self.chunks if one.state != DONE and one.n not in self._tried]
        chunk = min(left, key=lambda one: (_RANK[one.kind], one.n), default=None)
        if chunk is not None:
            self._tried.add(chunk.n)
        return chunk

    @property
    def is_done(self) -> bool:
        """Whether nothing is left, of a plan that has anything."""
        return bool(self.chunks) and all(one.state == DONE for one in self.chunks)

    @property
    def ended_at(self) -> datetime | None:
        """When its last piece was ended."""
        return max((one.ended_at for one in self.chunks if one.ended_at), default=None)

    def progress(self) -> tuple[int, int]:
        """How many articles are done, and how many there are as far as is known."""
        done = sum(one.entries for one in self.chunks if one.state == DONE)
        return done, sum(one.entries for one in self.chunks)

    def left(self) -> int:
        """How many pieces are not done."""
        return sum(one.state != DONE for one in self.chunks)


def new_chunk(kind: str, what: str, spec: Any, entries: int = 0) -> NewChunk:
    """A new piece; ``spec`` as JSON."""
    text = json.dumps(spec, ensure_ascii=False, sort_keys=True)
    return NewChunk(kind=kind, what=what, spec=text, entries=entries)
