"""An archive in a bucket without its package, and addresses that are none."""

from __future__ import annotations

import importlib.util

import pytest

from flows.archive import FolderStore, open_store
from flows.errors import ConfigurationError
from flows.reporting import parameters
from flows.settings import ArchiveSettings, load


def test_a_bucket_without_boto3_names_the_extra(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError, match=r"copydesk\[s3\]"):
        open_store(ArchiveSettings(path=tmp_path, url="s3://news/archive"))
    assert isinstance(open_store(ArchiveSettings(path=tmp_path)), FolderStore)


@pytest.mark.parametrize("url", ["https://bucket/x", "s3://", "s3://u:p@bucket/x", "bucket"])
def test_an_address_that_is_no_bucket_is_refused(url) -> None:
    with pytest.raises(ConfigurationError):
        load(None, {"COPYDESK_ARCHIVE__URL": url})


@pytest.mark.parametrize(("path", "is_allowed"), [
    ("s3://news/archive", True), ("s3://news/archive/2026/x.warc.gz", True),
    ("s3://news/archive-of-others/x.warc.gz", False), ("s3://other/x.warc.gz", False),
    ("data/crawl/*.warc.gz", True), ("data/*/../../../etc/*.gz", False),
])  # fmt: skip
def test_a_run_of_a_deployment_reads_its_own_bucket_and_data_folder(
    path, is_allowed, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parameters, "run_trigger", lambda: "schedule")
    settings = load(None, {"COPYDESK_ARCHIVE__URL": "s3://news/archive"})

    if is_allowed:
        parameters.require_readable(settings, path)
        return
    with pytest.raises(ConfigurationError):
        parameters.require_readable(settings, path)
