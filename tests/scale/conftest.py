"""One PostgreSQL server for all tests of a process; each test gets a database of its own.

A lake takes seconds to make, so the tests of a module share one and empty it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from duckdb import DuckDBPyConnection

from tests.scale import lakes, postgres
from warehouse import connect
from warehouse.care.integrity import TABLES
from warehouse.location import Lake

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The connection string of a server."""
    with postgres.serving() as conninfo:
        yield conninfo


@pytest.fixture
def database(postgres_server: str) -> str:
    """The connection string of a new, empty database."""
    return postgres.new_database(postgres_server, f"test_{next(_numbers)}")


@pytest.fixture(scope="module")
def new_lake(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Lake]:
    """Return where a new lake may be, with its catalog in ``duckdb`` or in ``postgres``."""

    def new(kind: str) -> Lake:
        folder = tmp_path_factory.mktemp("lake")
        catalog = str(folder / "catalog.ducklake")
        if kind == "postgres":
            server = request.getfixturevalue("postgres_server")
            catalog = f"postgres:{postgres.new_database(server, f'lake_{next(_numbers)}')}"
        lake = Lake(catalog, str(folder / "data"))
        if lakes.missing(lake):
            postgres.missing("the extra lake (`make scale`)")
        return lake

    return new


@pytest.fixture(scope="module")
def place(new_lake: Callable[[str], Lake]) -> Lake:
    """A new lake with its catalog in PostgreSQL."""
    return new_lake("postgres")


@pytest.fixture(scope="module")
def opened(place: Lake) -> Iterator[DuckDBPyConnection]:
    with connect(place) as db:
        yield db


@pytest.fixture
def lake(opened: DuckDBPyConnection) -> DuckDBPyConnection:
    """An empty lake."""
    for table in set(TABLES) - {"write_sequence", "migrations"}:
        opened.execute(f"DELETE FROM _store.{table}")
    return opened


@pytest.fixture
def db(lake: DuckDBPyConnection) -> DuckDBPyConnection:
    return lake
