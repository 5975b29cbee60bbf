"""Let the macros of the warehouse find their tables from any other database (migration 0009).

The names are stored in the warehouse, so that a snapshot is equal to it byte for byte.
"""

from __future__ import annotations

import re

from duckdb import DuckDBPyConnection

from warehouse.db import transaction
from warehouse.quote import literal
from warehouse.search.query import DEFAULTS

_MACROS = """
    SELECT function_name, parameters, macro_definition, comment FROM duckdb_functions()
    WHERE database_name = current_database() AND function_type = 'table_macro'
      AND list_contains(parameters, 'home')
"""
_OWN_NAMES = re.compile(r"IN \(home, 'copydesk'(?:, '(?:[^']|'')*')?\)")


def set_home(db: DuckDBPyConnection, snapshot: str, warehouse: str) -> None:
    """Store the database names of the snapshot and the warehouse in the macros, once.

    Called from another database, a macro then reads the one attached as ``news``. The comment
    of a macro, which DuckDB drops with a new definition, shows that the names are stored.
    """
    comment = (
        f"Reads its own database if that is called {snapshot}, copydesk or {warehouse}; from any "
        "other database, the one attached as news"
    )
    found = db.execute(_MACROS).fetchall()
    if all(one == comment for *_, one in found):
        return
    names = f"IN (home, 'copydesk', {literal(warehouse)})"
    with transaction(db):
        for name, parameters, body, _ in found:
            given = ", ".join(
                f"{one} := {default}" if (default := DEFAULTS.get(one)) else one
                for one in parameters
                if one != "home"
            )
            fitted = _OWN_NAMES.sub(lambda _: names, body)
            db.execute(
                f"CREATE OR REPLACE MACRO {name}({given}, home := {literal(snapshot)}) "
                f"AS TABLE {fitted}"
            )
            db.execute(f"COMMENT ON MACRO TABLE {name} IS {literal(comment)}")
