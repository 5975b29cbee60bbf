"""The snapshot of the configuration, which readers open."""

from __future__ import annotations

from flows.settings import Settings
from warehouse.care import snapshot
from warehouse.care.snapshot import Snapshot


def current_snapshot(settings: Settings) -> Snapshot:
    """Return the current snapshot of the configured warehouse.

    Raises:
        WarehouseMissing: None was published yet.
        WrongSnapshot: It belongs to another warehouse.
    """
    return snapshot.current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.location)
