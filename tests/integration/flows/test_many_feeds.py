"""Many feeds of one instance in one run: each keeps its counters, its lock and its failure."""

from __future__ import annotations

import threading

import pytest

from flows import settings
from flows.pipeline import load, locks
from flows.pipeline.health.collect import HealthCollector
from flows.pipeline.run import RunEnvironment, use_environment
from flows.serve.run_local import sync_without_prefect
from tests.bench.feeds import CONFIG, SOURCE, served
from warehouse import connect_read_only

COUNT = 12
ENTRIES = [5 + n % 6 for n in range(COUNT)]


@pytest.fixture
def instance():
    with served() as found:
        yield found


@pytest.fixture
def chosen(tmp_path, instance):
    file = tmp_path / "copydesk.toml"
    sources = "".join(SOURCE.format(n=n) for n in range(COUNT))
    file.write_text(CONFIG.format(port=instance.port) + sources, encoding="utf-8")
    return settings.load(file, {})


def sync(chosen):
    with use_environment(RunEnvironment(notify=lambda _text: None)):
        return sync_without_prefect(chosen, list(chosen.sources))


def rows(chosen, sql):
    with connect_read_only(chosen.warehouse.snapshot) as db:
        return db.execute(sql).fetchall()


def test_each_source_has_its_own_counters_whatever_is_stored_with_it(chosen, instance, monkeypatch):
    groups = []
    store = load._store_all

    def counting(db, requests):
        groups.append(len(requests))
        return store(db, requests)

    monkeypatch.setattr(load, "_store_all", counting)
    reports = [sync(chosen), sync(chosen)]
    instance.added = instance.version = 1
    reports.append(sync(chosen))

    news = [[one.counts["new"] for one in report.stats] for report in reports]
    assert news == [ENTRIES, [0] * COUNT, [1] * COUNT]
    assert {report.state for report in reports} == {"completed"}
    assert sum(groups) == 3 * COUNT
    assert max(groups) > 1
    stored = rows(chosen, "SELECT source, count(*) FROM articles GROUP BY 1 ORDER BY 1")
    assert len(stored) == COUNT
    runs = rows(chosen, "SELECT state, count(*), sum(new) FROM runs GROUP BY 1")
    assert runs == [("completed", 3 * COUNT, sum(sum(one) for one in news))]
    health = rows(chosen, "SELECT count(*) FROM channel_days WHERE run_count = 3")
    assert health == [(COUNT,)]


def test_source_that_breaks_the_store_fails_alone(chosen, monkeypatch):
    collect = HealthCollector.batch

    def broken(self, known, batch, parsed):
        if any(one.row.source == "site_3" for one in parsed):
            raise TypeError("an error of copydesk")
        collect(self, known, batch, parsed)

    monkeypatch.setattr(HealthCollector, "batch", broken)
    with pytest.raises(TypeError):
        sync(chosen)

    found = rows(chosen, "SELECT source, state FROM runs WHERE state <> 'completed'")
    assert found == [("site_3", "failed")]
    stored = rows(chosen, "SELECT count(DISTINCT source) FROM articles WHERE source <> 'site_3'")
    assert stored == [(COUNT - 1,)]


def test_locked_source_is_left_to_its_run(chosen):
    held, done = threading.Event(), threading.Event()

    def hold():
        with locks.acquire(chosen, "site_3", flow="sync", run_id="other"):
            held.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)
    try:
        report = sync(chosen)
    finally:
        done.set()
        other.join()

    assert [one.source for one in report.stats if one.is_locked] == ["site_3"]
    assert sum(bool(one.counts["new"]) for one in report.stats) == COUNT - 1
