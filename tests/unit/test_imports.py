"""The arrows of the house: flows imports parsers and warehouse; those import neither."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "parsers": {
        "flows",
        "warehouse",
        "requests",
        "urllib3",
        "prefect",
        "duckdb",
        "socket",
        "tenacity",
    },
    "warehouse": {"flows", "parsers", "requests", "urllib3", "prefect", "bs4", "lxml", "tenacity"},
    "flows": {"tests"},
}
CALLS_FORBIDDEN_IN_PARSERS = {
    "open",
    "now",
    "utcnow",
    "today",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("package", "module"),
    [
        pytest.param(package, module, id=str(module.relative_to(ROOT)))
        for package in FORBIDDEN
        for module in modules(package)
    ],
)
def test_module_imports_only_what_its_package_may(package, module):
    assert set(imported(module)) & FORBIDDEN[package] == set()


@pytest.mark.parametrize(
    "module", modules("parsers"), ids=lambda module: str(module.relative_to(ROOT))
)
def test_parser_touches_no_disk_and_no_clock(module):
    calls = [
        node.func
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    called = {call.id for call in calls if isinstance(call, ast.Name)}
    called |= {call.attr for call in calls if isinstance(call, ast.Attribute)} - {"open"}

    assert called & CALLS_FORBIDDEN_IN_PARSERS == set()


def test_only_flows_imports_prefect_and_http():
    users = {
        package
        for package in FORBIDDEN
        for module in modules(package)
        if {"prefect", "requests"} & set(imported(module))
    }

    assert users == {"flows"}
