"""What lies on the shelves of the published read copy: quarantined pages and gaps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from duckdb import DuckDBPyConnection

from flows.settings import Settings
from warehouse import connect_read_only, current_snapshot
from warehouse.records import gaps, quarantine
from warehouse.rows import Gap, QuarantineEntry


def list_quarantine(
    settings: Settings,
    *,
    reason: str | None = None,
    source: str | None = None,
    is_resolved: bool = False,
) -> list[QuarantineEntry]:
    """The failures that stand, or those resolved since; oldest first.

    Raises:
        WarehouseMissing: Nothing was published yet.
    """
    with _published(settings) as store:
        return quarantine.open_failures(
            store, reason=reason, source=source, is_resolved=is_resolved
        )


def get_failure(settings: Settings, quarantine_id: str) -> QuarantineEntry:
    """One failure by its id, or the beginning of it.

    Raises:
        WarehouseMissing: Nothing was published yet.
        WarehouseError: None or several begin so.
    """
    with _published(settings) as store:
        return quarantine.get(store, quarantine_id)


def list_gaps(
    settings: Settings, *, source: str | None = None, is_closed: bool = False
) -> list[Gap]:
    """The open gaps, or those closed since; oldest first.

    Raises:
        WarehouseMissing: Nothing was published yet.
    """
    with _published(settings) as store:
        return gaps.list_gaps(store, source=source, is_closed=is_closed)


@contextmanager
def _published(settings: Settings) -> Iterator[DuckDBPyConnection]:
    warehouse = settings.warehouse
    published = current_snapshot(warehouse.snapshot, of=warehouse.path)
    with connect_read_only(published.path) as store:
        yield store
