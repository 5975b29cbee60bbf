"""What stands in quarantine and was told: a run that meets it again tells nothing new."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from warehouse.keys import as_uuid
from warehouse.quarantine import identity
from warehouse.rows import QuarantineRow

# A run that crashed, was interrupted or failed may have told nobody what it put there.
_TOLD = """
    SELECT CAST(q.quarantine_key AS VARCHAR), q.reason
    FROM _store.quarantine q JOIN _store.runs r ON r.run_id = q.run_id AND r.source = q.source
    WHERE q.source = ? AND q.resolved_at IS NULL AND r.state = 'completed'
"""

Standing = frozenset[tuple[str, str]]
"""Which failures stand: the id of each, and its reason."""


def told(db: DuckDBPyConnection, source: str) -> Standing:
    """What stands in quarantine of a source, as the last run that met it told."""
    return frozenset(db.execute(_TOLD, [source]).fetchall())


def is_among(standing: Standing, row: QuarantineRow) -> bool:
    """Whether a failure stands already: the same page or line, for the same reason."""
    return (str(as_uuid(identity(row))), row.reason) in standing
