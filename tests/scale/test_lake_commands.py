"""The commands of a user on a lake: the demo site, a catalog in PostgreSQL, a folder of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.cli import demo_run
from tests import site
from warehouse.location import Lake

_FILE = 'path = "copydesk.duckdb"\nsnapshot = "copydesk.read.duckdb"'
Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Type a command: its exit code and its JSON document."""

    def typed(config: Path, *arguments: str) -> tuple[int, Any]:
        code = cli.run(["--config", str(config), "--json", *arguments])
        return code, json.loads(capfd.readouterr().out or "null")

    return typed


def test_commands_work_on_a_lake_as_on_a_file(run: Run, place: Lake, tmp_path: Path) -> None:
    config = tmp_path / "copydesk.toml"
    with site.serve() as news_site:
        demo_run.write_config(tmp_path, port=news_site.port, article_url=demo_run.ARTICLE_URL)
        text = config.read_text()
        assert _FILE in text
        config.write_text(text.replace(_FILE, f'url = "{place}"\ndata = "{place.data}"'))

        code, plan = run(config, "sync", "--dry-run", "ofweek")
        assert (code, plan["totals"]["discovered"]) == (0, 11)
        assert run(config, "query", "SELECT 1")[0] == 1  # there is no warehouse yet
        code, report = run(config, "sync", "ofweek", "finews")
        assert (code, report["state"]) == (3, "completed_with_warnings")
        assert report["totals"]["new"] == 52
        code, report = run(config, "sync", "ofweek")
        assert (code, report["totals"]["new"]) == (0, 0)

    sql = "SELECT source, count(*) AS n FROM articles GROUP BY 1 ORDER BY 1"
    code, rows = run(config, "query", sql)
    assert (code, rows) == (0, [{"source": "finews", "n": 43}, {"source": "ofweek", "n": 11}])
    assert run(config, "query", "FROM postgres_query('a', 'b')")[0] == 2
    code, found = run(config, "search", "机器人")
    assert code == 0
    assert found
    assert run(config, "export", str(tmp_path / "out"), "--format", "jsonl")[0] == 0
    lines = (tmp_path / "out" / "articles.jsonl").read_text().splitlines()
    assert len({json.loads(line)["article_id"] for line in lines}) == 54

    code, found = run(config, "doctor", "--verify")
    checks = found["checks"]
    assert {one["name"]: one["status"] for one in checks if one["status"] != "ok"} == {}
    assert code == 0
    assert {"catalog", "warehouse", "blocks", "hashes", "archive"} <= {
        one["name"] for one in checks
    }
    assert not list(tmp_path.rglob("*.duckdb"))
