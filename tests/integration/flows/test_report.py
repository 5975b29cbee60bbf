"""``copydesk report``: one file, written as a whole, from the snapshot only."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from flows import cli
from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, migrate, publish, transaction
from warehouse.migrate import migrations


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose warehouse has one article, which is in the snapshot."""
    folder = tmp_path_factory.mktemp("desk")
    file = folder / "copydesk.toml"
    file.write_text(
        '[warehouse]\npath = "copydesk.duckdb"\nsnapshot = "copydesk.read.duckdb"\n'
        '[defaults]\ntime_zone = "Asia/Shanghai"\n',
        encoding="utf-8",
    )
    with connect(folder / "copydesk.duckdb") as db:
        upsert(db, article(1))
        publish(db, folder / "copydesk.read.duckdb")
    return file


def run(config: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    code = cli.run(["--config", str(config), "--json", "report", str(out)])
    return code, json.loads(capsys.readouterr().out)


def test_report_is_one_complete_file_and_replaces_an_earlier_one(config, tmp_path, capsys):
    out = tmp_path / "out" / "report.html"
    out.parent.mkdir()
    out.write_text("an earlier report", encoding="utf-8")

    code, document = run(config, out, capsys)

    assert code == 0
    assert document == {"path": str(out), "bytes": out.stat().st_size, "articles": 1}
    page = BeautifulSoup(out.read_bytes(), "lxml")
    assert page.select_one("#overview .card dd").get_text() == "1"
    assert "Asia/Shanghai" in page.select_one(".masthead .meta").get_text()
    assert [one.name for one in out.parent.iterdir()] == ["report.html"]


def test_a_run_in_progress_and_a_report_do_not_wait_for_each_other(config, tmp_path, capsys):
    with connect(config.with_name("copydesk.duckdb")) as db, transaction(db):
        db.execute("DELETE FROM _store.gaps")
        code, document = run(config, tmp_path / "report.html", capsys)

    assert (code, document["articles"]) == (0, 1)


def test_a_link_stays_and_its_target_is_replaced(config, tmp_path, capsys):
    target, link = tmp_path / "report-1.html", tmp_path / "report.html"
    target.write_text("", encoding="utf-8")
    link.symlink_to(target)

    assert run(config, link, capsys)[0] == 0
    assert link.is_symlink()
    assert target.stat().st_size > 1000


@pytest.mark.parametrize("place", ["", "missing/report.html", "pipe"])
def test_a_folder_a_missing_folder_and_a_pipe_are_refused(config, tmp_path, capsys, place):
    if place == "pipe":
        os.mkfifo(tmp_path / place)

    code, document = run(config, tmp_path / place, capsys)

    assert (code, document["exit_code"]) == (2, 2)


def test_a_report_that_cannot_be_made_leaves_the_earlier_one(config, tmp_path, capsys, monkeypatch):
    out = tmp_path / "report.html"
    out.write_text("an earlier report", encoding="utf-8")
    monkeypatch.setenv("COPYDESK_WAREHOUSE__SNAPSHOT", str(tmp_path / "none.duckdb"))

    assert run(config, out, capsys)[0] == 1
    assert out.read_text(encoding="utf-8") == "an earlier report"


def test_a_snapshot_of_an_earlier_copydesk_is_an_error_that_names_the_remedy(
    config, tmp_path, capsys, monkeypatch
):
    later = replace(migrations()[-1], version=migrations()[-1].version + 1)
    monkeypatch.setattr(migrate, "migrations", lambda: (*migrations(), later))

    code, document = run(config, tmp_path / "report.html", capsys)

    assert code == 1
    assert "copydesk sync" in document["error"]
    assert not (tmp_path / "report.html").exists()
