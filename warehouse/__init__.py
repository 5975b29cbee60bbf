"""The warehouse: a DuckDB file with articles, their revisions and everything about fetches.

``connect`` opens it, ``transaction`` makes a batch atomic, ``observe`` validates an article row,
``upsert_articles`` stores it, ``publish`` makes the snapshot for readers. It parses nothing and
fetches nothing.
"""

from warehouse.care.snapshot import current_snapshot, publish
from warehouse.db import connect, connect_read_only, transaction
from warehouse.errors import WarehouseError
from warehouse.read.query import connect_for_queries, run_query
from warehouse.rows import ArticleRow, Counters, StoredPost, UpsertCounts
from warehouse.upsert.articles import upsert_articles
from warehouse.upsert.observations import Observation, observe

__all__ = [
    "ArticleRow",
    "Counters",
    "Observation",
    "StoredPost",
    "UpsertCounts",
    "WarehouseError",
    "connect",
    "connect_for_queries",
    "connect_read_only",
    "current_snapshot",
    "observe",
    "publish",
    "run_query",
    "transaction",
    "upsert_articles",
]
