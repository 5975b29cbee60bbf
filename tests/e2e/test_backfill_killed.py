"""A backfill that is killed with SIGKILL, and the same backfill after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.pipeline.backfill_context import BackfillContext, entries_of
from flows.pipeline.date_range import parse_request
from tests.e2e.backfill_helpers import window
from tests.e2e.project import Project, open_project
from tests.site import Fault
from warehouse import connect
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import Chunk

pytestmark = pytest.mark.e2e

DAYS = window("2022-03-01", "2022-03-31")
NIGHTLY = pytest.mark.nightly
KILLS = (pytest.param(0, marks=NIGHTLY), 8, pytest.param(16, marks=NIGHTLY))
"""After so many articles: while it lists, and while it fetches."""


@pytest.fixture
def project(tmp_path):
    with open_project(tmp_path) as made:
        yield made


@pytest.mark.parametrize("done", KILLS)
def test_killed_backfill_repeats_no_finished_chunk(project, monkeypatch, done):
    monkeypatch.setattr(BackfillContext, "entries_per_chunk", 4)
    project.faults["/NewsData"] = Fault(delay_seconds=0.05)
    kill_after(project, done)
    chunks, stored = stored_state(project)
    finished = entries(chunks, is_done=True)
    assert len(finished) >= done
    assert stored <= set(finished)
    assert any(chunk.state == "waiting" for chunk in chunks)
    project.news_site.clear_requests()

    report = project.fill("finews", **DAYS)

    fetched = {f"{project.news_site.url}{one.target}" for one in project.news_site.requests}
    # Two ids of one article share a URL, which may be in a chunk that was not done.
    repeated = fetched & (set(finished.values()) - set(entries(chunks, is_done=False).values()))
    assert repeated == set()
    assert report.state in ("completed", "completed_with_warnings")
    assert project.progress[0][1] == len(finished)
    ((count, distinct),) = project.rows("SELECT count(*), count(DISTINCT article_id) FROM articles")
    assert count == distinct > len(stored)
    states = project.rows("SELECT state FROM runs ORDER BY started_at")
    assert states == [("crashed",), (report.state,)]


def kill_after(project: Project, done: int) -> None:
    """Run a backfill in another process; kill it when it has finished that many articles."""
    script = Path(__file__).with_name("killed_backfill.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(project.config), "finews", "2022-03-01", "2022-03-31"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        finished, planned = map(int, line.split())
        if planned and finished >= done:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()


def stored_state(project: Project) -> tuple[list[Chunk], set[str]]:
    """The chunks of the plan, and the ids of the stored articles."""
    plan = parse_request(project.settings, "finews", **DAYS).plan
    with connect(project.settings.warehouse.path) as db:
        chunks = backfill_chunks.chunks_of_plan(db, plan)
        return chunks, {one for (one,) in db.execute("SELECT article_id FROM articles").fetchall()}


def entries(chunks: list[Chunk], *, is_done: bool) -> dict[str, str]:
    """The URLs of the entries in chunks that are done or not, by article id."""
    return {
        f"finews:{entry.source_article_id}": entry.url
        for chunk in chunks
        if chunk.kind == "fetch_entries" and (chunk.state == "done") == is_done
        for entry in entries_of(chunk)
    }
