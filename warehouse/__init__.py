"""The warehouse: a DuckDB file that keeps what was read, and when.

``connect`` opens it, ``transaction`` makes a batch whole, ``upsert_articles`` adds to
it, ``publish`` makes the copy that readers use. It parses nothing and fetches nothing.
"""

from warehouse.care.snapshot import current_snapshot, publish
from warehouse.db import connect, connect_read_only, transaction
from warehouse.errors import WarehouseError
from warehouse.read.query import connect_for_queries, run_query
from warehouse.rows import ArticleRow, Counters, StoredPost, UpsertCounts
from warehouse.upsert.articles import upsert_articles
from warehouse.upsert.observations import check_row

__all__ = [
    "ArticleRow",
    "Counters",
    "StoredPost",
    "UpsertCounts",
    "WarehouseError",
    "check_row",
    "connect",
    "connect_for_queries",
    "connect_read_only",
    "current_snapshot",
    "publish",
    "run_query",
    "transaction",
    "upsert_articles",
]
