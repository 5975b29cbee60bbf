"""Maintenance: deletes old data, keeps the rest, reports both."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from flows.admin import maintenance_tasks
from flows.import_posts import import_posts
from flows.maintenance import maintenance
from flows.pipeline import locks
from warehouse import connect, transaction
from warehouse.records import backfill_chunks
from warehouse.records.backfill_chunks import NewChunk

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("prefect_server")]

DAY = 86_400


def run(project, **options):
    state = maintenance(config=str(project.config), return_state=True, **options)
    return state, state.result(raise_on_failure=False)


def age(file, days):
    then = time.time() - days * DAY
    os.utime(file, (then, then), follow_symlinks=False)


def test_maintenance_of_nothing_is_done_at_once(project):
    project.settings.warehouse.path.unlink()
    state, found = run(project)

    assert state.is_completed()
    assert found.errors == []
    assert found.done["warehouse"] == "there is no warehouse yet"


def test_every_task_runs_and_the_corpus_stays(project):
    project.sync("ofweek")
    before = project.rows("SELECT * FROM articles ORDER BY article_id")
    for file in project.settings.archive.path.glob("*.warc.gz"):
        age(file, 1)

    state, found = run(project)

    assert state.is_completed()
    assert set(found.done) == {
        "rows", "snapshots", "warehouse", "checkpoints", "files", "archive"
    }  # fmt: skip
    assert "not compacted" in found.done["warehouse"]
    assert "records in 1 file verified" in found.done["archive"]
    assert project.rows("SELECT * FROM articles ORDER BY article_id") == before
    _, second = run(project)
    assert second.done["archive"] == "1 closed file, all verified before"


def test_damaged_archive_is_an_error_and_the_other_tasks_run(project):
    project.sync("ofweek")
    (file,) = project.settings.archive.path.glob("*.warc.gz")
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    file.write_bytes(bytes(data))
    age(file, 1)

    state, found = run(project)

    assert state.is_failed()
    (problem,) = found.errors
    assert problem.startswith("archive: ")
    assert "restore the file from a backup" in problem
    assert "snapshots" in found.done
    assert run(project)[1].errors == found.errors  # a damaged file is never taken for verified


def test_old_snapshots_and_leftovers_of_killed_processes_go(project):
    project.sync("ofweek")
    link = project.settings.warehouse.snapshot
    old = link.with_name(f"{link.name}.20200101T000000.000000Z")
    part = link.with_name(f"{link.name}.20990101T000000.000000Z.part")
    addresses = link.parent / "backfills" / "0123456789abcdef.urls"
    addresses.parent.mkdir()
    for file in (old, part, addresses):
        file.write_bytes(b"")
    for file in (old, addresses):
        age(file, 31)

    _, found = run(project)

    assert found.errors == []
    assert [file.exists() for file in (old, part, addresses)] == [False, False, False]
    assert project.rows("SELECT count(*) > 0 FROM articles") == [(True,)]


def test_compacting_removes_old_fetches_and_keeps_every_article(project):
    project.sync("ofweek")
    project.age(hours=2)
    project.sync("ofweek")
    before = project.rows("SELECT * FROM articles ORDER BY article_id")
    with connect(project.settings.warehouse.path) as db, transaction(db):
        db.execute("UPDATE _store.fetches SET fetched_at = fetched_at - INTERVAL 400 DAY")

    done = maintenance_tasks.compact_if_worth(project.settings, fetch_retention_days=365)

    assert "became" in done
    assert "0 fetches deleted" not in done
    maintenance_tasks.clean_snapshots(project.settings)
    assert project.rows("SELECT * FROM articles ORDER BY article_id") == before


def test_warehouse_in_use_is_left_for_the_next_time(project, monkeypatch):
    project.sync("ofweek")
    monkeypatch.setattr(maintenance_tasks, "_COMPACT_WAIT_SECONDS", 0.2)

    with connect(project.settings.warehouse.path):
        done = maintenance_tasks.compact_if_worth(project.settings, fetch_retention_days=365)

    assert "not compacted" in done


def test_old_backfill_checkpoints_are_deleted(project):
    project.sync("ofweek")
    old, now = datetime.now(UTC) - timedelta(days=60), datetime.now(UTC)
    with connect(project.settings.warehouse.path) as db, transaction(db):
        for plan, at in (("old", old), ("new", now)):
            one = NewChunk(kind="fetch_entries", description="x", spec="[]")
            backfill_chunks.add(db, plan, "ofweek", [one], run_id="r", at=at)

    assert maintenance_tasks.delete_old_checkpoints(project.settings, days=30).startswith(
        "1 chunks"
    )

    with connect(project.settings.warehouse.path) as db:
        assert [plan.plan for plan in backfill_chunks.list_plans(db)] == ["new"]


def test_days_of_health_beyond_its_past_are_deleted(project):
    project.sync("ofweek")
    with connect(project.settings.warehouse.path) as db, transaction(db):
        db.execute(
            "INSERT INTO _store.channel_days "
            "SELECT * REPLACE (day - 900 AS day) FROM _store.channel_days"
        )

    done = maintenance_tasks.delete_old_checkpoints(project.settings, days=30)

    assert "1 old days" in done
    with connect(project.settings.warehouse.path) as db:
        assert db.execute("SELECT count(*) FROM channel_days").fetchall() == [(1,)]


def test_moved_archive_files_can_still_be_read(project, tmp_path):
    from flows.archive import verify

    project.sync("ofweek")
    (file,) = project.settings.archive.path.glob("*.warc.gz")
    records = verify(project.settings.archive.path).records
    age(file, 40)

    _, found = run(project, move_archive_days=30, move_archive_to=str(tmp_path / "far"))

    assert re.findall(r"\d+", found.done["old archive"])[:2] == ["1", "30"]
    assert file.is_symlink()
    assert (tmp_path / "far" / file.name).is_file()
    assert verify(project.settings.archive.path).records == records > 0
    again = maintenance_tasks.move_archive(
        project.settings, tmp_path / "far", days=30, is_stopping=lambda: False
    )
    assert again.startswith("0 files")


def test_second_maintenance_fails_on_the_lock_of_the_first(project):
    with locks.acquire(project.settings, "maintenance", flow="maintenance", run_id="the-first"):
        state, error = run(project)

    assert state.is_failed()
    assert isinstance(error, locks.SourceLocked)
    assert "the-first" in str(error)


def test_import_as_a_flow_stores_posts_and_refuses_what_is_not_there(project):
    post = project.folder / "2022-03-14-x.md"
    post.write_text("---\ntitle: T\ndate: 2022-03-14\n---\nWords of it.\n", encoding="utf-8")

    state = import_posts([str(post)], config=str(project.config), return_state=True)
    absent = import_posts(["/nowhere/at/all"], config=str(project.config), return_state=True)

    assert state.result().totals()["new"] == 1
    assert absent.is_failed()
    assert "/nowhere/at/all" in str(absent.result(raise_on_failure=False))
