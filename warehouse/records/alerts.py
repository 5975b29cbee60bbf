"""Quarantine entries that an alert was sent for: while they are open, no other is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.keys import as_uuid
from warehouse.records.quarantine import DISMISSED, failure_key
from warehouse.rows import NewQuarantineEntry

_FAILURES = """
    SELECT source, CAST(quarantine_key AS VARCHAR), reason, resolved_at IS NULL,
           alerted_at IS NOT NULL
    FROM _store.quarantine
    WHERE list_contains(?::VARCHAR[], source) AND (resolved_at IS NULL OR resolved_by = ?)
"""
_MARK = """
    UPDATE _store.quarantine SET alerted_at = ?
    WHERE run_id = ? AND list_contains(?::VARCHAR[], source) AND alerted_at IS NULL
        AND resolved_at IS NULL
"""

AlertedFailures = frozenset[tuple[str, str]]
"""The id and reason of each entry that needs no other alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailures:
    """The entries of a source that matter for alerts.

    Attributes:
        alerted: Open ones that an alert was sent for.
        open: All open ones.
        dismissed: Those that an operator dismissed.
    """

    alerted: AlertedFailures = frozenset()
    open: AlertedFailures = frozenset()
    dismissed: AlertedFailures = frozenset()


def known_failures(db: DuckDBPyConnection, sources: Sequence[str]) -> dict[str, KnownFailures]:
    """Return the open and dismissed entries of each source."""
    found = db.execute(_FAILURES, [list(sources), DISMISSED]).fetchall()
    by_source: dict[str, list[tuple[str, str, bool, bool]]] = {one: [] for one in sources}
    for source, *failure in found:
        by_source[source].append(tuple(failure))
    return {
        source: KnownFailures(
            alerted=frozenset(
                (key, why) for key, why, is_open, is_sent in rows if is_open and is_sent
            ),
            open=frozenset((key, why) for key, why, is_open, _ in rows if is_open),
            dismissed=frozenset((key, why) for key, why, is_open, _ in rows if not is_open),
        )
        for source, rows in by_source.items()
    }


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
