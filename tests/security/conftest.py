"""Fixtures of the security tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.warehouse.factories import article as made_row
from tests.unit.warehouse.factories import upsert
from warehouse import connect


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "warehouse.duckdb"
    with connect(path) as db:
        upsert(db, made_row(1, "\x1b]0;pwned\x07 \u202eevil =1+1", text="words"))
    return path
