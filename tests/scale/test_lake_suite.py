"""The tests of the warehouse that take a connection, on a lake with either catalog."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest
from duckdb import DuckDBPyConnection

from tests.unit import warehouse
from tests.unit.warehouse.test_erasure_and_integrity import project  # noqa: F401
from tests.unit.warehouse.test_lookups import few  # noqa: F401
from warehouse.location import Lake

pytestmark = pytest.mark.nightly


SKIPPED = {
    "DROP TABLE": "it would spoil the lake of the other tests",
    "every_column_is_explained": "DuckLake has no comments on the columns of views",
}


def suite() -> Iterator[tuple[str, Callable[..., object]]]:
    for module in iter_modules(warehouse.__path__):
        if not module.name.startswith("test_"):
            continue
        for name, value in vars(import_module(f"tests.unit.warehouse.{module.name}")).items():
            is_test = name.startswith("test_") and inspect.isfunction(value)
            if is_test and {"db", "project"} & set(inspect.signature(value).parameters):
                yield name, value


globals().update(suite())


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, new_lake: Callable[[str], Lake]) -> Lake:
    return new_lake(request.param)


@pytest.fixture
def db(request: pytest.FixtureRequest, lake: DuckDBPyConnection) -> DuckDBPyConnection:
    for part, reason in SKIPPED.items():
        if part in request.node.name:
            pytest.skip(reason)
    return lake
