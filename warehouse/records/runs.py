"""Runs: one row per run and source, begun, counted and ended in the flow's transactions.

The counters of a batch are added in the transaction of the batch, so that they are those
of the rows that are stored, whatever happens to the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from uuid import uuid4

from duckdb import DuckDBPyConnection

from warehouse.process import Process, this_process
from warehouse.rows import Counters, RunRow
from warehouse.times import utc

_COUNTS = tuple(one.name for one in fields(Counters))
_ADD = ", ".join(f"{name} = {name} + ?" for name in _COUNTS)
_NO_COUNTS = ", ".join("0" for _ in _COUNTS)

# Names and places only, made from the fields of Counters; no value is in the text.
_START = f"""
    INSERT INTO _store.runs
    SELECT ?, ?, ?, 'running', ?, NULL, {_NO_COUNTS}, ?, ?, ?, NULL, ?, ?, ?, ?
"""
_COUNT = f"UPDATE _store.runs SET {_ADD} WHERE run_id = ? AND source = ?"  # noqa: S608
_LIST = f"""
    SELECT run_id, flow, source, state, started_at, ended_at, code_version, parser,
           parser_version, error, {", ".join(_COUNTS)}
    FROM _store.runs
    WHERE (? IS NULL OR run_id = ?)
    ORDER BY started_at DESC, run_id, source
    LIMIT ?
"""  # noqa: S608


def new_run_id(at: datetime | None = None) -> str:
    """An id that sorts by time and never repeats: ``20260314T151617-1a2b3c4d``."""
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
    """The id of a run that now runs, one row for each source.

    Runs of processes that are gone are marked ``crashed`` first. ``parsers`` gives name
    and version of each source's parser; ``run_id`` is for a caller that needs it before.
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
    """Adds what a batch did to the row of its run and source."""
    counts = [getattr(counters, name) for name in _COUNTS]
    db.execute(_COUNT, [*counts, run_id, source])


def finish_run(
    db: DuckDBPyConnection,
    run_id: str,
    source: str,
    *,
    state: str = "completed",
    counters: Counters | None = None,
    error: str | None = None,
    at: datetime | None = None,
) -> None:
    """Ends the row of a run and source, adding the last counters.

    The state is ``completed``, ``failed`` or ``interrupted``.
    """
    if counters:
        add_counters(db, run_id, source, counters)
    db.execute(
        "UPDATE _store.runs SET state = ?, ended_at = ?, error = ? WHERE run_id = ? AND source = ?",
        [state, at or datetime.now(UTC), error, run_id, source],
    )


def mark_crashed(db: DuckDBPyConnection, *, at: datetime | None = None) -> list[str]:
    """The runs found running although their process is gone; they are now ``crashed``."""
    running = db.execute(
        "SELECT DISTINCT run_id, host, boot, pid, pid_started FROM _store.runs "
        "WHERE state = 'running' ORDER BY run_id"
    ).fetchall()
    gone = [run_id for run_id, *process in running if not Process(*process).is_alive]
    for run_id in gone:
        db.execute(
            "UPDATE _store.runs SET state = 'crashed', ended_at = ?, "
            "error = 'the process ended without a word; its whole batches are stored' "
            "WHERE run_id = ? AND state = 'running'",
            [at or datetime.now(UTC), run_id],
        )
    return gone


def last_time(db: DuckDBPyConnection) -> datetime | None:
    """When the latest run began or ended; ``None`` when there was none."""
    (found,) = db.execute(
        "SELECT max(greatest(started_at, coalesce(ended_at, started_at))) FROM _store.runs"
    ).fetchall()[0]
    return utc(found)


def list_runs(
    db: DuckDBPyConnection, *, run_id: str | None = None, limit: int = 1000
) -> list[RunRow]:
    """Runs, newest first; or the rows of one."""
    return [
        RunRow(
            run_id=run, flow=flow, source=source, state=state, started_at=started.astimezone(UTC),
            ended_at=utc(ended), code_version=code, parser=parser, parser_version=version,
            error=error, counters=Counters(**dict(zip(_COUNTS, counts, strict=True))),
        )
        for run, flow, source, state, started, ended, code, parser, version, error, *counts
        in db.execute(_LIST, [run_id, run_id, limit]).fetchall()
    ]  # fmt: skip
