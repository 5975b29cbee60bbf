"""The commands backfill, reparse, quarantine and gaps."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows import cli
from flows.cli.progress import ProgressLines
from tests.site import Fault
from warehouse import connect, publish, transaction
from warehouse.records import gaps
from warehouse.rows import NewGap

pytestmark = pytest.mark.e2e

COUNTERS = [
    "source", "discovered", "fetched", "not_modified", "new", "updated", "unchanged",
    "duplicate", "quarantined", "failed", "suppressed", "skipped", "gaps", "seconds",
]  # fmt: skip


@pytest.fixture
def run_cli(project, capfd, prefect_server, monkeypatch):
    """Type a command at the project: exit code, stdout, stderr."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)

    def run(*arguments):
        code = cli.run(["--config", str(project.config), *(str(word) for word in arguments)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_backfill_prints_the_json_of_a_run(run_cli):
    code, out, err = run_cli(
        "--json", "backfill", "ofweek", "--from", "2021-05-20", "--to", "2021-05-30"
    )

    report = json.loads(out)
    # OFweek's list names no days: how far back it goes cannot be reported
    assert code == 3, out + err
    assert list(report)[:5] == ["run_id", "flow", "state", "sources", "totals"]
    assert report["flow"] == "backfill"
    assert list(report["sources"][0]) == COUNTERS
    assert report["totals"]["new"] > 5


def test_backfill_shows_how_far_it_is_and_a_table(run_cli):
    code, out, err = run_cli(
        "backfill", "woshipm_direct", "--from", "2022-03-20", "--to", "2022-03-24"
    )

    assert code == 0
    far = [line for line in err.splitlines() if line.startswith("woshipm_direct: ")]
    assert 2 <= len(far) <= 3
    assert re.fullmatch(r"woshipm_direct: (\d+) of \1, [\d.]+ a second", far[-1])
    assert "total" in out
    assert "backfill completed (run " in out


def test_backfill_takes_addresses_from_a_pipe_and_from_a_file(run_cli, project, monkeypatch):
    link = "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556"
    text = f"# links\n\n{link}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    file = project.folder / "links.txt"
    file.write_text("\ufeff" + text, encoding="utf-8")

    code, out, _ = run_cli("--json", "backfill", "finews", "--urls", "-")
    again, second, _ = run_cli("backfill", "finews", "--urls", file)

    assert (code, json.loads(out)["totals"]["new"]) == (0, 1)
    assert again == 0
    assert "--restart does it again" in second


def test_dry_run_names_the_addresses(run_cli):
    code, out, _ = run_cli(
        "backfill", "woshipm_direct", "--from", "2022-03-20", "--to", "2022-03-24", "--dry-run"
    )

    assert code == 0
    assert "would fetch http://127.0.0.1" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["finews"], "found none of them"),
        (
            ["finews", "--from", "2022-03-14", "--to", "2022-03-01"],
            "that ends on or after its first day",
        ),
        (["finews", "--from", "2022-03-14"], "only the first"),
        (["finew", "--from", "2022-03-14", "--to", "2022-03-15"], "did you mean 'finews'"),
        (["finews", "--from", "yesterday", "--to", "2022-03-15"], "yesterday"),
        (["finews", "--urls", "/nowhere/at/all"], "does not exist"),
        (["finews", "--urls", os.devnull], "found none in"),
        (["finews", "--archive", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_invalid_request_exits_2_and_nothing_runs(run_cli, project, arguments, expected):
    code, _, err = run_cli("backfill", *arguments)

    assert code == 2
    assert expected in err
    assert project.news_site.requests == ()


def test_ctrl_c_is_exit_code_130_and_state_is_kept(project, faults, prefect_server):
    faults["/2021-05"] = Fault(delay_seconds=0.2)
    faults["/news"] = Fault(delay_seconds=0.2)
    arguments = ["backfill", "ofweek", "--from", "2021-05-20", "--to", "2021-05-30"]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "--config", str(project.config), "--json", *arguments],
        env=os.environ
        | {"PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_API_URL": prefect_server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("ofweek: 0 of 11"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert json.loads(out)["state"] == "interrupted"
    assert "stopping after the current batch" in err
    assert project.rows("SELECT state FROM runs") == [("interrupted",)]


def test_reparse_diff_is_0_when_nothing_got_worse(run_cli, project):
    project.sync("ofweek")

    code, out, _ = run_cli("--json", "reparse", "--source", "ofweek", "--diff")

    report = json.loads(out)
    assert (code, report["regressions"], report["changes"]) == (0, 0, [])


def test_quarantine_is_listed_shown_and_replayed(run_cli, project):
    project.sync("finews")

    code, out, _ = run_cli("--json", "quarantine", "list", "--source", "finews")
    listed = json.loads(out)["quarantine"]
    assert code == 3
    assert {one["reason"] for one in listed} == {"incomplete_article"}

    code, out, _ = run_cli("--json", "quarantine", "list", "--reason", "layout_changed")
    assert (code, json.loads(out)["quarantine"]) == (0, [])

    file = project.folder / "page"
    code, out, _ = run_cli("quarantine", "show", listed[0]["id"][:8], "--page", file)
    assert code == 0
    assert listed[0]["message"].splitlines()[0] in out
    assert len(file.read_bytes()) == listed[0]["bytes"]

    code, _, err = run_cli("quarantine", "show", "zzzz")
    assert code == 2
    assert "found 0" in err

    code, out, _ = run_cli("--json", "quarantine", "replay", listed[0]["id"])
    assert code == 3
    assert json.loads(out)["flow"] == "replay"
    assert json.loads(out)["totals"]["discovered"] == 1


@pytest.mark.parametrize("arguments", [["quarantine", "list"], ["gaps"]], ids=" ".join)
def test_source_that_is_not_configured_gets_a_hint(run_cli, project, arguments):
    project.sync("ofweek")

    code, out, err = run_cli(*arguments, "--source", "finew")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "'finew'" in err
    assert "finews, " in err

    _, _, err = run_cli(*arguments, "--source", "finews")
    assert "none of the configured" not in err


def test_replay_of_nothing_prints_that_nothing_is_open(run_cli, project):
    project.sync("ofweek")

    code, _, err = run_cli("quarantine", "replay", "--reason", "bad_listing", "--source", "ofweek")

    assert code == 0
    assert "ofweek" in err
    assert "bad_listing" in err


def test_gaps_are_listed(run_cli, project):
    project.sync("ofweek")
    assert run_cli("gaps")[:2] == (0, "no gaps\n")
    now = datetime(2022, 3, 14, tzinfo=UTC)
    with connect(project.settings.warehouse.path) as db:
        with transaction(db):
            row = NewGap(
                source="ofweek", channel="news", from_at=None, to_at=now, detected_by="none known"
            )
            gaps.open_gap(db, row, run_id="r")
        publish(db, project.settings.warehouse.snapshot)

    code, out, _ = run_cli("--json", "gaps")

    (gap,) = json.loads(out)["gaps"]
    assert code == 3
    assert (gap["channel"], gap["to"], gap["detected_by"]) == (
        "news", "2022-03-14T00:00:00+00:00", "none known"
    )  # fmt: skip
    assert run_cli("gaps", "--source", "finews")[0] == 0
    assert run_cli("gaps", "--closed")[0] == 0


@pytest.fixture
def lines():
    """Lines of progress with a fake clock: (lines, now, output)."""
    output, now = [], [0.0]
    return ProgressLines(output.append, clock=lambda: now[0]), now, output


def test_lines_show_rate_and_remaining_time(lines):
    shown, now, output = lines

    shown.advance("finews", 100, 3000)
    now[0] = 30.0
    shown.advance("finews", 400, 3000)

    assert output == [
        "finews: 100 of 3000",
        "finews: 400 of 3000, 10.0 a second, 4 minutes left",
    ]


def test_lines_come_when_time_has_passed_and_a_tenth_is_done_and_at_the_end(lines):
    shown, now, output = lines

    for done in range(601):  # two a second, so 5 minutes
        now[0] = done / 2
        shown.advance("fast", done, 600)
    assert [one.split(",")[0] for one in output] == [
        f"fast: {done} of 600" for done in range(0, 601, 60)
    ]

    output.clear()
    for done in range(31):  # one a minute: a tenth takes longer than 30 seconds
        now[0] += 60.0
        shown.advance("slow", done, 30)
    assert len(output) == 11

    output.clear()
    shown.advance("short", 0, 40)
    shown.advance("short", 39, 40)
    shown.advance("short", 40, 40)
    assert output == ["short: 0 of 40"]
    shown.end()
    assert output == ["short: 0 of 40", "short: 40 of 40"]
    shown.end()
    assert len(output) == 2


def test_source_with_nothing_to_do_has_no_line(lines):
    shown, _, output = lines

    shown.advance("finews", 0, 0)
    shown.end()

    assert output == []
