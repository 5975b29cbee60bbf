"""The limit of an answer counts the bytes that a client gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.admin.sql_child import _answer
from tests import empty_warehouse


@pytest.fixture
def ask(tmp_path: Path):
    path = empty_warehouse.place(tmp_path / "snapshot.duckdb")

    def ask(sql: str, limit: int) -> dict[str, Any]:
        request = {"location": str(path), "sql": sql, "seconds": 10, "rows": 5, "bytes": limit}
        return json.loads(_answer(request))

    return ask


def test_chinese_text_counts_as_utf8_and_not_as_escapes(ask):
    sql = "SELECT repeat('字', 1000) AS text"

    assert ask(sql, 3500)["rows"] == [["字" * 1000]]
    assert "error" in ask(sql, 2900)
