"""A test site that no test changes, one for each test that does, and a plain client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.site import NewsSite, serve

Get = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def shared() -> Iterator[NewsSite]:
    with serve() as news_site:
        yield news_site


@pytest.fixture
def news_site() -> Iterator[NewsSite]:
    with serve() as own:
        yield own


@pytest.fixture
def get(shared: NewsSite, client: requests.Session) -> Get:
    def get_path(path: str, **options: object) -> requests.Response:
        return client.get(shared.url + path, timeout=10, **options)  # type: ignore[arg-type]

    return get_path
