from __future__ import annotations

import pytest

from warehouse import connect_read_only
from warehouse.care import snapshot
from warehouse.errors import WarehouseError

pytestmark = pytest.mark.e2e


@pytest.fixture
def small_batches(project):
    text = project.config.read_text(encoding="utf-8")
    own = "[run]\nbatch_size = 3\nsnapshot_every_batches = 2\n\n[fetch]"
    project.config.write_text(text.replace("[fetch]", own, 1), encoding="utf-8")
    return project


def test_readers_see_what_a_long_run_stored_so_far(small_batches, monkeypatch):
    published = []
    publish = snapshot.publish

    def counted(store, path):
        published.append(store.execute("SELECT count(*) FROM articles").fetchall()[0][0])
        return publish(store, path)

    monkeypatch.setattr(snapshot, "publish", counted)

    report = small_batches.sync("woshipm")

    stored = report.totals()["new"] + report.totals()["duplicate"]
    assert published[:2] == [6, 12]
    assert published[-1] == stored > 12
    assert published == sorted(published)


def test_run_continues_when_a_snapshot_fails_on_the_way(small_batches, monkeypatch):
    tried = []
    publish = snapshot.publish

    def failing_first(store, path):
        tried.append(path)
        if len(tried) == 1:
            raise WarehouseError("the disk is full")
        return publish(store, path)

    monkeypatch.setattr(snapshot, "publish", failing_first)

    report = small_batches.sync("woshipm")

    assert report.state == "completed"
    assert len(tried) > 2
    assert any("the disk is full" in message for message in small_batches.messages)


def test_run_without_new_articles_publishes_few_blocks(stored, monkeypatch):
    published = []
    publish = snapshot.publish
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)
    monkeypatch.setattr(
        snapshot, "publish", lambda store, path: published.append(publish(store, path))
    )
    stored.age(hours=2)
    stored.sync("finews")
    stored.sync("finews")
    ((before,),) = stored.rows("SELECT count(*) FROM runs")

    report = stored.sync("finews")

    size = stored.settings.warehouse.snapshot.stat().st_size
    assert report.totals()["new"] == 0
    assert published[-1].written_bytes < size
    with connect_read_only(stored.settings.warehouse.snapshot) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchall() == [(before + 1,)]
