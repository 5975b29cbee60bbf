"""Compaction of the warehouse on request: ``copydesk compact``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.callbacks import Notify
from flows.pipeline.restore import require_warehouse
from flows.settings import Settings
from flows.text import pluralize
from warehouse import db
from warehouse.care import compact, snapshot
from warehouse.care.compact import CompactResult
from warehouse.location import Lake, Location


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionResult:
    """The result of a compaction.

    Attributes:
        open_snapshots: Older snapshots that a reader has open.
    """

    path: Location
    result: CompactResult
    open_snapshots: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """3 when an older snapshot could not be removed."""
        return 3 if self.open_snapshots else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON document; sizes in bytes. That of a lake has what was done to its files."""
        done = asdict(self.result)
        if self.result.lake is None:
            del done["lake"]
        return {
            "warehouse": str(self.path),
            **done,
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
        if done.lake:
            lines.append(done.lake.message())
        lines += [f"! {one} stays: a reader has it open" for one in self.open_snapshots]
        return "\n".join(lines)


def compact_warehouse(
    settings: Settings, *, fetches_before: datetime | None, notify: Notify
) -> CompactionResult:
    """Write the warehouse without its free blocks, publish it, remove older snapshots.

    The files of a lake are merged; versions older than the retention expire.

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
    path = warehouse.location
    if isinstance(path, Lake):
        notify(f"merging the files of {path}")
    else:
        notify(f"writing {path} again ({path.stat().st_size / 1e6:.0f} MB)")
    result = compact.compact(
        path,
        fetches_before=fetches_before,
        retention=timedelta(hours=settings.retention.versions_hours),
        wait_seconds=warehouse.lock_timeout_seconds,
        notify=notify,
    )
    with db.connect(path, wait_seconds=warehouse.lock_timeout_seconds) as store:
        published = snapshot.publish(store, warehouse.snapshot)
    left = snapshot.remove_other_snapshots(warehouse.snapshot, published.path)
    return CompactionResult(path=path, result=result, open_snapshots=tuple(left))
