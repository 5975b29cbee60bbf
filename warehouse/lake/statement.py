"""Which statements of users may run on a lake.

DuckDB's setting ``enable_external_access`` closes files. The functions of the extensions still
reach any PostgreSQL server, and run any statement on the one of the catalog.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from duckdb import DuckDBPyConnection

from warehouse.errors import BadQuery

# Those that take the name of a table, or SQL, as a text are not among them.
_TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns", "duckdb_databases", "duckdb_functions", "duckdb_keywords",
        "duckdb_schemas", "duckdb_settings", "duckdb_tables", "duckdb_types", "duckdb_views",
        "generate_series", "json_each", "json_tree", "pragma_version", "range", "repeat", "unnest",
    }
)  # fmt: skip
_OWN_MACROS = """
    SELECT DISTINCT function_name FROM duckdb_functions()
    WHERE database_name = current_database() AND function_type = 'table_macro' AND NOT internal
"""
_CATALOG = "__ducklake_metadata"
_EXPLAIN = re.compile(r"\s*explain(?:\s+analyze)?\s(.*)", re.IGNORECASE | re.DOTALL)


def check(db: DuckDBPyConnection, sql: str) -> None:
    """Check that a statement reads tables of the lake only.

    Raises:
        BadQuery: It names the tables of the catalog, or a function that reaches other things.
    """
    explained = _EXPLAIN.fullmatch(sql)
    ((text,),) = db.execute(
        "SELECT json_serialize_sql(?)", [explained[1] if explained else sql]
    ).fetchall()
    try:
        tree = json.loads(text)
    except RecursionError:
        raise BadQuery("the statement is nested too deep for a lake") from None
    if tree["error"]:
        raise BadQuery(f"expected SELECT, FROM, DESCRIBE or EXPLAIN: {tree['error_message']}")
    own = {name for (name,) in db.execute(_OWN_MACROS).fetchall()}
    for node in _nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name")).lower()
            if name not in _TABLE_FUNCTIONS | own:
                raise BadQuery(f"the table function {name} cannot be used on a lake")
        if any(str(value).lower().startswith(_CATALOG) for value in _names(node)):
            raise BadQuery("the tables of the lake's catalog cannot be read")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value


def _names(node: dict[str, Any]) -> Iterator[Any]:
    return (value for key, value in node.items() if key.endswith("_name"))
