"""A run that is killed in one of its stages: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.pipeline import discover, rows, steps
from flows.pipeline.stats import SourceStats
from flows.reporting import events
from tests import site
from tests.e2e.serving import bare_environment
from warehouse import connect_read_only
from warehouse.care import snapshot
from warehouse.records import runs
from warehouse.upsert import articles

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
BATCH = 4
ORACLE = site.oracle(1).of("ofweek", "direct")
STORED = {"nothing": 0, "a batch": BATCH, "everything": len(ORACLE)}
# Stage, the function in which its process dies, the call, before or after it; stored articles.
STAGES = [
    ("parse, second batch", rows.article_row, 6, "after", "a batch"),
    ("load, before the commit", articles.upsert_articles, 2, "after", "a batch"),
    ("finish", runs.finish_all, 1, "before", "everything"),
]
NIGHTLY_STAGES = [
    ("discover", discover._Discovery._read_listing, 1, "after", "nothing"),
    ("fetch", steps._take_response, 3, "before", "nothing"),
    ("parse", rows.article_row, 3, "after", "nothing"),
    ("load, after the commit", SourceStats.mark_counted, 1, "after", "a batch"),
    ("publish", snapshot._swap, 1, "before", "everything"),
    ("send events", events.events_of, 1, "before", "everything"),
]


def kill_at(project, server, function, call, when):
    """Run a sync of ofweek in a process of its own, until it is killed."""
    where = f"{function.__module__}:{function.__qualname__}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed_run",
         str(project.config), "ofweek", where, str(call), when],
        env=bare_environment() | {"PREFECT_API_URL": server, "PYTHONPATH": str(ROOT)},
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (-9, f"killed {when} {where}\n"), done.stderr


@pytest.mark.parametrize(
    ("function", "call", "when", "stored"),
    [
        *(pytest.param(*rest, id=stage) for stage, *rest in STAGES),
        *(
            pytest.param(*rest, id=stage, marks=pytest.mark.nightly)
            for stage, *rest in NIGHTLY_STAGES
        ),
    ],
)
def test_run_killed_in_a_stage_is_completed_by_the_next(
    project, prefect_server, function, call, when, stored
):
    text = project.config.read_text(encoding="utf-8") + f"\n[run]\nbatch_size = {BATCH}\n"
    project.config.write_text(text, encoding="utf-8")

    kill_at(project, prefect_server, function, call, when)

    with connect_read_only(project.settings.warehouse.path) as db:
        (kept,) = db.execute("SELECT count(*) FROM articles").fetchone()
    assert kept == STORED[stored]

    report = project.sync("ofweek")

    assert report.exit_code == 0, report.errors
    assert report.totals()["new"] + kept == len(ORACLE)
    found = project.rows("SELECT source_article_id, title, text, revision_count FROM articles")
    assert len(found) == len(ORACLE)
    assert {ORACLE[one].differs_from(title, text) for one, title, text, _ in found} == {""}
    assert {revisions for *_, revisions in found} == {1}
    is_stored_whole = function in (snapshot._swap, events.events_of)
    states = project.rows("SELECT state FROM runs ORDER BY started_at")
    assert states == [("completed" if is_stored_whole else "crashed",), ("completed",)]
