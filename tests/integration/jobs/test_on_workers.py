"""Orders to workers: what travels, and which hosts are fetched from at one time."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

from flows.errors import Interrupted
from flows.pipeline.fetch_chunk import FetchOrder
from flows.pipeline.reparse_steps import reparse_source
from flows.pipeline.run import RunContext
from flows.pipeline.sync_source import sync_sources
from tests.e2e.project import Project


class Workers:
    """Runs orders in this process, from their pickles, as a worker elsewhere would."""

    orders_ahead = 2

    def __init__(self, on_order: Callable[[Any], object] = lambda _order: None) -> None:
        self.orders: list[Any] = []
        self.at_once: list[int] = []
        self._on_order = on_order
        self._running = 0
        self._lock = threading.Lock()

    def submit(self, _name: str, function: Any, order: Any) -> Any:
        data = pickle.dumps((function, order))
        self.orders.append(order)
        return _Pending(lambda: self._run(data))

    def _run(self, data: bytes) -> Any:
        function, order = pickle.loads(data)  # noqa: S301
        with self._lock:
            self._running += 1
            self.at_once.append(self._running)
        try:
            self._on_order(order)
            return pickle.loads(pickle.dumps(function(order)))  # noqa: S301
        finally:
            with self._lock:
                self._running -= 1


class _Pending:
    def __init__(self, run: Callable[[], Any]) -> None:
        self.result = run


def sync(project: Project, workers: Workers, *slugs: str) -> Any:
    with RunContext("sync", project.settings, slugs) as run:
        run.cluster = workers
        assert sync_sources(run, slugs) == []
        return run.finish()


def test_all_entries_of_a_host_are_with_one_worker_at_a_time(project):
    workers = Workers()

    report = sync(project, workers, "finews", "ofweek")

    assert len(workers.orders) == 2
    assert max(workers.at_once) == 1
    assert report.totals()["new"] > 20
    assert report.totals()["failed"] == 0


def test_the_counters_of_a_run_on_workers_are_those_of_threads(project, synced):
    report = sync(project, Workers(), "finews", "ofweek")

    expected = dict(synced.rows("SELECT source, count(*) FROM articles GROUP BY ALL"))
    found = dict(project.rows("SELECT source, count(*) FROM articles GROUP BY ALL"))
    assert found == expected
    assert {one.source: one.is_unaccounted for one in report.stats} == {
        "finews": False,
        "ofweek": False,
    }


def test_pages_of_workers_are_archived_here_and_can_be_parsed_again(project):
    sync(project, Workers(), "ofweek")

    report = project.reparse("ofweek")

    totals = report.totals()
    assert totals["unchanged"] > 0
    assert (totals["updated"], totals["failed"], totals["new"]) == (0, 0, 0)


def test_a_source_with_a_secret_is_fetched_by_the_process_of_the_run(project):
    base = project.settings.source("ofweek").options["base_url"]
    project.environment["COPYDESK_SOURCES__OFWEEK__BASE_URL"] = str(base).replace(
        "http://", "http://desk:pw@"
    )
    workers = Workers()

    sync(project, workers, "ofweek")

    assert workers.orders == []


def test_an_order_has_no_secret_and_no_text_of_a_listing(project):
    workers = Workers()

    sync(project, workers, "finews")

    (order,) = workers.orders
    assert isinstance(order, FetchOrder)
    assert all(one.listing is None for one in order.targets if one.entry.content is None)


def test_a_stopped_run_leaves_the_entries_of_a_worker_to_the_next_one(project):
    def stop(_order: Any) -> None:
        raise Interrupted("the run stopped")

    workers = Workers(stop)
    first = sync(project, workers, "ofweek")
    second = sync(project, Workers(), "ofweek")

    assert first.totals()["skipped"] == first.totals()["discovered"] > 0
    assert second.totals()["new"] > 0


def test_a_reparse_on_workers_changes_nothing(stored):
    with RunContext("reparse", stored.settings, ["finews", "ofweek"]) as run:
        run.cluster = Workers()
        for slug in ("finews", "ofweek"):
            reparse_source(run, slug)
        totals = run.finish().totals()

    assert totals["unchanged"] > 20
    assert (totals["new"], totals["updated"], totals["failed"]) == (0, 0, 0)


def test_an_error_of_a_worker_ends_the_run(project):
    def fail(_order: Any) -> None:
        raise ValueError("a worker failed")

    with RunContext("sync", project.settings, ["ofweek"]) as run:
        run.cluster = Workers(fail)
        errors = sync_sources(run, ["ofweek"])

    assert [type(one) for one in errors] == [ValueError]
