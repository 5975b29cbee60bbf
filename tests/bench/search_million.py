"""Shifted copies of a compacted warehouse, as one more size in ``search.py``.

Each copy has its own articles, contents and segments of the index, with the same texts. So a term is as
frequent as in the original, and its postings are many times as many.
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from warehouse import connect
from warehouse.care.compact import merge_index
from warehouse.search.layout import SEGMENT_BITS, SLOT_BITS

_RUNS = f"""
    INSERT INTO _store.search_runs
    SELECT DISTINCT gpos >> {SEGMENT_BITS} FROM _store.search_postings
"""
_SLOTS = 1 << (SEGMENT_BITS - SLOT_BITS)
_COPIED = """
    INSERT INTO {table} BY NAME
    SELECT * REPLACE ({replaced}) FROM {table} WHERE {original}
"""


def _key(name: str) -> str:
    return f"md5({name}::VARCHAR || '{{copy}}')::UUID AS {name}"


# What a search reads, the column that is shifted, and the other columns that differ in a copy.
_TABLES = {
    "contents": ("seq < {seqs}", f"seq + {{copy}} * {{seqs}} AS seq, {_key('content_key')}"),
    "article_records": (
        "source_article_id NOT LIKE '%-%'",
        f"source_article_id || '-{{copy}}' AS source_article_id, {_key('record_key')}",
    ),
    "search_docs": (
        "slot < {slots}",
        "slot + {copy} * {slots}::UBIGINT AS slot, doc + {copy} * {slots}::UBIGINT AS doc, "
        f"content_seq + {{copy}} * {{seqs}} AS content_seq, {_key('content_key')}",
    ),
    "search_articles": (
        "doc < {slots}",
        f"doc + {{copy}} * {{slots}}::UBIGINT AS doc, {_key('record_key')}, {_key('article_key')}",
    ),
    "search_postings": (
        "gpos < {slots}::UBIGINT << 10::UBIGINT",
        "gpos + ({copy} * {slots}::UBIGINT << 10::UBIGINT) AS gpos",
    ),
}


def multiply(path: Path, copies: int) -> None:
    """Add copies to a warehouse, and sort the index as a compaction does."""
    with connect(path) as db:
        merge_index(db)
    with duckdb.connect(str(path), config={"storage_compatibility_version": "v1.5.0"}) as db:
        (slots,) = db.execute("SELECT max(slot) + 1 FROM _store.search_docs").fetchall()[0]
        (seqs,) = db.execute("SELECT max(seq) + 1 FROM _store.contents").fetchall()[0]
        numbers = {"slots": -(-slots // _SLOTS) * _SLOTS, "seqs": seqs}
        for copy in range(1, copies):
            for table, (original, replaced) in _TABLES.items():
                sql = _COPIED.format(table=f"_store.{table}", original=original, replaced=replaced)
                db.execute(sql.format(copy=copy, **numbers))
            db.execute("CHECKPOINT")
        db.execute("DELETE FROM _store.search_runs")
        db.execute(_RUNS)
    with connect(path) as db:
        started = time.process_time()
        merge_index(db)
        print(f"{copies} copies sorted: {time.process_time() - started:.1f} s of CPU")
