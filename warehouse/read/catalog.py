"""The views and macros of analysts, with the comments that describe them."""

from __future__ import annotations

from typing import Any

from duckdb import DuckDBPyConnection

from warehouse import stage

# DuckDB's catalog has no comments on macros in every version of the warehouse.
MACROS = {
    "articles_as_of": "articles_as_of(ts): the view articles as it was known at ts (TIMESTAMPTZ)",
    "search": "search(query, source := '', since := '', until := '', top := 10): the articles that "
    "match, best first: rank, article_id, source, title, published_at, url, snippet, score, matched",
}
"""The table macros, each with its parameters and its result."""

_VIEWS = """
    SELECT c.table_name AS view, any_value(v.comment) AS comment,
           list({'name': c.column_name, 'type': c.data_type, 'comment': c.comment}
                ORDER BY c.column_index) AS columns
    FROM duckdb_columns() c
    JOIN duckdb_views() v ON v.view_oid = c.table_oid AND v.database_name = c.database_name
    WHERE v.database_name = current_database() AND v.schema_name = 'main' AND NOT v.internal
    GROUP BY c.table_name ORDER BY c.table_name
"""


def read_views(db: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return each view with its comment and its columns, which have a name, type and comment."""
    return stage.select(db, _VIEWS)
