"""Files of DuckDB that were cut: which bytes are missing at their end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from duckdb import DuckDBPyConnection

from warehouse.block_file import HEAD_BYTES, UnknownLayout, newest_header, read_block_file

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_store'"
_LAST_BLOCK = """
    SELECT max(list_max(list_append(additional_block_ids, block_id)))
    FROM pragma_storage_info(?) WHERE persistent
"""


def is_short(path: Path) -> bool:
    """Return whether a DuckDB file seems to lack blocks in use; ``missing_bytes`` decides.

    Free blocks at the end need not be in the file. No connection of this process may have the
    file open: closing it drops DuckDB's lock.
    """
    with path.open("rb") as file, suppress(UnknownLayout):
        size = path.stat().st_size
        header = newest_header(file.read(HEAD_BYTES))
        if size >= header.file_bytes:
            return False
        free = read_block_file(file.fileno()).free
        used = (block for block in reversed(range(header.block_count)) if block not in free)
        return size < header.offset(next(used, -1) + 1)
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
