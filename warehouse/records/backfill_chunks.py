"""Chunks of a backfill and their states, committed with the rows they brought.

A plan is the request as text: the same text is the same plan, so a killed backfill continues
when the same request is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.keys import as_uuid, key_of

WAITING, DONE, INCOMPLETE = "waiting", "done", "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A chunk to be done.

    Attributes:
        kind: Which step of the flow does it.
        description: For messages.
        spec: JSON text with all that the step needs.
        entry_count: How many articles it covers, as far as that is known.
    """

    kind: str
    description: str
    spec: str
    entry_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk as stored.

    Attributes:
        number: In the plan, from 1.
        state: ``waiting``, ``done`` or ``incomplete``: done except pages that failed, which
            the next run of the plan tries again.
        created_at, ended_at: Aware UTC.
        run_id: The last run that changed it.
    """

    plan: str
    source: str
    number: int
    kind: str
    description: str
    spec: str
    entry_count: int
    state: str
    created_at: datetime
    ended_at: datetime | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How far a plan is, in chunks."""

    plan: str
    source: str
    chunks: int
    done: int
    entry_count: int
    created_at: datetime
    ended_at: datetime | None


_COLUMNS = stage.columns(NewChunk)


def add(
    db: DuckDBPyConnection,
    plan: str,
    source: str,
    new: Sequence[NewChunk],
    *,
    run_id: str,
    at: datetime | None = None,
) -> None:
    """Append chunks to a plan."""
    sql = "SELECT coalesce(max(number), 0) FROM _store.backfill_chunks WHERE plan_key = ?"
    last, count = stage.count(db, sql, [as_uuid(key_of(plan))]), len(new)
    if not new:
        return
    rows = stage.table(
        plan_key=stage.keys([key_of(plan)] * count),
        plan=stage.same(plan, count),
        source=stage.same(source, count),
        number=(range(last + 1, last + 1 + count), stage.SMALL),
        **stage.values(new, _COLUMNS),
        state=stage.same(WAITING, count),
        created_at=([at or datetime.now(UTC)] * count, stage.MOMENT),
        run_id=stage.same(run_id, count),
    )
    stage.insert(db, "_store.backfill_chunks", rows)


def chunks_of_plan(db: DuckDBPyConnection, plan: str) -> list[Chunk]:
    """Return the chunks of a plan, in their order; none when there is no such plan."""
    found = stage.select(
        db,
        "SELECT plan, source, number, kind, description, spec, entry_count, state, created_at, "
        "ended_at, run_id FROM _store.backfill_chunks WHERE plan_key = ? ORDER BY number",
        [as_uuid(key_of(plan))],
    )
    return [Chunk(**one) for one in found]


def finish(
    db: DuckDBPyConnection,
    chunk: Chunk,
    *,
    state: str,
    run_id: str,
    entry_count: int | None = None,
    spec: str | None = None,
    at: datetime | None = None,
) -> None:
    """Store the end of a chunk, and its smaller extent when another chunk took over a part."""
    plan, at = as_uuid(key_of(chunk.plan)), at or datetime.now(UTC)
    db.execute(
        "UPDATE _store.backfill_chunks SET state = ?, run_id = ?, "
        "entry_count = coalesce(?, entry_count), spec = coalesce(?, spec), ended_at = ? "
        "WHERE plan_key = ? AND number = ?",
        [state, run_id, entry_count, spec, at, plan, chunk.number],
    )


def delete_plan(db: DuckDBPyConnection, plan: str) -> None:
    """Delete a plan, so that the same request starts from the beginning."""
    db.execute("DELETE FROM _store.backfill_chunks WHERE plan_key = ?", [as_uuid(key_of(plan))])


def delete_old_plans(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Delete the plans without a chunk made or ended since; return how many chunks."""
    old = (
        "plan_key IN (SELECT plan_key FROM _store.backfill_chunks GROUP BY plan_key "
        "HAVING max(coalesce(ended_at, created_at)) < ?)"
    )
    return stage.delete(db, "_store.backfill_chunks", old, [before])


def list_plans(db: DuckDBPyConnection, *, source: str | None = None) -> list[Plan]:
    """Return every plan and how far it is, the newest first."""
    found = stage.select(
        db,
        "SELECT any_value(plan) AS plan, any_value(source) AS source, count(*) AS chunks, "
        "count(*) FILTER (state = 'done') AS done, sum(entry_count)::BIGINT AS entry_count, "
        "min(created_at) AS created_at, max(ended_at) AS ended_at FROM _store.backfill_chunks "
        "WHERE (? IS NULL OR source = ?) GROUP BY plan_key ORDER BY min(created_at) DESC",
        [source, source],
    )
    return [Plan(**one) for one in found]
