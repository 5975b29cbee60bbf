"""The pieces of a long run and what became of each, committed with the rows they brought.

A plan is what was asked for, in words; the same words are the same plan, so that a run
that was killed is continued by asking again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.times import utc
from warehouse.upsert import stage
from warehouse.upsert.keys import as_uuid, key_of

WAITING, DONE, INCOMPLETE = "waiting", "done", "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A piece of work to be done.

    Attributes:
        kind: How it is done; the flow's own word.
        what: What is in it, for people.
        spec: JSON text with all that is needed to do it.
        entries: How many articles it is about, as far as that is known.
    """

    kind: str
    what: str
    spec: str
    entries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a plan as stored.

    Attributes:
        n: Its number in the plan, from 1.
        state: ``waiting``, ``done`` or ``incomplete``: done but for pages that did not
            come, which are tried when the plan is asked for again.
        made_at, ended_at: Aware UTC.
        run_id: The run that last touched it.
    """

    plan: str
    source: str
    n: int
    kind: str
    what: str
    spec: str
    entries: int
    state: str
    made_at: datetime
    ended_at: datetime | None
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How far a plan is, in chunks."""

    plan: str
    source: str
    chunks: int
    done: int
    entries: int
    made_at: datetime
    ended_at: datetime | None


def add(
    db: DuckDBPyConnection,
    plan: str,
    source: str,
    new: Sequence[NewChunk],
    *,
    run_id: str,
    at: datetime | None = None,
) -> None:
    """Appends pieces to a plan."""
    key = as_uuid(key_of(plan))
    found = db.execute(
        "SELECT coalesce(max(n), 0) FROM _work.chunks WHERE plan_key = ?", [key]
    ).fetchall()
    count = len(new)
    rows = stage.table(
        plan_key=stage.keys([key_of(plan)] * count),
        plan=([plan] * count, stage.TEXT),
        source=([source] * count, stage.TEXT),
        n=([found[0][0] + 1 + i for i in range(count)], stage.SMALL),
        kind=([one.kind for one in new], stage.TEXT),
        what=([one.what for one in new], stage.TEXT),
        spec=([one.spec for one in new], stage.TEXT),
        entries=([one.entries for one in new], stage.SMALL),
        state=([WAITING] * count, stage.TEXT),
        made_at=([at or datetime.now(UTC)] * count, stage.MOMENT),
        ended_at=([None] * count, stage.MOMENT),
        run_id=([run_id] * count, stage.TEXT),
    )
    stage.insert(db, "_work.chunks", rows)


def chunks_of_plan(db: DuckDBPyConnection, plan: str) -> list[Chunk]:
    """The pieces of a plan, in their order; none when there is no such plan."""
    found = db.execute(
        "SELECT plan, source, n, kind, what, spec, entries, state, made_at, ended_at, run_id "
        "FROM _work.chunks WHERE plan_key = ? ORDER BY n",
        [as_uuid(key_of(plan))],
    ).fetchall()
    return [
        Chunk(
            plan=words, source=source, n=n, kind=kind, what=what, spec=spec, entries=entries,
            state=state, made_at=made_at.astimezone(UTC), ended_at=utc(ended_at), run_id=run_id,
        )
        for words, source, n, kind, what, spec, entries, state, made_at, ended_at, run_id in found
    ]  # fmt: skip


def finish(
    db: DuckDBPyConnection,
    chunk: Chunk,
    *,
    state: str,
    run_id: str,
    entries: int | None = None,
    spec: str | None = None,
    at: datetime | None = None,
) -> None:
    """Says what became of a piece, and what it was when another took over a part of it."""
    plan, at = as_uuid(key_of(chunk.plan)), at or datetime.now(UTC)
    db.execute(
        "UPDATE _work.chunks SET state = ?, run_id = ?, entries = coalesce(?, entries), "
        "spec = coalesce(?, spec), ended_at = ? WHERE plan_key = ? AND n = ?",
        [state, run_id, entries, spec, at, plan, chunk.n],
    )


def delete_plan(db: DuckDBPyConnection, plan: str) -> None:
    """Drops a plan, so that it begins anew when it is asked for again."""
    db.execute("DELETE FROM _work.chunks WHERE plan_key = ?", [as_uuid(key_of(plan))])


def delete_old_plans(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Drops the plans in which nothing was made or ended since; how many pieces."""
    old = (
        "plan_key IN (SELECT plan_key FROM _work.chunks GROUP BY plan_key "
        "HAVING max(coalesce(ended_at, made_at)) < ?)"
    )
    count = int(
        db.execute(f"SELECT count(*) FROM _work.chunks WHERE {old}", [before]).fetchall()[0][0]  # noqa: S608
    )
    if count:
        db.execute(f"DELETE FROM _work.chunks WHERE {old}", [before])  # noqa: S608
    return count


def list_plans(db: DuckDBPyConnection, *, source: str | None = None) -> list[Plan]:
    """Every plan and how far it is, the newest first."""
    found = db.execute(
        "SELECT any_value(plan), any_value(source), count(*), count(*) FILTER (state = 'done'), "
        "sum(entries), min(made_at) AS made_at, max(ended_at) FROM _work.chunks "
        "WHERE (? IS NULL OR source = ?) GROUP BY plan_key ORDER BY made_at DESC",
        [source, source],
    ).fetchall()
    return [
        Plan(
            plan=plan, source=of, chunks=count, done=done, entries=int(entries),
            made_at=made_at.astimezone(UTC), ended_at=utc(ended_at),
        )
        for plan, of, count, done, entries, made_at, ended_at in found
    ]  # fmt: skip
