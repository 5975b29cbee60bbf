"""Sorted runs of postings: what keeps a search fast while articles arrive.

New postings go to ``_store.search_fresh``, which a search reads as a whole. When it is large, it is
moved to ``_store.search_postings`` as one sorted run per segment. A search reads one or two row groups of
each run. ``merge`` makes one run of each segment; full segments then never change again.
"""

from __future__ import annotations

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.db import write_through
from warehouse.search.layout import SEGMENT_BITS

FLUSH_ROWS = 1 << 21

_FLUSH = f"""
    INSERT INTO _store.search_postings BY NAME
    SELECT token, gpos FROM _store.search_fresh ORDER BY gpos >> {SEGMENT_BITS}, token, gpos
"""  # noqa: S608
_RUNS = f"""
    INSERT INTO _store.search_runs BY NAME
    SELECT DISTINCT (gpos >> {SEGMENT_BITS})::BIGINT AS segment FROM _store.search_fresh
"""  # noqa: S608
_UNMERGED = (
    "SELECT segment FROM _store.search_runs GROUP BY segment HAVING count(*) > 1 ORDER BY segment"
)


def flush(db: DuckDBPyConnection, *, at_least: int = 1) -> None:
    """Move the fresh postings into a sorted run, if there are ``at_least`` so many."""
    if stage.count(db, "SELECT count(*) FROM _store.search_fresh") < at_least:
        return
    write_through(db)
    db.execute(_FLUSH)
    db.execute(_RUNS)
    db.execute("DELETE FROM _store.search_fresh")


def unmerged_segments(db: DuckDBPyConnection) -> Sequence[int]:
    """Return the segments that have several runs."""
    return [segment for (segment,) in db.execute(_UNMERGED).fetchall()]


def merge(db: DuckDBPyConnection, segment: int) -> None:
    """Make one sorted run of a segment."""
    first, end = segment << SEGMENT_BITS, (segment + 1) << SEGMENT_BITS
    where = f"gpos >= {first}::UBIGINT AND gpos < {end}::UBIGINT"
    write_through(db)
    ordered = f"SELECT token, gpos FROM _store.search_postings WHERE {where} ORDER BY token, gpos"  # noqa: S608
    db.execute(f"CREATE OR REPLACE TEMP TABLE copydesk_run AS {ordered}")
    db.execute(f"DELETE FROM _store.search_postings WHERE {where}")  # noqa: S608
    db.execute("INSERT INTO _store.search_postings BY NAME SELECT * FROM copydesk_run")
    db.execute("DELETE FROM _store.search_runs WHERE segment = ?", [segment])
    db.execute("INSERT INTO _store.search_runs VALUES (?)", [segment])
    db.execute("DROP TABLE copydesk_run")
