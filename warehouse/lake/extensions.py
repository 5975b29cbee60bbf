"""The extensions of DuckDB that a lake needs, out of their wheels: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.errors import ExtensionMissing
from warehouse.location import Lake
from warehouse.quote import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSION = "1.5.5"
"""Of DuckDB: its extensions fit one version, and there are wheels for this one."""


def check(lake: Lake) -> None:
    """Check that this environment can open a lake.

    Raises:
        ExtensionMissing: A package is missing, or DuckDB has another version.
    """
    missing = [name for name in _names(lake) if _file(name) is None]
    if lake.is_shared and find_spec("psycopg") is None:
        missing.append("psycopg")
    if missing:
        raise ExtensionMissing(
            f'a warehouse on DuckLake needs `pip install "copydesk[lake]"`: with duckdb {VERSION} '
            f"it has {', '.join(missing)}; found duckdb {version('duckdb')} without them"
        )


def load(db: DuckDBPyConnection, lake: Lake) -> None:
    """Load the extensions into a DuckDB instance.

    Raises:
        ExtensionMissing: As ``check``.
    """
    check(lake)
    for name in _names(lake):
        db.execute(f"LOAD {literal(str(_file(name)))}")


def _names(lake: Lake) -> Iterator[str]:
    yield "ducklake"
    if lake.is_shared:
        yield "postgres_scanner"
    if lake.is_in_bucket:
        yield "httpfs"


def _file(name: str) -> Path | None:
    """Return the file of an extension; ``None`` without its wheel for this DuckDB."""
    spec = find_spec(f"duckdb_extension_{name}")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        folder = Path(place) / "extensions" / f"v{version('duckdb')}"
        return next(folder.glob("*.duckdb_extension"), None)
    return None
