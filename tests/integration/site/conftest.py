"""A newsstand that no test changes, one for each test that does, and a plain client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from tests.site import Newsstand, serve

Get = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def shared() -> Iterator[Newsstand]:
    with serve() as newsstand:
        yield newsstand


@pytest.fixture
def newsstand() -> Iterator[Newsstand]:
    with serve() as own:
        yield own


@pytest.fixture
def get(shared: Newsstand, client: requests.Session) -> Get:
    def get_path(path: str, **options: object) -> requests.Response:
        return client.get(shared.url + path, timeout=10, **options)  # type: ignore[arg-type]

    return get_path
