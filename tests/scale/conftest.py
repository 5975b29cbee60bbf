"""One PostgreSQL server for all tests of a process; each test gets a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.scale import postgres

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
