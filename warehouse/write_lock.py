"""The write lock between transactions: a row that every write transaction updates first.

Without an index nothing else keeps two transactions from adding the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseMissing


@dataclass(frozen=True, slots=True)
class WriteSequence:
    """The row as this transaction sees it.

    Attributes:
        warehouse_id: The identity of the warehouse.
        last_seq: How many write transactions there were.
    """

    warehouse_id: UUID
    last_seq: int


def lock_for_write(db: DuckDBPyConnection) -> None:
    """Exclude every other write transaction until this one ends."""
    db.execute("UPDATE _store.write_sequence SET last_seq = last_seq + 1")


def read_sequence(db: DuckDBPyConnection) -> WriteSequence:
    """Read the row without a lock.

    Raises:
        WarehouseMissing: There is not exactly one.
    """
    found = db.execute("SELECT warehouse_id, last_seq FROM _store.write_sequence").fetchall()
    if len(found) != 1:
        raise WarehouseMissing(
            f"expected one row in _store.write_sequence, found {len(found)}: not a warehouse"
        )
    return WriteSequence(*found[0])
