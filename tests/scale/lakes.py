"""DuckLake for tests; also another process that writes to one.

``python -m tests.scale.lakes CATALOG DATA SCHEMA NAME BATCHES`` adds the same articles as every
other process that does this, and prints how often it had to start a batch again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article, upsert
from warehouse import migrate
from warehouse.errors import WriteConflict


def extension(wheel: str) -> Path | None:
    """DuckDB's extension out of its wheel, if that has one for this DuckDB."""
    try:
        module = import_module(f"duckdb_extension_{wheel}")
    except ImportError:
        return None
    folder = Path(str(module.__file__)).parent / f"extensions/v{duckdb.__version__}"
    return next(folder.glob("*.duckdb_extension"), None)


@contextmanager
def attached(catalog: str, data: Path, schema: str = "main") -> Iterator[DuckDBPyConnection]:
    """A lake as the current database.

    Args:
        catalog: The part after ``ducklake:``: a file, or ``postgres:`` and a connection string.
        data: The folder of its Parquet files.
        schema: Where in the catalog's database it keeps its books.
    """
    with duckdb.connect(config={"python_enable_replacements": "false"}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for wheel in ("ducklake", "postgres_scanner")[: 1 + catalog.startswith("postgres:")]:
            db.execute(f"LOAD '{extension(wheel)}'")
        where = f"DATA_PATH '{data}', METADATA_SCHEMA '{schema}'"
        db.execute(f"ATTACH 'ducklake:{catalog}' AS lake ({where})")
        db.execute("USE lake")
        yield db


def prepare(db: DuckDBPyConnection) -> None:
    """The schema, by the same migrations as a file's."""
    migrate.apply(db, migrate.pending(db, "lake", migrate.migrations()), is_lake=True)


def add(catalog: str, data: Path, schema: str, name: str, batches: int) -> None:
    """Write the same articles as others; repeat each batch while another writer is faster."""
    again = 0
    with attached(catalog, data, schema) as db:
        print("open", flush=True)
        sys.stdin.readline()
        for number in range(batches):
            rows = [article(f"{number}-{i}", f"{number}-{i}") for i in range(20)]
            while True:
                try:
                    done = upsert(db, *rows, run_id=name)
                    break
                except WriteConflict:
                    again += 1
            print(name, done.new, done.unchanged, again, flush=True)


if __name__ == "__main__":
    add(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
