"""Interrupted maintenance, and secrets in its messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from flows.admin import join_archive, maintenance_tasks
from flows.admin import maintenance as admin_maintenance
from flows.maintenance import maintenance
from tests.e2e.serving import bare_environment
from warehouse import connect, transaction
from warehouse.care import compact, retention, snapshot
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import NewChunk

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("prefect_server")]

DAY = 86_400
TASKS = ("rows", "snapshots", "warehouse", "checkpoints", "files", "archive", "old archive")
FILE_BY_FILE = ("archive", "old archive")
IN_THE_MIDDLE = {
    "rows": (retention, "delete_old_fetches"),
    "files": (join_archive, "finish_joins"),
    "snapshots": (snapshot, "publish"),
    "warehouse": (compact, "_rewrite"),
    "checkpoints": (backfill_chunks, "delete_old_plans"),
    "archive": (maintenance_tasks, "scan_records"),
    "old archive": (maintenance_tasks, "_move"),
}
"""Of each task, the function that runs when the signal comes."""


def run(project, **options):
    state = maintenance(config=str(project.config), return_state=True, **options)
    return state, state.result(raise_on_failure=False)


@pytest.fixture
def due(project, tmp_path, monkeypatch):
    """A project that has work for each task, and ``maintain`` to run it."""
    for _ in range(2):
        project.sync("ofweek")
    with connect(project.settings.warehouse.path) as db, transaction(db):
        db.execute("UPDATE _store.fetches SET fetched_at = fetched_at - INTERVAL 400 DAY")
        one = NewChunk(kind="fetch_entries", description="x", spec="[]")
        old = db.execute("SELECT now() - INTERVAL 60 DAY").fetchall()[0][0]
        backfill_chunks.add(db, "old", "ofweek", [one], run_id="r", at=old)
    for number, file in enumerate(sorted(project.settings.archive.path.glob("*.warc.gz"))):
        more = file.with_name(f"another-{number}.warc.gz")
        more.write_bytes(file.read_bytes())
        for each in (file, more):
            os.utime(each, (time.time() - 40 * DAY,) * 2)
    project.maintain = lambda: run(
        project,
        fetch_retention_days=365,
        move_archive_days=30,
        move_archive_to=str(tmp_path / "far"),
    )
    return project


def with_a_signal(monkeypatch, thing):
    """Send SIGTERM once while that task runs."""
    owner, name = IN_THE_MIDDLE[thing]
    work, came = getattr(owner, name), []

    def work_under_a_signal(*args, **options):
        if not came:
            came.append(thing)
            os.kill(os.getpid(), signal.SIGTERM)
        return work(*args, **options)

    monkeypatch.setattr(owner, name, work_under_a_signal)
    return came


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(one, marks=() if one in ("warehouse", "archive") else pytest.mark.nightly)
        for one in TASKS
    ],
)
def test_interrupted_maintenance_lists_what_remains_and_the_next_one_does_it(
    due, monkeypatch, thing
):
    before = due.rows("SELECT * FROM articles ORDER BY article_id")
    came = with_a_signal(monkeypatch, thing)

    state, found = due.maintain()

    assert came == [thing]
    later = [*TASKS[TASKS.index(thing) + 1 :]]
    assert found.remaining == [f"the rest of {one}" for one in FILE_BY_FILE if one == thing] + later
    assert set(found.done) == {*TASKS} - {*later}
    assert found.errors == []
    if found.remaining:
        assert state.is_cancelled()
        assert all(output in state.message for output in found.remaining)
    assert due.rows("SELECT * FROM articles ORDER BY article_id") == before

    state, found = due.maintain()

    assert (state.is_completed(), found.remaining, found.errors) == (True, [], [])
    assert set(found.done) == {*TASKS}
    assert due.rows("SELECT * FROM articles ORDER BY article_id") == before
    files = [*due.settings.archive.path.glob("*.warc.gz")]
    assert len(files) > 1
    assert all(file.is_symlink() and file.exists() for file in files)
    half_done = [
        file for pattern in ("*.part", "*.compacting*", "*.link", ".verifying")
        for file in due.folder.rglob(pattern)
    ]  # fmt: skip
    assert half_done == []


def a_long_query(db, _name):
    """Run a query in DuckDB that takes longer than any test, as for a large warehouse."""
    db.execute("SELECT sum(hash(a.range) % 7) FROM range(1000000000) a, range(1000000000)")


def test_task_that_takes_too_long_is_cut_and_the_warehouse_is_unchanged(due, monkeypatch):
    monkeypatch.setattr(admin_maintenance, "SHUTDOWN_SECONDS", 0.3)
    before = due.rows("SELECT * FROM articles ORDER BY article_id")
    pages = due.rows("SELECT count(*) FROM fetches")
    with_a_signal(monkeypatch, "warehouse")
    with monkeypatch.context() as patch:
        patch.setattr(compact, "fingerprint", a_long_query)

        state, found = due.maintain()

    assert state.is_cancelled(), state
    assert found.remaining == ["warehouse", "checkpoints", "files", "archive", "old archive"]
    assert not [*due.folder.glob("*.compacting*")]
    assert due.rows("SELECT * FROM articles ORDER BY article_id") == before
    assert due.rows("SELECT count(*) FROM fetches") == pages
    state, found = due.maintain()
    assert (state.is_completed(), set(found.done)) == (True, {*TASKS})


def test_run_of_the_deployment_that_is_interrupted_is_cancelled(project, prefect_server):
    """As `serve` carries it out and ends it: in a process of its own, by SIGTERM."""
    from prefect.client.orchestration import get_client

    from flows.maintenance import maintenance as maintenance_flow

    project.sync("ofweek")
    with get_client(sync_client=True) as client:
        deployment = maintenance_flow.to_deployment(
            "tried", parameters={"config": str(project.config)}, entrypoint_type="module-path"
        ).apply()
        made = client.create_flow_run_from_deployment(deployment)
        environ = {"PREFECT_API_URL": prefect_server, "PREFECT__FLOW_RUN_ID": str(made.id)}
        lock = project.settings.warehouse.path.parent / "locks" / "maintenance.lock"
        # Snapshots wait for the writer, so that maintenance is in the middle of them.
        with connect(project.settings.warehouse.path):
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect.engine"],
                env=bare_environment() | environ, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                deadline = time.monotonic() + 120
                while not (lock.exists() and lock.stat().st_size):
                    assert process.poll() is None, process.communicate()[0]
                    assert time.monotonic() < deadline
                    threading.Event().wait(0.05)
                process.send_signal(signal.SIGTERM)
                threading.Event().wait(1.0)
            except BaseException:
                process.kill()
                raise
        output, _ = process.communicate(timeout=60)
        state = client.read_flow_run(made.id).state
        client.delete_deployment(deployment)

    assert state.is_cancelled(), (state, output)
    assert state.message.startswith("interrupted; the next maintenance does: ")
    assert "archive" in state.message


# --- secrets -----------------------------------------------------------------------------------

PLANTED = "http://project:planted-secret@127.0.0.1:9/api/x?token=planted-secret"


@pytest.mark.parametrize("kind", [OSError, maintenance_tasks.RunFailed])
def test_secrets_in_messages_of_a_task_are_redacted_everywhere(project, monkeypatch, kind, capfd):
    from prefect.client.orchestration import get_client

    def fail(*_args, **_options):
        raise kind(f"{PLANTED} does not answer")

    monkeypatch.setattr(maintenance_tasks, "clean_snapshots", fail)
    monkeypatch.setattr(
        maintenance_tasks, "delete_old_checkpoints", lambda *_args, **_options: f"asked {PLANTED}"
    )

    state, found = run(project)

    with get_client(sync_client=True) as client:
        kept = [one for one in client.read_artifacts() if one.key == "copydesk-maintenance"]
        log = client.read_logs()
    assert "//***@127.0.0.1:9" in state.message
    assert any("//***@127.0.0.1:9" in str(one.data) for one in kept)
    output = f"{state} {found} {found.as_json()} {kept} {log} {capfd.readouterr()}"
    assert "planted-secret" not in output
