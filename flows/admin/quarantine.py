"""Open and resolved failures and gaps, read from the snapshot; and their dismissal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from duckdb import DuckDBPyConnection

from flows.callbacks import Notify
from flows.pipeline.restore import require_warehouse
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from warehouse import connect_read_only, db
from warehouse.care import snapshot
from warehouse.records import gaps, quarantine
from warehouse.rows import Gap, QuarantineEntry


def list_quarantine(
    settings: Settings,
    *,
    reason: str | None = None,
    source: str | None = None,
    is_resolved: bool = False,
) -> list[QuarantineEntry]:
    """The open failures, or the resolved ones; oldest first.

    Raises:
        WarehouseMissing: No snapshot was published yet.
    """
    with _snapshot(settings) as store:
        return quarantine.open_failures(
            store, reason=reason, source=source, is_resolved=is_resolved
        )


def get_failure(settings: Settings, quarantine_id: str) -> QuarantineEntry:
    """One failure by its id or a unique prefix of it.

    Raises:
        WarehouseMissing: No snapshot was published yet.
        NotFound: No id, or several, have this prefix.
    """
    with _snapshot(settings) as store:
        return quarantine.get(store, quarantine_id)


def list_gaps(
    settings: Settings, *, source: str | None = None, is_closed: bool = False
) -> list[Gap]:
    """The open gaps, or the closed ones; oldest first.

    Raises:
        WarehouseMissing: No snapshot was published yet.
    """
    with _snapshot(settings) as store:
        return gaps.list_gaps(store, source=source, is_closed=is_closed)


def dismiss(
    settings: Settings,
    ids: Sequence[str],
    *,
    source: str | None = None,
    reason: str | None = None,
    notify: Notify,
) -> list[QuarantineEntry]:
    """Mark open failures as dismissed, and publish the snapshot; return them.

    A run that meets such a failure again counts it and does not report it, unless the reason is
    another one. ``quarantine replay`` leaves it alone.

    Args:
        settings: Where the warehouse is.
        ids: Ids or unique prefixes of ids; without any, every open failure of the others.
        source: Only failures of this source.
        reason: Only failures of this kind.
        notify: Called before a wait for the warehouse.

    Raises:
        WarehouseMissing: There is no warehouse.
        NotFound: No id, or several, have one of these prefixes. Nothing is dismissed.
    """
    warehouse = settings.warehouse
    require_warehouse(settings)
    wait = warehouse.lock_timeout_seconds
    with db.connect(warehouse.location, wait_seconds=wait, notify=notify) as store:
        with db.transaction(store):
            if ids:
                found = [quarantine.get(store, one) for one in ids]
            else:
                found = quarantine.open_failures(store, reason=reason, source=source)
            dismissed = {one.quarantine_id: one for one in found if one.resolved_at is None}
            quarantine.resolve(store, run_id=quarantine.DISMISSED, quarantine_ids=dismissed)
        if dismissed:
            snapshot.publish(store, warehouse.snapshot)
    return list(dismissed.values())


def failure_row(failure: QuarantineEntry) -> dict[str, Any]:
    """A failure as a row of a table."""
    row = failure.row
    return {
        "id": failure.quarantine_id[:8],
        "source": row.source,
        "reason": row.reason,
        "attempts": failure.attempts,
        "last_failed_at": failure.last_failed_at.strftime("%Y-%m-%d %H:%M"),
        "what": row.article_id or row.url or row.message.splitlines()[0],
    }


def failure_json(failure: QuarantineEntry) -> dict[str, Any]:
    """A failure as JSON, without the bytes of its page."""
    row = asdict(failure.row)
    for name in ("page", "page_more", "listing_entry"):
        del row[name]
    return {
        "id": failure.quarantine_id,
        **row,
        "attempts": failure.attempts,
        "first_failed_at": failure.first_failed_at,
        "last_failed_at": failure.last_failed_at,
        "resolved_at": failure.resolved_at,
        "resolved_by": failure.resolved_by,
        "bytes": len(failure.row.page),
        "run_id": failure.run_id,
    }


def gap_json(gap: Gap) -> dict[str, Any]:
    """A gap as JSON."""
    return {
        "id": gap.gap_id,
        "source": gap.row.source,
        "channel": gap.row.channel,
        "from": gap.row.from_at,
        "to": gap.row.to_at,
        "detected_by": gap.row.detected_by,
        "missing_urls": list(gap.row.missing_urls),
        "detected_at": gap.detected_at,
        "run_id": gap.run_id,
        "closed_at": gap.closed_at,
        "closed_by": gap.closed_by,
    }


@contextmanager
def _snapshot(settings: Settings) -> Iterator[DuckDBPyConnection]:
    with connect_read_only(current_snapshot(settings).path) as store:
        yield store
