"""Runs on the workers of Dask and Ray: the same rows as the threads of one process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows import demo_site
from flows import settings as configuration
from flows.cli import demo_run
from flows.cluster.chunks import use_cluster
from flows.pipeline.cluster import Cluster, WorkerMismatch
from flows.pipeline.run import RunContext
from flows.pipeline.stats import RunReport
from flows.serve.run_local import sync_without_prefect
from tests.scale import orders
from tests.scale.clusters import dask_cluster, ray_cluster
from tests.scale.tables import differences
from warehouse import connect

pytestmark = pytest.mark.skipif(
    not (find_spec("prefect_dask") and find_spec("prefect_ray")), reason="needs `make scale`"
)


TIMES = frozenset(
    {
        "fetched_at", "first_seen_at", "last_seen_at", "seen_at", "archive_file", "archive_offset",
        "first_fetched_at", "last_fetched_at", "since", "last_read_at", "last_new_at", "recent",
        "gone_at", "last_checked_at", "reached_at",
    }
)  # fmt: skip
"""What two syncs at two times never have in common."""


TURNS = (["finews", "woshipm", "ofweek"], ["woshipm_direct", "ofweek_feed"])
"""Sources that have the same texts: the article that comes first has the text."""


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port of the demo site, which has five sources."""
    with demo_site.serve() as url:
        yield urlsplit(url).port or 0


@pytest.fixture(scope="module")
def synced(site: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that the threads of one process have synced; not to be changed."""
    folder = tmp_path_factory.mktemp("synced")
    config = demo_run.write_config(folder, port=site, article_url=demo_run.ARTICLE_URL)
    settings = configuration.load(config, {})
    assert len(settings.sources) == 5
    for slugs in TURNS:
        report = sync_without_prefect(settings, slugs, limit=None, dry_run=False)
        assert report.state.startswith("completed")
    return folder


# Ray gives itself 30 seconds to start, which a machine with other work may exceed.
@pytest.fixture(scope="module", params=["dask", pytest.param("ray", marks=pytest.mark.nightly)])
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The task runner, and the address of its two workers."""
    with {"dask": dask_cluster, "ray": ray_cluster}[request.param]() as address:
        yield request.param, address


@pytest.fixture
def on_cluster(
    cluster: tuple[str, str], monkeypatch: pytest.MonkeyPatch, prefect_server: str
) -> None:
    """Runs use the workers."""
    monkeypatch.setenv("COPYDESK_RUN__TASK_RUNNER", cluster[0])
    if cluster[0] == "dask":  # Prefect's runner takes the Ray that this process is connected to
        monkeypatch.setenv("COPYDESK_RUN__CLUSTER", cluster[1])


def copy_of(folder: Path, target: Path) -> Path:
    """A copy of a project; its configuration file."""
    shutil.copytree(folder, target)
    return target / "copydesk.toml"


def reparse(config: Path) -> RunReport:
    from flows.reparse import reparse

    return reparse(config=str(config), return_state=True).result()


@pytest.fixture(scope="module")
def reparsed(synced: Path, tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Path:
    """A project whose pages threads have parsed into an empty warehouse."""
    config = copy_of(synced, tmp_path_factory.mktemp("reparsed") / "project")
    without_articles(config)
    reparse(config)
    return config


def without_articles(config: Path) -> None:
    """Leave the fetches, and nothing that pages gave."""
    kept = {"fetches", "migrations", "runs", "watermarks", "write_sequence"}
    with connect(configuration.load(config, {}).warehouse.path) as db:
        tables = db.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_store'"
        ).fetchall()
        for (table,) in tables:
            if table not in kept:
                db.execute(f"DELETE FROM _store.{table}")


@pytest.mark.usefixtures("on_cluster")
def test_a_reparse_on_workers_stores_what_threads_store(synced, reparsed, tmp_path):
    config = copy_of(synced, tmp_path / "project")
    without_articles(config)

    report = reparse(config)

    path, expected = (configuration.load(one, {}).warehouse.path for one in (config, reparsed))
    assert report.totals()["new"] > 50
    assert differences(path, expected) == {}


@pytest.mark.usefixtures("on_cluster")
def test_a_sync_on_workers_stores_what_threads_store(site, synced, tmp_path):
    from flows.sync import sync

    config = demo_run.write_config(tmp_path, port=site, article_url=demo_run.ARTICLE_URL)

    for slugs in TURNS:
        report = sync(slugs, config=str(config), return_state=True).result()
        assert report.state.startswith("completed")

    path, expected = (
        configuration.load(one, {}).warehouse.path for one in (config, synced / "copydesk.toml")
    )
    assert differences(path, expected, without=TIMES) == {}


@pytest.fixture
def workers(synced: Path, on_cluster: None, tmp_path: Path) -> Iterator[Cluster]:
    """The workers as a run sees them."""
    settings = configuration.load(copy_of(synced, tmp_path / "project"))
    run = RunContext("reparse", settings, ["finews"])
    with use_cluster(run):
        assert run.cluster is not None
        yield run.cluster


def test_the_order_of_a_lost_worker_runs_again_elsewhere(workers, tmp_path):
    mark = tmp_path / "ended"

    process = workers.submit("ends once", orders.end_process_once, str(mark)).result()

    assert mark.exists()
    assert process != os.getpid()


def test_workers_start_no_server_of_their_own(workers):
    pending = [workers.submit("looks", orders.started_processes, None) for _ in range(4)]

    assert [one.result() for one in pending] == [[]] * 4


def test_an_error_of_an_order_is_raised_in_the_process_of_the_run(workers):
    with pytest.raises(ValueError, match="no moon"):
        workers.submit("fails", orders.refuse, "no moon").result()


def test_workers_of_another_release_refuse_orders(workers):
    workers._release = workers._release | {"copydesk": "0.0.9"}

    with pytest.raises(WorkerMismatch, match=r"has copydesk 0\.0\.9: install the same"):
        workers.submit("other release", orders.refuse, "never").result()
