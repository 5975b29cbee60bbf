"""The main job from end to end: the command, the test site, Prefect, parsers, DuckDB, snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]


def copydesk(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip


@pytest.mark.e2e
def test_demo_fills_a_warehouse_from_every_source_and_quarantines_the_three_broken_lines(tmp_path):
    run = copydesk("--json", "demo", "--output", "demo", folder=tmp_path)

    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    found = {one["source"]: one["discovered"] for one in document["sources"]}
    assert found == {
        "finews": 48, "woshipm": 16, "woshipm_direct": 16, "ofweek": 11, "ofweek_feed": 11,
    }  # fmt: skip
    assert document["totals"]["quarantined"] == 3
    for file in ("copydesk.duckdb", "copydesk.read.duckdb"):
        with duckdb.connect(tmp_path / "demo" / file, read_only=True) as db:
            articles = "SELECT count(*), count(DISTINCT content_hash) FROM articles"
            assert db.execute(articles).fetchone() == (97, 70)
            assert db.execute("SELECT count(*) FROM quarantine").fetchone() == (3,)
    asked = copydesk(
        "--config", "demo/copydesk.toml", "--json", "query", "select count(*) as n from articles",
        folder=tmp_path,
    )  # fmt: skip
    assert json.loads(asked.stdout) == [{"n": 97}]
    assert [*(tmp_path / "demo" / "archive").glob("*.warc.gz")]
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "人人都是产品经理" in page
    assert len(page.encode()) < 200_000
