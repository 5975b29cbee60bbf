"""Quarantine entries that an alert was sent for: while they are open, no other is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.keys import as_uuid
from warehouse.records.quarantine import DISMISSED, failure_key
from warehouse.rows import NewQuarantineEntry

_ALERTED = """
    SELECT CAST(quarantine_key AS VARCHAR), reason FROM _store.quarantine
    WHERE source = ? AND resolved_at IS NULL AND alerted_at IS NOT NULL
"""
_OPEN = """
    SELECT CAST(quarantine_key AS VARCHAR), reason FROM _store.quarantine
    WHERE source = ? AND resolved_at IS NULL
"""
_DISMISSED = """
    SELECT CAST(quarantine_key AS VARCHAR), reason FROM _store.quarantine
    WHERE source = ? AND resolved_by = ?
"""
_MARK = """
    UPDATE _store.quarantine SET alerted_at = ?
    WHERE run_id = ? AND list_contains(?::VARCHAR[], source) AND alerted_at IS NULL
        AND resolved_at IS NULL
"""

AlertedFailures = frozenset[tuple[str, str]]
"""The id and reason of each entry that needs no other alert."""


def alerted_failures(db: DuckDBPyConnection, source: str) -> AlertedFailures:
    """Return the open entries of a source that an alert was sent for."""
    return frozenset(db.execute(_ALERTED, [source]).fetchall())


def open_failures(db: DuckDBPyConnection, source: str) -> AlertedFailures:
    """Return the open entries of a source."""
    return frozenset(db.execute(_OPEN, [source]).fetchall())


def dismissed_failures(db: DuckDBPyConnection, source: str) -> AlertedFailures:
    """Return the entries of a source that an operator dismissed."""
    return frozenset(db.execute(_DISMISSED, [source, DISMISSED]).fetchall())


def is_alerted(alerted: AlertedFailures, row: NewQuarantineEntry) -> bool:
    """Return whether the same page or entry with the same reason is among some entries."""
    return (str(as_uuid(failure_key(row))), row.reason) in alerted


def mark_alerted(
    db: DuckDBPyConnection, sources: Sequence[str], *, run_id: str, at: datetime | None = None
) -> None:
    """Mark the failures of a run in some sources as alerted (``at``: aware UTC, default now).

    Failures of another run meanwhile are left to it. ``quarantine.put`` removes the mark when
    an entry fails for another reason, or again after it was resolved.
    """
    db.execute(_MARK, [at or datetime.now(UTC), run_id, list(sources)])
