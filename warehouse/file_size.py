"""Files of DuckDB that were cut: which bytes are missing at their end."""

from __future__ import annotations

import struct
from pathlib import Path

from duckdb import DuckDBPyConnection

# DuckDB's storage format: the main header, then two database headers that take turns, each with a
# checksum, its number, two pointers, the number of blocks and their size.
_HEADER_BYTES = 4096
_DATABASE_HEADER = struct.Struct("<QQQQQQ")

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
        head = file.read(3 * _HEADER_BYTES)
    if len(head) < 3 * _HEADER_BYTES:
        return True
    headers = [_DATABASE_HEADER.unpack_from(head, number * _HEADER_BYTES) for number in (1, 2)]
    *_, block_count, block_bytes = max(headers, key=lambda header: int(header[1]))
    return bool(path.stat().st_size < len(head) + block_count * block_bytes)


def missing_bytes(db: DuckDBPyConnection, path: Path) -> int:
    """Return how many bytes of blocks in use the file of the current database lacks."""
    tables = [f"_store.{name}" for (name,) in db.execute(_TABLES).fetchall()]
    blocks = [db.execute(_LAST_BLOCK, [table]).fetchall()[0][0] for table in tables]
    ((block_bytes,),) = db.execute(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()"
    ).fetchall()
    last = max((block for block in blocks if block is not None), default=-1)
    return max(0, 3 * _HEADER_BYTES + (last + 1) * int(block_bytes) - path.stat().st_size)
