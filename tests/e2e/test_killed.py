"""A run killed in each stage: nothing lost, nothing doubled, and words that say what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import site
from tests.e2e.serving import bare_environment
from warehouse import connect_read_only

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# Stage, what is called there, at which call, before or after it is done; what is stored then.
STAGES = [
    ("discover", "flows.pipeline.discover:_take_answer", 1, "after", "nothing"),
    ("fetch", "flows.pipeline.steps:_take_result", 3, "before", "nothing"),
    ("read", "flows.pipeline.rows:article_row", 3, "after", "nothing"),
    ("read, second batch", "flows.pipeline.rows:article_row", 6, "after", "a batch"),
    (
        "store, before the commit",
        "warehouse.upsert.articles:upsert_articles",
        2,
        "after",
        "a batch",
    ),
    (
        "store, after the commit",
        "flows.pipeline.stats:SourceStats.mark_counted",
        1,
        "after",
        "a batch",
    ),
    ("finish", "warehouse.records.runs:finish_run", 1, "before", "everything"),
    ("publish", "warehouse.care.snapshot:_swap", 1, "before", "everything"),
    ("tell", "flows.reporting.events:events_of", 1, "before", "everything"),
]
BATCH = 4


def kill_at(desk, server, where, call, when):
    """Run a sync of ofweek in a process of its own, to its death."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_run",
         str(desk.config), "ofweek", where, str(call), when],
        env=bare_environment() | {"PREFECT_API_URL": server, "PYTHONPATH": str(ROOT)},
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (-9, f"killed {when} {where}\n"), done.stderr


@pytest.mark.parametrize(
    ("where", "call", "when", "stored"),
    [pytest.param(*rest, id=stage) for stage, *rest in STAGES],
)
def test_run_killed_in_a_stage_is_ended_and_done_by_the_next(
    desk, prefect_server, where, call, when, stored
):
    text = desk.config.read_text(encoding="utf-8") + f"\n[run]\nbatch_size = {BATCH}\n"
    desk.config.write_text(text, encoding="utf-8")
    truth = site.truth(1).of("ofweek", "direct")

    kill_at(desk, prefect_server, where, call, when)

    with connect_read_only(desk.settings.warehouse.path) as db:
        (kept,) = db.execute("SELECT count(*) FROM articles").fetchone()
    assert kept == {"nothing": 0, "a batch": BATCH, "everything": len(truth)}[stored]

    report = desk.sync("ofweek")

    assert report.exit_code == 0, report.errors
    totals = report.totals()
    assert totals["new"] + kept == len(truth)
    rows = desk.rows("SELECT source_article_id, title, text, revision_count FROM articles")
    assert len(rows) == len(truth)
    assert [truth[one].differs_from(title, words) for one, title, words, _ in rows] == [""] * len(
        rows
    )
    assert {revisions for *_, revisions in rows} == {1}
    runs = desk.rows(
        "SELECT state, array_to_string(messages, chr(10)) FROM runs ORDER BY started_at"
    )
    if when == "before" and where.startswith(("warehouse.care.snapshot", "flows.reporting")):
        assert [state for state, _ in runs] == ["completed", "completed"]
    else:
        assert runs[0] == (
            "crashed", "the process ended without a message; its complete batches are stored",
        )  # fmt: skip
    (words,) = [words for words in desk.said if "Crashed" in words]
    assert words == (
        "sync ofweek: set to Crashed in Prefect, because the process was gone; what such a run "
        "had stored stays stored, and the next run of its kind goes on from there"
    )
