"""The warehouse: a DuckDB file with articles, their revisions and everything about fetches.

``connect`` opens it, ``transaction`` makes a batch atomic, ``observe`` validates an article row,
``upsert_articles`` stores it, ``publish`` makes the snapshot for readers. It parses nothing and
fetches nothing.

A name is imported at its first use: processes that only parse need rows and no DuckDB.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "care.snapshot": ("current_snapshot", "publish"),
    "db": ("connect", "connect_read_only", "transaction"),
    "errors": ("WarehouseError",),
    "read.query": ("connect_for_queries", "run_query"),
    "rows": ("ArticleRow", "Counters", "StoredPost", "UpsertCounts"),
    "upsert.articles": ("upsert_articles",),
    "upsert.observations": ("Observation", "observe"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"warehouse.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
