"""All rows of a warehouse, without what differs between two runs of the same work."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

_UNIQUE = {"migrations", "write_sequence"}
_PER_RUN = {
    "run_id", "closed_by", "resolved_by", "detected_by", "started_at", "ended_at", "created_at",
    "evaluated_at", "opened_at", "sent_at", "alerted_at", "seconds", "host", "boot", "pid",
    "pid_started", "first_failed_at", "last_failed_at", "resolved_at",
}  # fmt: skip
# The order in which threads store their batches numbers the rows.
_ORDER = {"seq", "content_seq", "doc", "slot", "gpos", "segment"}


def rows_of(path: Path, *, without: frozenset[str] = frozenset()) -> dict[str, Counter[Any]]:
    """The rows of each table, as a multiset.

    Args:
        path: The warehouse.
        without: More columns to leave out.
    """
    found = {}
    with duckdb.connect(str(path), read_only=True) as db:
        tables = db.execute(
            "SELECT table_name, list(column_name ORDER BY ordinal_position) "
            "FROM information_schema.columns WHERE table_schema = '_store' GROUP BY ALL"
        ).fetchall()
        for table, names in tables:
            columns = [one for one in names if one not in _PER_RUN | _ORDER | without]
            if table not in _UNIQUE and columns:
                shown = ", ".join(f'"{one}"::VARCHAR' for one in columns)
                sql = f"SELECT {shown} FROM _store.{table}"
                found[table] = Counter(db.execute(sql).fetchall())
    return found


def differences(
    path: Path, expected: Path, *, without: frozenset[str] = frozenset()
) -> dict[str, tuple[list[Any], list[Any]]]:
    """The rows of each table that only one of two warehouses has."""
    found, wanted = rows_of(path, without=without), rows_of(expected, without=without)
    return {
        table: (list((found[table] - rows).elements()), list((rows - found[table]).elements()))
        for table, rows in wanted.items()
        if found[table] != rows
    }
