"""``copydesk maintenance``: the tasks of the flow, without Prefect."""

import json
import os
import signal

import pytest

from flows.admin import maintenance_tasks
from flows.pipeline import locks

TASKS = ["rows", "snapshots", "warehouse", "checkpoints", "files", "archive"]


@pytest.fixture
def maintain(project, run_cli):
    """Run the command; return its exit code and its document."""

    def run(*options):
        code, out, _ = run_cli("--config", project.config, "--json", "maintenance", *options)
        return code, json.loads(out)

    return run


def test_every_task_runs_and_the_articles_stay(project, maintain, tmp_path):
    project.sync("ofweek", limit=3)
    before = project.rows("SELECT * FROM articles ORDER BY article_id")

    code, done = maintain()

    assert (code, done["state"], done["errors"], done["remaining"]) == (0, "completed", [], [])
    assert list(done["done"]) == TASKS
    assert project.rows("SELECT * FROM articles ORDER BY article_id") == before

    far = tmp_path / "far"
    for file in project.settings.archive.path.glob("*.warc.gz"):
        os.utime(file, (0, 0))
    code, done = maintain("--no-verify", "--move-archive-days", "30", "--move-archive-to", far)

    assert code == 0
    assert list(done["done"]) == [*TASKS[:-1], "old archive"]
    assert [file.suffix for file in far.rglob("*.gz")]


def test_failed_task_does_not_stop_the_others(project, maintain, monkeypatch):
    def fail(_settings):
        raise OSError("planted")

    monkeypatch.setattr(maintenance_tasks, "clean_snapshots", fail)

    code, done = maintain()

    assert (code, done["state"], len(done["errors"])) == (1, "failed", 1)
    assert done["errors"][0].startswith("snapshots: ")
    assert set(done["done"]) == set(TASKS) - {"snapshots"}


def test_interrupted_maintenance_lists_what_remains(project, maintain, monkeypatch):
    def stop(_settings):
        os.kill(os.getpid(), signal.SIGTERM)
        return "cleaned"

    monkeypatch.setattr(maintenance_tasks, "clean_snapshots", stop)

    code, done = maintain()

    assert (code, done["state"]) == (130, "interrupted")
    assert list(done["done"]) == TASKS[:2]
    assert done["remaining"] == TASKS[2:]


def test_second_maintenance_at_the_same_time_is_refused(project, maintain):
    with locks.acquire(project.settings, "maintenance", flow="maintenance", run_id="first"):
        code, done = maintain()

    assert (code, done["exit_code"]) == (1, 1)
    assert "first" in done["error"]


def test_one_of_two_options_that_belong_together_is_a_usage_error(maintain):
    code, done = maintain("--move-archive-days", "30")

    assert (code, done["exit_code"]) == (2, 2)
