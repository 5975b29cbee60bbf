from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from warehouse import connect


@pytest.fixture
def db() -> Iterator[DuckDBPyConnection]:
    with connect(":memory:") as connection:
        yield connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "project.duckdb"
