"""Errors of DuckDB about the servers of a lake become errors that say what to do."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.duckdb_errors import translate_error
from warehouse.errors import WarehouseUnreachable, WriteConflict

STATEMENT = 'Failed to prepare COPY "COPY (SELECT path FROM ducklake_data_file) TO STDOUT"'
AT = "'https://bucket.example/lake/contents/1.parquet'"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (f"{STATEMENT}: server closed the connection unexpectedly\n\tThis", "PostgreSQL"),
        ("Failed to query: FATAL:  terminating connection due to administrator command", "PostgreSQL"),
        (
            'TransactionContext Error: Failed to commit: Failed to execute query "ROLLBACK": ',
            "PostgreSQL",
        ),
        (f"HTTP Error: Request returned HTTP 503 for HTTP PUT to {AT}", "HTTP 503"),
        (f"HTTP Error: HTTP GET error reading {AT} (HTTP 403 Forbidden)", "HTTP 403"),
        (f"IO Error: Connection error for HTTP HEAD to {AT}", "gave no answer"),
    ],
)  # fmt: skip
def test_a_lost_server_is_unreachable_and_no_statement_is_shown(text: str, part: str) -> None:
    found = translate_error(duckdb.Error(text), "lake")
    assert type(found) is WarehouseUnreachable
    assert part in str(found)
    assert not any(one in str(found) for one in ("SELECT", ".parquet", "ROLLBACK"))


def test_a_conflict_of_two_writers_is_no_lost_server() -> None:
    text = "TransactionContext Error: Failed to commit: Conflict on update!"
    assert type(translate_error(duckdb.Error(text), "lake")) is WriteConflict
