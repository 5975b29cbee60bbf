"""What a run asks of a cluster before its first order."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from flows import settings as configuration
from flows.cluster import task_runner
from flows.cluster.worker import check_release, release
from flows.errors import ConfigurationError
from flows.pipeline.cluster import SourceSpec, WorkerMismatch, require_files, with_ahead

SERVER = "http://192.0.2.7:4200/api"
OWN_SERVER = "http://127.0.0.1:4200/api"


@pytest.mark.parametrize(
    ("cluster", "server"),
    [("", OWN_SERVER), ("tcp://127.0.0.1:8786", OWN_SERVER), ("tcp://192.0.2.8:8786", SERVER)],
)
def test_workers_that_reach_the_server_are_used(cluster, server):
    task_runner.check_server(cluster, server)


@pytest.mark.parametrize("cluster", ["tcp://192.0.2.8:8786", "ray://head:10001", "head:6379"])
def test_workers_elsewhere_need_a_server_that_they_reach(cluster):
    with pytest.raises(ConfigurationError, match="set PREFECT_API_URL to"):
        task_runner.check_server(cluster, OWN_SERVER)


@pytest.mark.parametrize("cluster", ["", "tcp://192.0.2.8:8786"])
def test_workers_need_a_server(cluster):
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL is not set"):
        task_runner.check_server(cluster, None)


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_missing_extra_is_named(kind, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(task_runner, "import_module", missing)
    settings = configuration.load(None, {"COPYDESK_RUN__TASK_RUNNER": kind})

    with pytest.raises(ConfigurationError, match=rf'pip install "copydesk\[{kind}\]"'):
        task_runner.check_cluster(settings)


def test_a_worker_of_another_release_names_both():
    expected = release({}) | {"copydesk": "0.0.9"}

    with pytest.raises(WorkerMismatch) as caught:
        check_release(expected, "desk")

    message = str(caught.value)
    assert f"has copydesk {version('copydesk')}" in message
    assert "the run on desk has copydesk 0.0.9" in message
    assert "lxml" not in message


def test_a_worker_without_the_parser_says_so():
    with pytest.raises(WorkerMismatch, match=r"has parser lighthouse none, and .* lighthouse 3"):
        check_release(release({"parser lighthouse": "3"}), "desk")


def test_a_worker_must_see_the_archive(tmp_path):
    (tmp_path / "a.warc.gz").touch()
    require_files(tmp_path, ["a.warc.gz"])

    with pytest.raises(WorkerMismatch, match="mount that folder"):
        require_files(tmp_path, ["b.warc.gz"])


@pytest.mark.parametrize("slug", ["finews", "woshipm", "ofweek"])
def test_a_source_is_the_same_on_a_worker(slug):
    source = configuration.load(None, {}).source(slug)

    found = SourceSpec.of(source).source()

    assert (found.slug, found.parser, dict(found.options)) == (
        slug,
        source.parser,
        dict(source.options),
    )


def test_orders_are_made_ahead_of_what_is_used():
    made: list[int] = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    ahead = [(one, len(made)) for one in with_ahead(items(), 2)]

    assert ahead == [(0, 3), (1, 4), (2, 5), (3, 5), (4, 5)]
