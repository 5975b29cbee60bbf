"""The guard row: every write transaction changes it first, so that two never overlap.

Without an index nothing else would stop two transactions from adding the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseMissing

# Room for the rows of one upsert between two values of the guard.
_ROWS_EACH = 1 << 24

_LOOK = "SELECT warehouse_id, n FROM _store.guard"

_OUTLOOK = """
    SELECT n, (SELECT count(*) FROM _store.tombstones),
           EXISTS (SELECT 1 FROM _store.seen WHERE last_seen_at >= make_timestamptz({since}))
    FROM _store.guard
"""


@dataclass(frozen=True, slots=True)
class WriteSequence:
    """The guard row as this transaction left it.

    Attributes:
        warehouse_id: Which warehouse this is.
        n: How often the guard was taken.
    """

    warehouse_id: UUID
    n: int


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What an upsert has to reckon with.

    Attributes:
        n: How often the guard was taken.
        tombstones: How many there are.
        has_later: Whether anything was seen since the batch's first row.
    """

    n: int
    tombstones: int
    has_later: bool

    @property
    def seq(self) -> int:
        """The first sequence number that nobody else will use."""
        return self.n * _ROWS_EACH


def lock_for_write(db: DuckDBPyConnection) -> None:
    """Makes sure that no other open transaction changes the guard row, now or later."""
    db.execute("UPDATE _store.guard SET n = n + 1")


def read_sequence(db: DuckDBPyConnection) -> WriteSequence:
    """The guard row, untouched."""
    return WriteSequence(*_only(db, _LOOK))


def batch_context(db: DuckDBPyConnection, since: int) -> BatchContext:
    """What is there, for rows seen at ``since`` (microseconds since 1970) and later."""
    # A parameter would make DuckDB look for pandas each time, which takes longer than the rest.
    return BatchContext(*_only(db, _OUTLOOK.format(since=int(since))))


def _only(db: DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    found = db.execute(sql).fetchall()
    if len(found) != 1:
        raise WarehouseMissing(f"expected one guard row, found {len(found)}: not a warehouse")
    return found[0]
