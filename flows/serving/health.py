"""Whether a Prefect server still does its work: it may hang, or have lost its database.

A server that is stopped, or that answers every question with an error, has a process and a
file as good as any: only asking it tells.
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

LOOK_SECONDS = 5.0
DATABASE_LOOK_SECONDS = 30.0
ANSWER_SECONDS = 8.0
PATIENCE = 3
"""Answers that may be missed in a row."""


def is_answering(api_url: str, *, seconds: float = 3.0) -> bool:
    """Whether a Prefect API answers there; it needs no password for that."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between us and our own server
            answer = session.get(f"{api_url}/health", timeout=seconds)
    except requests.RequestException:
        return False
    return answer.ok and answer.text.strip() == "true"


def authorization() -> dict[str, str]:
    """The header with the password of the environment, as Prefect's client sends it."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if auth := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}
    return {}


def database_trouble(api_url: str, *, seconds: float = 5.0) -> str | None:
    """What is wrong when the server is asked for something of its database; ``None`` for nothing."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{api_url}/deployments/count", json={}, headers=authorization(), timeout=seconds
            )
    except requests.RequestException as error:
        return type(error).__name__
    is_wrong = answer.status_code >= requests.codes.internal_server_error
    return f"HTTP {answer.status_code}" if is_wrong else None


@contextmanager
def impatient(seconds: float = 5.0) -> Iterator[None]:
    """Inside, Prefect's client waits so long for an answer and asks once.

    Left to itself it asks six times and waits a minute for each, which nobody could stop.
    """
    from prefect.settings import (
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    with temporary_settings({PREFECT_API_REQUEST_TIMEOUT: seconds, PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


class Pulse:
    """Asks a server now and then, and says so when it does not do its work for a while.

    Args:
        api_url: Of the server.
        clock: Seconds that never go back.

    Attributes:
        is_database_lost: Its database is what it cannot use.
    """

    def __init__(self, api_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = api_url
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """It has just answered."""
        self._misses = self._errors = 0
        self._next = self._clock() + LOOK_SECONDS
        self._next_of_database = self._clock() + DATABASE_LOOK_SECONDS
        self.is_database_lost = False

    def trouble(self) -> str | None:
        """What is wrong with it; ``None`` while it is well, or was not asked often enough."""
        if self._clock() < self._next:
            return None
        is_there = is_answering(self._url, seconds=ANSWER_SECONDS)
        self._misses = 0 if is_there else self._misses + 1
        error = None if self._misses else self._look_at_the_database()
        self._next = self._clock() + LOOK_SECONDS
        if self._misses >= PATIENCE:
            return f"the Prefect server did not answer {PATIENCE} times in a row"
        if self._errors >= PATIENCE:
            self.is_database_lost = True
            return (
                f"the Prefect server cannot use its database ({error}, {PATIENCE} times in a row)"
            )
        return None

    def _look_at_the_database(self) -> str | None:
        if not self._errors and self._clock() < self._next_of_database:
            return None
        self._next_of_database = self._clock() + DATABASE_LOOK_SECONDS
        error = database_trouble(self._url)
        self._errors = self._errors + 1 if error else 0
        return error
