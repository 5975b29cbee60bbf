"""Runs whose archive is a bucket: sync, reparse, erasure, checks, a bucket that does not answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import cli
from flows.admin import erasure, maintenance
from flows.admin.doctor import check_installation
from flows.admin.erasure import ErasureRequest
from flows.archive import ArchiveError, BucketUnreachable, open_store, read_record
from flows.pipeline.reparse_steps import reparse_source
from flows.pipeline.restore import require_warehouse, start_new_warehouse
from flows.pipeline.run import RunContext
from tests.e2e.project import Project, open_project
from tests.scale import buckets
from warehouse.care import snapshot
from warehouse.errors import WarehouseLost

PLACES = "SELECT archive_file, archive_offset, url FROM fetches WHERE archive_file IS NOT NULL"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, buckets.Faults]]:
    with buckets.serving() as found, pytest.MonkeyPatch.context() as environment:
        for name, value in {**buckets.ENVIRONMENT, "AWS_ENDPOINT_URL": found[0]}.items():
            environment.setenv(name, value)
        environment.setenv("AWS_MAX_ATTEMPTS", "1")
        client = buckets.client(found[0])
        client.create_bucket(Bucket="newsroom")
        client.put_bucket_versioning(
            Bucket="newsroom", VersioningConfiguration={"Status": "Enabled"}
        )
        yield found


@pytest.fixture(scope="module")
def synced(server, tmp_path_factory) -> Iterator[Project]:
    """A project that has read OFweek into a bucket; not to be changed."""
    with open_project(tmp_path_factory.mktemp("synced")) as made:
        made.environment = {"COPYDESK_ARCHIVE__URL": "s3://newsroom/archive/"}
        made.first = made.sync("ofweek")  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def stored(synced, server, tmp_path) -> Iterator[Project]:
    """A copy of it, with the same bucket."""
    server[1].reset()
    folder = tmp_path / "project"
    shutil.copytree(synced.folder, folder, symlinks=True)
    yield replace(synced, folder=folder, messages=[])
    server[1].reset()


def checks(project: Project, **options: Any) -> dict[str, str]:
    found = check_installation(project.settings, **options)
    return {one.name: one.status for one in found if one.name.startswith("archive")}


def test_the_pages_of_a_sync_are_in_the_bucket_and_nothing_waits(synced) -> None:
    assert synced.first.exit_code == 0
    archive = open_store(synced.settings.archive)
    places = synced.rows(PLACES)

    assert len(places) > 10
    assert not list(synced.settings.archive.path.glob("*.warc.gz"))
    assert {file for file, _, _ in places} <= set(archive.names())
    assert all(read_record(archive, file, at).status == 200 for file, at, _ in places)
    assert checks(synced) == {"archive": "ok", "archive upload": "ok"}


def test_the_archive_of_the_bucket_is_parsed_again_and_verified(stored) -> None:
    before = stored.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL")

    report = stored.reparse("ofweek")

    assert (report.exit_code, report.totals()["unchanged"]) == (0, len(before))
    result = maintenance.maintain(stored.settings)
    assert result.errors == []
    assert result.done["upload"].startswith("0 files")
    assert checks(stored, verify=True) == {"archive": "ok", "archive upload": "ok"}


class Elsewhere:
    """A cluster of one worker that has a spool folder of its own."""

    orders_ahead = 1

    def __init__(self, spool: Path) -> None:
        self.spool = spool

    def submit(self, _name: str, function: Any, order: Any) -> Any:
        archive = order.archive.model_copy(update={"path": self.spool})
        result = function(replace(order, archive=archive))
        return SimpleNamespace(result=lambda: result)


def test_pages_that_wait_for_their_upload_are_parsed_by_the_process_of_the_run(
    stored, tmp_path
) -> None:
    before = stored.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL")
    archive = open_store(stored.settings.archive)
    stored.settings.archive.path.mkdir(exist_ok=True)
    for name in archive.names():
        (stored.settings.archive.path / name).write_bytes(archive.open(name).read())
    stored.environment = {"COPYDESK_ARCHIVE__URL": "s3://newsroom/still-empty"}

    with RunContext("reparse", stored.settings, ["ofweek"]) as run:
        run.cluster = Elsewhere(tmp_path / "elsewhere")
        reparse_source(run, "ofweek")
        totals = run.finish().totals()

    assert (totals["failed"], totals["unchanged"]) == (0, len(before))


def test_a_lost_warehouse_is_filled_from_the_bucket(stored) -> None:
    before = stored.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL")
    fetches = stored.rows(f"{PLACES} AND status = 200 AND url LIKE '%ART-%' ORDER BY ALL")
    stored.settings.warehouse.path.unlink()
    shutil.rmtree(stored.settings.archive.path, ignore_errors=True)
    for snapshot_file in stored.folder.rglob("*.read*.duckdb"):
        snapshot_file.unlink()
    with pytest.raises(WarehouseLost):
        require_warehouse(stored.settings)
    start_new_warehouse(stored.settings)

    report = stored.fill("ofweek", archive=stored.settings.archive.url)

    assert report.totals()["new"] == len(before)
    assert stored.rows("SELECT article_id, content_hash FROM articles ORDER BY ALL") == before
    again = stored.rows(f"{PLACES} AND url LIKE '%ART-%' ORDER BY ALL")
    assert set(fetches) >= set(again) > set()  # the places of the pages; next pages have none


def test_a_sync_without_its_bucket_needs_attention_and_loses_nothing(stored, server) -> None:
    endpoint, faults = server
    faults.answer = lambda _method, _path: 503
    stored.news_site.edition = 2
    report = stored.sync("ofweek")
    stored.news_site.edition = 1

    assert (report.exit_code, report.state) == (3, "completed_with_warnings")
    assert report.totals()["failed"] == 0
    (message,) = report.errors
    assert str(stored.settings.archive.path) in message
    (waiting,) = stored.settings.archive.path.glob("*.warc.gz")
    assert checks(stored) == {"archive": "error", "archive upload": "warning"}
    with pytest.raises(BucketUnreachable):
        stored.reparse("ofweek")

    faults.reset()
    assert maintenance.maintain(stored.settings).errors == []

    assert not waiting.exists()
    keys = buckets.client(endpoint).list_objects_v2(Bucket="newsroom")["Contents"]
    assert f"archive/{waiting.name}" in {one["Key"] for one in keys}
    assert checks(stored, verify=True) == {"archive": "ok", "archive upload": "ok"}


def test_health_counts_the_files_that_wait(stored, monkeypatch, capfd) -> None:
    monkeypatch.setenv("COPYDESK_ARCHIVE__URL", stored.environment["COPYDESK_ARCHIVE__URL"])
    (stored.settings.archive.path / "copydesk-20261101-120000-0a1b2c3d.warc.gz").write_bytes(
        b"x" * 9
    )

    cli.run(["--config", str(stored.config), "health", "--json"])

    document = json.loads(capfd.readouterr().out)
    assert (document["archive"]["waiting_files"], document["archive"]["waiting_bytes"]) == (1, 9)


def test_an_erased_page_is_in_no_version_of_its_object(stored, server, monkeypatch) -> None:
    fetched = {url: (file, at) for file, at, url in stored.rows(PLACES)}
    articles = stored.rows("SELECT article_id, canonical_url FROM articles ORDER BY ALL")
    article_id, place = next(
        (one, fetched[url])
        for one, address in articles
        for url in fetched
        if url.endswith(address[-20:])
    )

    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)
    done = erasure.erase(
        stored.settings, ErasureRequest(article_ids=(article_id,)), reason="test",
        notify=stored.messages.append, on_progress=lambda *_far: None,
    )  # fmt: skip

    assert done.redacted >= 1
    archive = open_store(stored.settings.archive)
    with pytest.raises(ArchiveError, match="erased on request"):
        read_record(archive, *place)
    client = buckets.client(server[0])
    versions = client.list_object_versions(Bucket="newsroom", Prefix=f"archive/{place[0]}")
    assert len(versions["Versions"]) == 1
    assert checks(stored, verify=True)["archive"] == "ok"


def test_files_of_a_bucket_are_not_moved_to_a_folder(stored, tmp_path: Path) -> None:
    from flows.errors import ConfigurationError

    with pytest.raises(ConfigurationError):
        maintenance.maintain(
            stored.settings, move_archive_days=1, move_archive_to=tmp_path / "other"
        )
