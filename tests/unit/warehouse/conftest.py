from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from tests import empty_warehouse
from warehouse import connect
from warehouse.care.integrity import TABLES


@pytest.fixture
def db(path: Path) -> Iterator[DuckDBPyConnection]:
    with connect(path) as connection:
        yield connection


@pytest.fixture(scope="module")
def shared() -> Iterator[DuckDBPyConnection]:
    with connect(":memory:") as connection:
        yield connection


@pytest.fixture
def emptied(shared: DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    """An empty warehouse that a module shares: to make one takes longer than to empty it."""
    yield shared
    for table in set(TABLES) - {"migrations", "write_sequence"}:
        shared.execute(f"DELETE FROM _store.{table}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of an empty warehouse."""
    return empty_warehouse.place(tmp_path / "project.duckdb")


@pytest.fixture
def new_path(tmp_path: Path) -> Path:
    """Of a warehouse that is not made yet."""
    return tmp_path / "project.duckdb"
