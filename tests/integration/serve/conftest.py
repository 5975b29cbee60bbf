"""A configuration, and a client of the session's Prefect server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client

from flows import settings
from flows.settings import Settings

SOURCE = """
[sources.{slug}]
parser = "ofweek"
base_url = "http://127.0.0.1:1"
schedule = "{schedule}"
"""
PUBLICATION = """
[publish.blog]
format = "jekyll"
folder = "site"
schedule = "every 10 minutes"
"""


def write_config(folder: Path) -> Path:
    file = folder / "copydesk.toml"
    text = SOURCE.format(slug="a", schedule="*/5 * * * *")
    text += SOURCE.format(slug="b", schedule="every 90 seconds")
    file.write_text(text + PUBLICATION, encoding="utf-8")
    return file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def chosen(config: Path) -> Settings:
    return settings.load(config, {})


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """Deployments that a test made are gone after it."""
    with get_client(sync_client=True) as client:
        before = {one.id for one in client.read_deployments()}
        yield client
        for one in client.read_deployments():
            if one.id not in before:
                client.delete_deployment(one.id)


@pytest.fixture
def pool(client: SyncPrefectClient) -> Iterator[str]:
    """The name of a work pool that is not there yet."""
    name = f"pool-{uuid4().hex[:8]}"
    yield name
    for one in client.read_work_pools():
        if one.name.startswith(name):
            client.delete_work_pool(one.name)
