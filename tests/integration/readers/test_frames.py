"""The lines of the README that read the snapshot into data frames."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from tests.integration.readers.conftest import CORRECTED, DAY

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
LINES = {
    name: line.strip()
    for line, name in re.findall(
        r"^ {4}(.*\S) +# (pandas|Polars|Arrow|Ibis)$", README, re.MULTILINE
    )
}
MODULES = {"pandas": "pandas", "Polars": "polars", "Arrow": "pyarrow", "Ibis": "ibis"}
ROWS = {
    "pandas": lambda frame: frame.to_dict("records"),
    "Polars": lambda frame: frame.to_dicts(),
    "Arrow": lambda table: table.to_pylist(),
    "Ibis": lambda table: table.execute().to_dict("records"),
}


# Ibis 12 uses what DuckDB 2 and pandas 3 deprecate.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", MODULES)
def test_line_of_the_readme_reads_every_article_with_its_day(name, desk, monkeypatch):
    module = pytest.importorskip(MODULES[name])
    (opened,) = re.findall(r"^ {4}news = (.*)$", README, re.MULTILINE)
    monkeypatch.chdir(desk.folder)
    names = {"duckdb": duckdb, "ibis": module}

    with eval(opened, names) as news:  # noqa: S307  # our own README
        rows = ROWS[name](eval(LINES[name], {**names, "news": news}))  # noqa: S307
        ((count,),) = news.sql("SELECT count(*) FROM articles").fetchall()
    found = {row["article_id"]: row for row in rows}

    assert len(rows) == count
    assert found[CORRECTED]["title"] == "今日降准"
    assert str(found[CORRECTED]["published_on"])[:10] == str(DAY)
    assert list(found[CORRECTED]["authors"]) == ["示例"]
