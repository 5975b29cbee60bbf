"""The ten questions of ``deploy/ANALYSIS.md``, their results on the demo, and the notebook.

``python -m tests.analysis build/demo/copydesk.read.duckdb`` writes the results into
``deploy/ANALYSIS.md`` and makes ``deploy/analysis.ipynb`` of its questions and their results.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import duckdb

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCUMENT = DEPLOY / "ANALYSIS.md"
NOTEBOOK = DEPLOY / "analysis.ipynb"
SNAPSHOT_VARIABLE = "COPYDESK_WAREHOUSE__SNAPSHOT"

_QUESTION = re.compile(
    r"^### (?P<title>\d+\. .+)\n\n(?P<reason>(?:.+\n)+)\n(?P<sql>(?: {4}.+\n)+)(?:\n(?:\|.*\n)+)?",
    re.MULTILINE,
)
_INTRODUCTION = """\
# Ten questions to the corpus

These are the questions of [ANALYSIS.md](ANALYSIS.md). It also explains the views and their columns. The stored
results are those of `make demo`. The notebook needs the package `duckdb` only."""
_CONNECT = f'''\
import os

import duckdb

# Jupyter starts in the folder of the notebook. The variable names the snapshot of your own warehouse.
snapshot = os.environ.get("{SNAPSHOT_VARIABLE}", "../build/demo/copydesk.read.duckdb")
news = duckdb.connect(snapshot, read_only=True)


def show(sql):
    """Print the result of a query."""
    news.sql(sql).show(max_width=200, max_rows=100)'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    title: str
    reason: str
    sql: str


def questions(document: str) -> list[Question]:
    """The questions of the document, in its order."""
    return [
        Question(
            title=found["title"],
            reason=found["reason"].strip(),
            sql=dedent(found["sql"]).strip(),
        )
        for found in _QUESTION.finditer(document)
    ]


def with_results(document: str, snapshot: Path) -> str:
    """The document, each question with its result on this snapshot as a table."""

    def answered(found: re.Match[str]) -> str:
        title, reason, sql = found["title"], found["reason"], found["sql"]
        return f"### {title}\n\n{reason}\n{sql}\n{_table(db.sql(dedent(sql)))}"

    with duckdb.connect(str(snapshot), read_only=True) as db:
        return _QUESTION.sub(answered, document)


def notebook(document: str) -> dict[str, Any]:
    """The questions as a notebook of format 4.5 whose code was not executed."""
    cells = [_cell("introduction", _INTRODUCTION), _cell("connect", _CONNECT, is_code=True)]
    for number, question in enumerate(questions(document), 1):
        text = f"## {question.title}\n\n{question.reason}"
        sql = indent(question.sql, "    ")
        cells.append(_cell(f"question-{number}", text))
        cells.append(_cell(f"answer-{number}", f'show("""\n{sql}\n""")', is_code=True))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def code_cells(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells of a notebook that can be executed."""
    return [cell for cell in made["cells"] if cell["cell_type"] == "code"]


def execute(made: dict[str, Any]) -> None:
    """Execute the code cells in order in one namespace, and store what they print.

    The first one reads ``SNAPSHOT_VARIABLE``.
    """
    namespace: dict[str, Any] = {}
    for count, cell in enumerate(code_cells(made), 1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec("".join(cell["source"]), namespace)  # noqa: S102 - this repository's notebook
        lines = printed.getvalue().splitlines(keepends=True)
        stream = {"name": "stdout", "output_type": "stream", "text": lines}
        cell["execution_count"] = count
        cell["outputs"] = [stream] if lines else []


def _cell(name: str, text: str, *, is_code: bool = False) -> dict[str, Any]:
    cell = {
        "cell_type": "code" if is_code else "markdown",
        "id": name,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if is_code else {})


def _table(result: duckdb.DuckDBPyRelation) -> str:
    rows = [result.columns, ["---"] * len(result.columns), *result.fetchall()]
    return "".join(f"| {' | '.join(map(_value, row))} |\n" for row in rows)


def _value(value: object) -> str:
    return "null" if value is None else str(value).replace("|", "\\|")


def main(snapshot: Path) -> None:
    """Write both files again."""
    document = with_results(DOCUMENT.read_text(encoding="utf-8"), snapshot)
    DOCUMENT.write_text(document, encoding="utf-8")
    os.environ[SNAPSHOT_VARIABLE] = str(snapshot)
    made = notebook(document)
    execute(made)
    text = json.dumps(made, ensure_ascii=False, indent=1)
    NOTEBOOK.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
