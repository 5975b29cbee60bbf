"""ANALYSIS.md is true: its queries run, it names every view, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows import cli
from warehouse import connect

ANALYSIS = (Path(__file__).parents[3] / "deploy" / "ANALYSIS.md").read_text(encoding="utf-8")
SQL = re.findall(r"^ {4}(?:--.*\n {4})?(select [\s\S]*?);$", ANALYSIS, re.MULTILINE)


@pytest.fixture(scope="module")
def db():
    with connect(":memory:") as store:
        yield store


def test_there_are_queries_for_every_section():
    assert len(SQL) > 10


@pytest.mark.parametrize("sql", SQL)
def test_query_runs(db, sql):
    db.execute(sql).fetchall()


def test_every_view_is_named(db):
    rows = db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()

    views = ANALYSIS.partition("## Views")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", views, re.MULTILINE)) == {name for (name,) in rows}


def test_commands_exist():
    named = set(re.findall(r"copydesk ([a-z-]+) ", ANALYSIS))

    assert named <= set(cli.copydesk.commands)
