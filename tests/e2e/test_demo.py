"""The main job from end to end: the command, the test site, Prefect, parsers, DuckDB, snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.analysis import DOCUMENT, NOTEBOOK, SNAPSHOT_VARIABLE, execute, with_results

ROOT = Path(__file__).parents[2]


def copydesk(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of one demo, and the JSON document of its command."""
    folder = tmp_path_factory.mktemp("demo")
    run = copydesk("--json", "demo", "--output", "demo", folder=folder)
    assert run.returncode == 0, run.stderr
    return folder / "demo", json.loads(run.stdout)


@pytest.mark.e2e
def test_demo_fills_a_warehouse_from_every_source_and_quarantines_the_three_broken_lines(demo):
    folder, document = demo

    found = {one["source"]: one["discovered"] for one in document["sources"]}
    assert found == {
        "finews": 48, "woshipm": 16, "woshipm_direct": 16, "ofweek": 11, "ofweek_feed": 11,
    }  # fmt: skip
    assert document["totals"]["quarantined"] == 3
    for file in ("copydesk.duckdb", "copydesk.read.duckdb"):
        with duckdb.connect(folder / file, read_only=True) as db:
            articles = "SELECT count(*), count(DISTINCT content_hash) FROM articles"
            assert db.execute(articles).fetchone() == (97, 70)
            assert db.execute("SELECT count(*) FROM quarantine").fetchone() == (3,)
    asked = copydesk(
        "--config", "demo/copydesk.toml", "--json", "query", "select count(*) as n from articles",
        folder=folder.parent,
    )  # fmt: skip
    assert json.loads(asked.stdout) == [{"n": 97}]
    assert [*(folder / "archive").glob("*.warc.gz")]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "人人都是产品经理" in page
    assert len(page.encode()) < 200_000
    assert "碳中和" in (folder / "site/index.html").read_text(encoding="utf-8")


@pytest.mark.e2e
def test_results_of_the_ten_questions_are_those_of_the_demo(demo):
    folder, _document = demo
    text = DOCUMENT.read_text(encoding="utf-8")

    assert with_results(text, folder / "copydesk.read.duckdb") == text


@pytest.mark.e2e
def test_notebook_prints_its_stored_results(demo, monkeypatch):
    folder, _document = demo
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    executed = deepcopy(stored)
    monkeypatch.setenv(SNAPSHOT_VARIABLE, str(folder / "copydesk.read.duckdb"))

    execute(executed)

    assert executed == stored
