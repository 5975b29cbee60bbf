"""Stored text with line breaks and control characters forges no line of an output or a log."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows import cli, settings
from flows.admin.check import CheckResult
from flows.admin.check_sources import SourceCheck
from flows.admin.erasure import ErasureRequest, ErasureResult
from flows.cli.console import Console
from flows.cli.run_result import print_run
from flows.import_export.export_posts import ExportReport
from flows.import_export.write_files import ExportResult
from flows.pipeline.run_log import logger
from flows.pipeline.stats import Problem, RunReport, SourceStats
from parsers.errors import IncompleteArticle
from warehouse import connect, transaction
from warehouse.care import snapshot
from warehouse.care.erasure import ErasedRows
from warehouse.records import gaps, quarantine
from warehouse.rows import NewGap, NewQuarantineEntry

EVIL = "1\nFORGED: all is well\r\x1b[2J\x9b2J\u2028FORGED\u202e"
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def assert_no_forged_line(text: str) -> None:
    assert "FORGED" in text
    assert not [line for line in text.splitlines() if line.startswith("FORGED")]
    assert not set(text) & set("\r\x1b\x9b\u2028\u202e")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """A warehouse whose quarantine and gaps hold hostile text in every field."""
    folder = tmp_path_factory.mktemp("evil")
    (folder / "copydesk.toml").write_text("")
    chosen = settings.load(folder / "copydesk.toml", {})
    failure = NewQuarantineEntry(
        source=EVIL, channel=EVIL, url=EVIL, article_id=EVIL, reason=EVIL, message=EVIL,
        expected=EVIL, found=EVIL, page=EVIL.encode(), content_type=EVIL, listing_entry="",
        fetched_at=NOON, parser=EVIL, parser_version=EVIL,
    )  # fmt: skip
    gap = NewGap(source=EVIL, channel=EVIL, from_at=NOON, to_at=NOON, detected_by=EVIL)
    with connect(chosen.warehouse.path) as db:
        with transaction(db):
            quarantine.put(db, [failure], run_id="run")
            gaps.open_gap(db, gap, run_id="run")
        snapshot.publish(db, chosen.warehouse.snapshot)
    return folder / "copydesk.toml"


@pytest.mark.parametrize("arguments", [["quarantine", "list"], ["gaps"]], ids=" ".join)
def test_listing_has_one_line_for_each_row(config, capfd, arguments):
    cli.run([*arguments, "--config", str(config)])

    out = capfd.readouterr().out
    assert_no_forged_line(out)
    assert len(out.splitlines()) == 2


def test_failure_is_shown_with_its_lines_indented(config, capfd):
    cli.run(["quarantine", "list", "--json", "--config", str(config)])
    (failure,) = json.loads(capfd.readouterr().out)["quarantine"]

    cli.run(["quarantine", "show", failure["id"], "--config", str(config)])

    assert failure["article_id"] == EVIL
    assert_no_forged_line(capfd.readouterr().out)


def test_result_of_a_run_has_one_line_for_each_error(capsys):
    stats = SourceStats(source="feed")
    stats.fail(EVIL, Problem("page", EVIL, cause=EVIL))
    stats.quarantine(str(IncompleteArticle(EVIL)))
    stats.warnings.append(EVIL)
    report = RunReport(run_id="1", flow="sync", state="completed_with_warnings", stats=(stats,))

    print_run(Console(), report)
    Console().print_lines(report.warnings)

    assert_no_forged_line(capsys.readouterr().out)


@pytest.mark.parametrize(
    "text",
    [
        str(CheckResult("warehouse", "ok", EVIL)),
        str(
            SourceCheck(
                source="a", parser="feed", listings=1, entries=1, bad_entries=0, sample=EVIL,
                errors=(EVIL,),
            )
        ),
        ErasureResult(
            request=ErasureRequest(article_ids=(EVIL,)),
            removed=ErasedRows(),
            absent={EVIL: False},
            remaining=[EVIL],
        ).message(),
        ExportReport(
            articles=1,
            exported=ExportResult(missing=[EVIL], extra=[EVIL], differences={EVIL: EVIL}),
            directory=Path("out"),
            is_check=True,
        ).message(),
    ],
    ids=["doctor", "sources check", "erase", "export"],
)  # fmt: skip
def test_report_has_one_line_for_each_object(text):
    assert_no_forged_line(text)


def test_log_has_one_line_for_each_message(caplog):
    with caplog.at_level(logging.INFO, "copydesk"):
        logger.info("%s listed", EVIL)

    assert_no_forged_line(caplog.messages[0])
