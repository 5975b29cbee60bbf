"""Runs: one row per run and source, started, counted and finished in the flow's transactions.

The counters of a batch are added in the transaction of the batch, so they always agree with
the stored rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from uuid import uuid4

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.process import Process, this_process
from warehouse.rows import Counters, RunRow
from warehouse.times import utc

_COUNTS = tuple(one.name for one in fields(Counters))
_NAMES = ", ".join(_COUNTS)
_ADD = ", ".join(f"{name} = {name} + ?" for name in _COUNTS)

# Names and placeholders only, made from the fields of Counters; the text holds no value.
_START = f"""
    INSERT INTO _store.runs (
        run_id, flow, source, started_at, code_version, parser, parser_version, host, boot, pid,
        pid_started, state, messages, {_NAMES})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', [], {", ".join("0" for _ in _COUNTS)})
"""  # noqa: S608
_COUNT = f"UPDATE _store.runs SET {_ADD} WHERE run_id = ? AND source = ?"  # noqa: S608
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
    for source in sources:
        parser, version = (parsers or {}).get(source, ("", ""))
        db.execute(
            _START,
            [run_id, flow, source, at, code_version, parser, version,
             me.host, me.boot, me.pid, me.started],
        )  # fmt: skip
    return run_id


def add_counters(db: DuckDBPyConnection, run_id: str, source: str, counters: Counters) -> None:
    """Add the counters of a batch to the row of its run and source."""
    counts = [getattr(counters, name) for name in _COUNTS]
    db.execute(_COUNT, [*counts, run_id, source])


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
    if counters:
        add_counters(db, run_id, source, counters)
    db.execute(
        "UPDATE _store.runs SET state = ?, ended_at = ?, messages = ?::VARCHAR[] "
        "WHERE run_id = ? AND source = ?",
        [state, at or datetime.now(UTC), list(messages), run_id, source],
    )


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
