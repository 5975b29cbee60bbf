"""An archive in a bucket without its package, and addresses that are none."""

from __future__ import annotations

import importlib.util

import pytest

from flows.archive import FolderStore, open_store
from flows.errors import ConfigurationError
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
