"""Delete old rows that no later parse and no query as of a time needs."""

from __future__ import annotations

from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse import stage

# A row with a page stays: `reparse` reads it. So does the last answer of each URL.
_FETCHES = """
    fetched_at < ? AND status IS DISTINCT FROM 200
    AND (retry_after_at IS NULL OR retry_after_at < ?)
    AND (url_key, fetched_at) NOT IN (
        SELECT (url_key, max(fetched_at)) FROM _store.fetches GROUP BY url_key)
"""

# The corpus as of a time needs the imports; the view of sources needs the last success of each.
_RUNS = """
    ended_at < ? AND flow <> 'import'
    AND (source, ended_at) NOT IN (
        SELECT (source, max(ended_at)) FROM _store.runs
        WHERE ended_at IS NOT NULL AND state IN ('completed', 'completed_with_warnings')
        GROUP BY source)
"""


def delete_old_fetches(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Delete fetches without a page (304, failures); return how many.

    The caller owns the transaction.
    """
    return stage.delete(db, "_store.fetches", _FETCHES, [before, before])


def delete_old_runs(db: DuckDBPyConnection, *, before: datetime) -> int:
    """Delete runs, except imports and the last success of each source; return how many.

    The caller owns the transaction.
    """
    return stage.delete(db, "_store.runs", _RUNS, [before])
