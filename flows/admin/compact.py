"""Compaction of the warehouse on request: ``copydesk compact``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.callbacks import Notify
from flows.pipeline.restore import require_warehouse
from flows.settings import Settings
from flows.text import pluralize
from warehouse import db
from warehouse.care import compact, snapshot
from warehouse.care.compact import CompactResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionResult:
    """The result of a compaction.

    Attributes:
        open_snapshots: Older snapshots that a reader has open.
    """

    path: Path
    result: CompactResult
    open_snapshots: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """3 when an older snapshot could not be removed."""
        return 3 if self.open_snapshots else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document; sizes in bytes."""
        return {
            "warehouse": str(self.path),
            **asdict(self.result),
            "open_snapshots": [str(one) for one in self.open_snapshots],
        }

    def message(self) -> str:
        """Sizes and rows, before and after."""
        done = self.result
        lines = [
            f"{self.path}: {done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f} MB; "
            f"{pluralize(done.sightings_before, 'sighting')} became {done.sightings_after}, "
            f"{pluralize(done.fetches_removed, 'fetch', 'fetches')} removed"
        ]
        lines += [f"! {one} stays: a reader has it open" for one in self.open_snapshots]
        return "\n".join(lines)


def compact_warehouse(
    settings: Settings, *, fetches_before: datetime | None, notify: Notify
) -> CompactionResult:
    """Write the warehouse without its free blocks, publish it, remove older snapshots.

    Args:
        settings: Where the warehouse is.
        fetches_before: Remove fetches older than this (UTC), except the last whole one of
            each URL.
        notify: Called when it begins, and when it waits.

    Raises:
        WarehouseError: There is no warehouse, another process holds it, or the disk is full.
    """
    warehouse = settings.warehouse
    require_warehouse(settings)
    notify(f"writing {warehouse.path} again ({warehouse.path.stat().st_size / 1e6:.0f} MB)")
    result = compact.compact(
        warehouse.path,
        fetches_before=fetches_before,
        wait_seconds=warehouse.lock_timeout_seconds,
        notify=notify,
    )
    with db.connect(warehouse.location, wait_seconds=warehouse.lock_timeout_seconds) as store:
        published = snapshot.publish(store, warehouse.snapshot)
    left = snapshot.remove_other_snapshots(warehouse.snapshot, published.path)
    return CompactionResult(path=warehouse.path, result=result, open_snapshots=tuple(left))
