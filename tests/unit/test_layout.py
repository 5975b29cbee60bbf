"""The layout: which package may import which, and which run without Prefect."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "parsers", "warehouse")

# The floors of `flows`, from the top. A module imports its own package and lower floors only.
# The demo site, `secrets` and the modules at the root of `flows` are on the lowest floor.
FLOORS = (
    {"cli", "serve"},
    {"sync", "backfill", "reparse", "import_posts", "publish", "publication", "maintenance"},
    {"admin", "alerts", "cluster", "reporting", "import_export", "scaffold", "web"},
    {"pipeline"},
    {"archive", "fetch"},
)
HEIGHTS = {name: len(FLOORS) + 1 - n for n, floor in enumerate(FLOORS) for name in floor}
FLOWS = FLOORS[1]
# One way only: the archive stores what the fetcher returns, `copydesk serve` is a command, the
# replay of quarantined posts imports them again, and pages show what `admin` reports and have feeds.
SIDEWAYS = {("archive", "fetch"), ("cli", "serve"), ("admin", "import_export"), ("web", "admin"),
            ("web", "import_export")}  # fmt: skip

FOREIGN = {
    "parsers": {"flows", "warehouse", "requests", "urllib3", "prefect", "duckdb", "socket", "tenacity"},
    "warehouse": {"flows", "parsers", "requests", "urllib3", "prefect", "bs4", "lxml", "tenacity"},
    "flows": {"tests"},
}  # fmt: skip
IMPURE_CALLS = {
    "open", "now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes",
}  # fmt: skip


def name_of(file: Path) -> str:
    """The dotted name of a module; a package's ``__init__`` has the package's name."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for package in PACKAGES for file in (ROOT / package).rglob("*.py")}


def imports(source: str, known: set[str]) -> Iterator[str]:
    """Every module that a source imports, also inside functions and for types only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


GRAPH = {
    name: set(imports(file.read_text(encoding="utf-8"), set(FILES))) for name, file in FILES.items()
}


def part_of(module: str) -> str:
    """The sub-package or root module of ``flows`` that a module belongs to."""
    return module.split(".")[1] if "." in module else ""


def violation(importer: str, imported: str) -> str | None:
    """Why one import inside ``flows`` breaks the layout; ``None`` if it does not."""
    here, there = part_of(importer), part_of(imported)
    if here == there or not there or (here, there) in SIDEWAYS or {here, there} <= FLOWS:
        return None
    high, low = HEIGHTS.get(here, 1), HEIGHTS.get(there, 1)
    if high > low or high == low == 1:
        return None
    return f"{importer} (floor {high}) imports {imported} (floor {low})"


def reached_from(*starts: str) -> set[str]:
    """Every module that the start modules import, directly or through others of ours."""
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += GRAPH.get(module, ())
    return reached


def in_package(name: str) -> list[str]:
    return [module for module in FILES if module == name or module.startswith(name + ".")]


def test_imports_inside_flows_point_downward_only():
    found = [
        violation(importer, imported)
        for importer in in_package("flows")
        for imported in GRAPH[importer]
        if imported.split(".")[0] == "flows"
    ]

    assert sorted(filter(None, found)) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("flows.pipeline.fetch", "flows.admin.erasure"),
        ("flows.fetch.client", "flows.archive.write"),
        ("flows.settings", "flows.fetch.policy"),
        ("flows.sync", "flows.cli.sync"),
        ("flows.admin.erasure", "flows.reporting.events"),
    ],
)
def test_upward_and_sideways_imports_are_found(importer, imported):
    assert violation(importer, imported)


def test_flows_has_at_most_six_floors_and_every_package_is_on_one():
    packages = {folder.name for folder in (ROOT / "flows").iterdir() if any(folder.glob("*.py"))}

    assert len(FLOORS) + 1 <= 6
    assert packages - set(HEIGHTS) - {"demo_site", "secrets"} == set()


@pytest.mark.parametrize("module", FILES)
def test_module_imports_no_foreign_package(module):
    assert {name.split(".")[0] for name in GRAPH[module]} & FOREIGN[module.split(".")[0]] == set()


@pytest.mark.parametrize("module", in_package("parsers"))
def test_parser_calls_neither_disk_nor_clock(module):
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {one.id for one in functions if isinstance(one, ast.Name)}
    called |= {one.attr for one in functions if isinstance(one, ast.Attribute)} - {"open"}

    assert called & IMPURE_CALLS == set()


def test_no_import_of_the_pipeline_leads_to_prefect():
    reached = reached_from(*in_package("flows.pipeline"))

    assert {name for name in reached if name.split(".")[0] == "prefect"} == set()


def test_importing_the_pipeline_loads_no_prefect():
    modules = in_package("flows.pipeline")
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'prefect', 'fastapi'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert modules
    assert run.stdout == "[]\n"


def test_a_process_that_only_reads_posts_loads_no_duckdb():
    code = (
        "import sys, flows.import_export.read_posts\n"
        "print(sorted({'duckdb', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"
