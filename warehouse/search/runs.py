"""Sorted runs of postings: what keeps a search fast while articles arrive.

A few postings go to ``_store.search_fresh``, which a search reads as a whole. Many are written to
``_store.search_postings`` as one sorted run per segment, with the fresh ones. A search reads one or two
row groups of each run. ``merge`` sorts segments; full segments then never change again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from warehouse import stage
from warehouse.db import write_through
from warehouse.search.layout import SEGMENT_BITS
from warehouse.search.tokens import Tokens

RUN_ROWS = 1 << 18
"""So many postings become a run: two row groups, about 500 articles."""

GROUP_SEGMENTS = 4
"""``compact`` sorts so many full segments together: a search then reads fewer row groups."""

_FRESH = "SELECT token, gpos FROM _store.search_fresh"
_UNMERGED = """
    SELECT segment FROM _store.search_runs GROUP BY segment HAVING count(*) > {most} ORDER BY segment
"""


def append(db: DuckDBPyConnection, tokens: Tokens, positions: Tokens, *, fresh_count: int) -> None:
    """Append postings in any order.

    Args:
        db: The warehouse.
        tokens: The token of each.
        positions: Its position in the index.
        fresh_count: How many rows ``_store.search_fresh`` has.
    """
    if fresh_count + len(tokens) < RUN_ROWS:
        stage.insert(db, "_store.search_fresh", _table(tokens, positions))
        return
    if fresh_count:
        fresh = db.execute(_FRESH).fetchnumpy()
        db.execute("DELETE FROM _store.search_fresh")
        tokens = np.concatenate([fresh["token"], tokens])
        positions = np.concatenate([fresh["gpos"], positions])
    _write_runs(db, tokens, positions)


def flush(db: DuckDBPyConnection) -> None:
    """Move the fresh postings into sorted runs."""
    fresh = db.execute(_FRESH).fetchnumpy()
    db.execute("DELETE FROM _store.search_fresh")
    _write_runs(db, fresh["token"], fresh["gpos"])


def _write_runs(db: DuckDBPyConnection, tokens: Tokens, positions: Tokens) -> None:
    if not len(tokens):
        return
    segments = positions >> np.uint64(SEGMENT_BITS)
    for segment in range(int(segments.min()), int(segments.max()) + 1):
        selected = np.flatnonzero(segments == segment)
        if not len(selected):
            continue
        order = selected[np.argsort(tokens[selected])]
        stage.insert(db, "_store.search_postings", _table(tokens[order], positions[order]))
        db.execute(f"INSERT INTO _store.search_runs VALUES ({segment})")  # noqa: S608


def _table(tokens: Tokens, positions: Tokens) -> pa.Table:
    return pa.table({"token": tokens, "gpos": positions})


def unmerged_segments(db: DuckDBPyConnection, *, most_runs: int = 1) -> Sequence[int]:
    """Return the segments that have more runs."""
    found = db.execute(_UNMERGED.format(most=int(most_runs))).fetchall()
    return [segment for (segment,) in found]


def unmerged_groups(db: DuckDBPyConnection) -> Sequence[Sequence[int]]:
    """Return the groups of segments to sort together: full ones that have more than one run.

    New postings go to the last segment, so the others never grow.
    """
    found = db.execute("SELECT DISTINCT segment FROM _store.search_runs ORDER BY 1").fetchall()
    segments = [segment for (segment,) in found]
    open_group = segments[-1] // GROUP_SEGMENTS if segments else 0
    groups = groupby(segments, lambda segment: segment // GROUP_SEGMENTS)
    lists = [list(group) for number, group in groups if number < open_group]
    return [group for group in lists if len(group) > 1]


def merge(db: DuckDBPyConnection, segments: Sequence[int]) -> None:
    """Sort the postings of neighbouring segments together: one run, under the first of them."""
    first, end = segments[0] << SEGMENT_BITS, (segments[-1] + 1) << SEGMENT_BITS
    where = f"gpos >= {first}::UBIGINT AND gpos < {end}::UBIGINT"
    write_through(db)
    ordered = f"SELECT token, gpos FROM _store.search_postings WHERE {where} ORDER BY token, gpos"  # noqa: S608
    db.execute(f"CREATE OR REPLACE TEMP TABLE copydesk_run AS {ordered}")
    db.execute(f"DELETE FROM _store.search_postings WHERE {where}")  # noqa: S608
    db.execute("INSERT INTO _store.search_postings BY NAME SELECT * FROM copydesk_run")
    db.execute("DROP TABLE copydesk_run")
    db.execute(
        "DELETE FROM _store.search_runs WHERE segment BETWEEN ? AND ?", [segments[0], segments[-1]]
    )
    db.execute("INSERT INTO _store.search_runs VALUES (?)", [segments[0]])
