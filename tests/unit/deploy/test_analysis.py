"""ANALYSIS.md is true: its queries run, it names every view, its commands exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from duckdb import DuckDBPyConnection

from flows import cli
from tests.analysis import DOCUMENT, NOTEBOOK, code_cells, notebook, questions
from tests.unit.warehouse.factories import HOUR, NOON, article, upsert, with_text
from warehouse import connect, transaction
from warehouse.records import runs

ANALYSIS = DOCUMENT.read_text(encoding="utf-8")
SQL = re.findall(r"^ {4}(?:--.*\n {4})?((?:select|with) [\s\S]*?);$", ANALYSIS, re.MULTILINE)
QUESTIONS = questions(ANALYSIS)


@pytest.fixture(scope="module")
def db():
    with connect(":memory:") as store:
        yield store


def test_there_are_queries_for_every_section():
    assert len(SQL) > 10


@pytest.mark.parametrize("sql", SQL)
def test_query_runs(db, sql):
    db.execute(sql).fetchall()


def test_there_are_ten_questions_each_with_sql_and_a_result():
    section = ANALYSIS.partition("\n## Ten questions\n")[2]

    assert re.findall(r"^### (\d+)\.", section, re.MULTILINE) == [str(n) for n in range(1, 11)]
    assert [one.title for one in QUESTIONS] == re.findall(r"^### (.+)$", section, re.MULTILINE)
    assert {one.sql for one in QUESTIONS} <= {f"{sql};".replace("\n    ", "\n") for sql in SQL}
    assert len(re.findall(r"^\| (?:--- \| ?)+\n\| ", section, re.MULTILINE)) == 10


def test_notebook_has_the_same_questions_and_sql_in_the_same_order():
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in code_cells(stored):
        cell |= {"execution_count": None, "outputs": []}

    assert stored == notebook(ANALYSIS)


@pytest.fixture
def own_db() -> Iterator[DuckDBPyConnection]:
    with connect(":memory:") as store:
        yield store


@pytest.mark.parametrize(
    ("updated_at", "parser_version", "corrections", "silent"),
    [(None, "1", 1, 1), (NOON, "1", 1, 0), (None, "2", 0, 0)],
    ids=["no time of change", "a time of change", "another parser version"],
)
def test_a_correction_is_silent_without_a_new_time_of_change(
    own_db, updated_at, parser_version, corrections, silent
):
    first = article(1, "甲")
    second = replace(with_text(first, "乙"), updated_at=updated_at, fetched_at=NOON + HOUR)
    for row, version in ((first, "1"), (second, parser_version)):
        with transaction(own_db):
            run_id = runs.start_run(
                own_db, flow="sync", sources=["finews"], code_version="1",
                parsers={"finews": ("finews", version)}, at=row.fetched_at,
            )  # fmt: skip
        upsert(own_db, row, run_id=run_id)

    (sql,) = (one.sql for one in QUESTIONS if "silently" in one.title)
    assert own_db.execute(sql).fetchall() == [("finews", 1, corrections, silent)]


def test_every_view_is_named(db):
    rows = db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()

    views = ANALYSIS.partition("## Views")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", views, re.MULTILINE)) == {name for (name,) in rows}


def test_commands_exist():
    named = set(re.findall(r"copydesk ([a-z-]+) ", ANALYSIS))

    assert named <= set(cli.copydesk.commands)
