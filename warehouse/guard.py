"""The guard row: every write transaction changes it first, so that two never overlap.

Without an index nothing else would stop two transactions from adding the same key.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseMissing

# Room for the rows of one upsert between two values of the guard.
_ROWS_EACH = 1 << 24

_LOOK = "SELECT warehouse_id, n, (SELECT count(*) FROM _store.tombstones) FROM _store.guard"


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard row as this transaction left it.

    Attributes:
        warehouse_id: Which warehouse this is.
        n: How often the guard was taken.
        tombstones: How many there are.
    """

    warehouse_id: UUID
    n: int
    tombstones: int

    @property
    def seq(self) -> int:
        """The first sequence number that nobody else will use."""
        return self.n * _ROWS_EACH


def take_guard(db: DuckDBPyConnection) -> None:
    """Makes sure that no other open transaction changes the guard row, now or later."""
    db.execute("UPDATE _store.guard SET n = n + 1")


def look_at_guard(db: DuckDBPyConnection) -> Guard:
    """The guard row, untouched."""
    found = db.execute(_LOOK).fetchall()
    if len(found) != 1:
        raise WarehouseMissing(f"expected one guard row, found {len(found)}: not a warehouse")
    return Guard(*found[0])
