"""Runs: one row per run and source, started, counted and finished in the flow's transactions.

The counters of a batch are added in the transaction of the batch, so they always agree with
the stored rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import uuid4

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.process import Process, this_process
from warehouse.rows import Counters, RunRow
from warehouse.times import utc

_COUNTS = tuple(one.name for one in fields(Counters))
_NAMES = ", ".join(_COUNTS)
_ADD = ", ".join(f"{name} = r.{name} + k.{name}" for name in _COUNTS)

# Names and placeholders only, made from the fields of Counters; the text holds no value.
_START = f"""
    INSERT INTO _store.runs (
        run_id, flow, source, started_at, code_version, parser, parser_version, host, boot, pid,
        pid_started, state, messages, {_NAMES})
    SELECT $1, $2, k.source, $3, $4, k.parser, k.parser_version, $5, $6, $7, $8, 'running', [],
           {", ".join("0" for _ in _COUNTS)}
    FROM copydesk_sources k
"""  # noqa: S608
_COUNT = f"""
    UPDATE _store.runs AS r SET {_ADD} FROM copydesk_counts k
    WHERE r.run_id = ? AND r.source = k.source
"""  # noqa: S608
_FINISH = """
    UPDATE _store.runs AS r SET state = k.state, ended_at = ?, messages = k.messages
    FROM copydesk_ends k WHERE r.run_id = ? AND r.source = k.source
"""
_LIST = f"""
    SELECT run_id, flow, source, state, started_at, ended_at, code_version, parser,
           parser_version, messages, {_NAMES}
    FROM _store.runs
    WHERE (? IS NULL OR run_id = ?)
    ORDER BY started_at DESC, run_id, source
    LIMIT ?
"""  # noqa: S608
_CRASHED = "the process ended without a message; its complete batches are stored"


def new_run_id(at: datetime | None = None) -> str:
    """Return an id that sorts by time and never repeats: ``20260314T151617-1a2b3c4d``."""
    return f"{at or datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"


def start_run(
    db: DuckDBPyConnection,
    *,
    flow: str,
    sources: Sequence[str],
    code_version: str,
    parsers: Mapping[str, tuple[str, str]] | None = None,
    run_id: str | None = None,
    at: datetime | None = None,
) -> str:
    """Store a running run, a row for each source; return its id.

    Runs whose process is gone are marked ``crashed`` first.

    Args:
        db: The warehouse, in the caller's transaction.
        flow: ``sync``, ``backfill``, ``import``, ``reparse``, ``replay`` or ``repair``.
        sources: Which sources it runs.
        code_version: The version of copydesk.
        parsers: Name and version of each source's parser.
        run_id: Its id, if the caller has made it.
        at: Its start (aware UTC), by default now.
    """
    at = at or datetime.now(UTC)
    mark_crashed(db, at=at)
    run_id = run_id or new_run_id(at)
    me = this_process()
    if not sources:
        return run_id
    known = [(parsers or {}).get(one, ("", "")) for one in sources]
    rows = stage.table(
        source=(list(sources), stage.TEXT),
        parser=([parser for parser, _ in known], stage.TEXT),
        parser_version=([version for _, version in known], stage.TEXT),
    )
    with stage.staged(db, "copydesk_sources", rows):
        db.execute(_START, [run_id, flow, at, code_version, me.host, me.boot, me.pid, me.started])
    return run_id


def add_counters(db: DuckDBPyConnection, run_id: str, source: str, counters: Counters) -> None:
    """Add the counters of a batch to the row of its run and source."""
    add_all_counters(db, run_id, {source: counters})


def add_all_counters(db: DuckDBPyConnection, run_id: str, counters: Mapping[str, Counters]) -> None:
    """Add the counters of batches of several sources, by source."""
    if not counters:
        return
    kinds = stage.columns(Counters)
    rows = stage.table(
        source=(list(counters), stage.TEXT), **stage.values(list(counters.values()), kinds)
    )
    with stage.staged(db, "copydesk_counts", rows):
        db.execute(_COUNT, [run_id])


def finish_run(
    db: DuckDBPyConnection,
    run_id: str,
    source: str,
    *,
    state: str = "completed",
    counters: Counters | None = None,
    messages: Sequence[str] = (),
    at: datetime | None = None,
) -> None:
    """Store the end of a run for one source, and add the last counters.

    The state is ``completed``, ``completed_with_warnings``, ``failed`` or ``interrupted``.
    """
    end = RunEnd(source=source, state=state, counters=counters, messages=tuple(messages))
    finish_all(db, run_id, [end], at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """The end of a run for one source; see ``finish_run``."""

    source: str
    state: str
    counters: Counters | None = None
    messages: tuple[str, ...] = ()


def finish_all(
    db: DuckDBPyConnection, run_id: str, ends: Sequence[RunEnd], *, at: datetime | None = None
) -> None:
    """Store the end of a run for several sources."""
    if not ends:
        return
    add_all_counters(db, run_id, {one.source: one.counters for one in ends if one.counters})
    rows = stage.table(
        source=([one.source for one in ends], stage.TEXT),
        state=([one.state for one in ends], stage.TEXT),
        messages=([list(one.messages) for one in ends], stage.TEXTS),
    )
    with stage.staged(db, "copydesk_ends", rows):
        db.execute(_FINISH, [at or datetime.now(UTC), run_id])


def mark_crashed(db: DuckDBPyConnection, *, at: datetime | None = None) -> list[str]:
    """Mark the running runs whose process is gone as ``crashed``; return their ids."""
    running = db.execute(
        "SELECT DISTINCT run_id, host, boot, pid, pid_started FROM _store.runs "
        "WHERE state = 'running' ORDER BY run_id"
    ).fetchall()
    gone = [run_id for run_id, *process in running if not Process(*process).is_alive]
    for run_id in gone:
        db.execute(
            "UPDATE _store.runs SET state = 'crashed', ended_at = ?, messages = [?] "
            "WHERE run_id = ? AND state = 'running'",
            [at or datetime.now(UTC), _CRASHED, run_id],
        )
    return gone


def last_time(db: DuckDBPyConnection) -> datetime | None:
    """Return when the latest run started or ended; ``None`` when there was none."""
    (found,) = db.execute(
        "SELECT max(greatest(started_at, coalesce(ended_at, started_at))) FROM _store.runs"
    ).fetchall()[0]
    return utc(found)


def list_runs(
    db: DuckDBPyConnection, *, run_id: str | None = None, limit: int = 1000
) -> list[RunRow]:
    """Return runs, newest first; or the rows of one."""
    found = stage.select(db, _LIST, [run_id, run_id, limit])
    return [
        RunRow(counters=Counters(**{name: row.pop(name) for name in _COUNTS}), **row)
        for row in found
    ]
