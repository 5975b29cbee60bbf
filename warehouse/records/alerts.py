"""What stands in quarantine and was told: a run that meets it again tells nothing new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from warehouse.records.quarantine import failure_key
from warehouse.rows import NewQuarantineEntry
from warehouse.upsert.keys import as_uuid

_TOLD = """
    SELECT CAST(quarantine_key AS VARCHAR), reason FROM _store.quarantine
    WHERE source = ? AND resolved_at IS NULL AND told_at IS NOT NULL
"""
_MARK = """
    UPDATE _store.quarantine SET told_at = ?
    WHERE run_id = ? AND list_contains(?::VARCHAR[], source) AND told_at IS NULL
        AND resolved_at IS NULL
"""

AlertedFailures = frozenset[tuple[str, str]]
"""Which failures stand: the id of each, and its reason."""


def alerted_failures(db: DuckDBPyConnection, source: str) -> AlertedFailures:
    """What stands in quarantine of a source, and was told."""
    return frozenset(db.execute(_TOLD, [source]).fetchall())


def is_alerted(standing: AlertedFailures, row: NewQuarantineEntry) -> bool:
    """Whether a failure stands already: the same page or line, for the same reason."""
    return (str(as_uuid(failure_key(row))), row.reason) in standing


def mark_alerted(
    db: DuckDBPyConnection, sources: Sequence[str], *, run_id: str, at: datetime | None = None
) -> None:
    """Note that what a run met of some sources was told (``at``: aware UTC; now by default).

    What another run met meanwhile is that one's to tell. A failure that is resolved, or
    fails for another reason, has to be told anew: ``quarantine.put`` takes the note away.
    """
    db.execute(_MARK, [at or datetime.now(UTC), run_id, list(sources)])
