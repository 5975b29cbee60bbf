"""Files of DuckDB that were cut: which bytes are missing at their end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse.block_file import HEAD_BYTES, UnknownLayout, newest_header

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_store'"
_LAST_BLOCK = """
    SELECT max(list_max(list_append(additional_block_ids, block_id)))
    FROM pragma_storage_info(?) WHERE persistent
"""


def is_short(path: Path) -> bool:
    """Return whether a DuckDB file is shorter than its header counts blocks.

    Free blocks at the end need not be in the file, so ``missing_bytes`` decides. No connection
    of this process may have the file open: closing it drops DuckDB's lock.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    with suppress(UnknownLayout):
        return path.stat().st_size < newest_header(head).file_bytes
    return True


def missing_bytes(db: DuckDBPyConnection, path: Path) -> int:
    """Return how many bytes of blocks in use the file of the current database lacks."""
    tables = [f"_store.{name}" for (name,) in db.execute(_TABLES).fetchall()]
    blocks = [db.execute(_LAST_BLOCK, [table]).fetchall()[0][0] for table in tables]
    ((block_bytes,),) = db.execute(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()"
    ).fetchall()
    last = max((block for block in blocks if block is not None), default=-1)
    return max(0, HEAD_BYTES + (last + 1) * int(block_bytes) - path.stat().st_size)
