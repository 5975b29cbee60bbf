"""Whether a Prefect server still does its work: it may hang, or have lost its database.

A server that is stopped, or that answers every question with an error, has a process and a
file as good as any: only asking it tells.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import httpx
from pydantic import ValidationError

UNANSWERED = (httpx.HTTPError, json.JSONDecodeError, ValidationError)
"""What Prefect's client raises when no Prefect server answers, but nobody or somebody else.

A proxy's page of its own, with status 200, is neither JSON nor a run.
"""
LOOK_SECONDS = 5.0
DATABASE_LOOK_SECONDS = 30.0
ANSWER_SECONDS = 8.0
PATIENCE = 3
"""Answers that may be missed in a row."""


_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TRUE = ("1", "true", "t", "yes", "y", "on")


def is_answering(api_url: str, *, seconds: float = 3.0) -> bool:
    """Whether a Prefect API answers there; it needs no password for that."""
    return silence(api_url, seconds=seconds) is None


def silence(api_url: str, *, seconds: float = 3.0) -> str | None:
    """Why no Prefect API answers there, and what to do where that is plain; ``None`` if one does.

    The words go on after the address. They begin with "does not answer" where nothing does.
    """
    try:
        answer = ask("GET", f"{api_url}/health", seconds=seconds)
    except httpx.ProxyError as error:
        return f"cannot be reached through the proxy of the environment ({error}): {_PROXY}"
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError) as error:
        return f"is not an address ({error}): expected one like http://127.0.0.1:4200/api"
    except httpx.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                "has a certificate that is not trusted here: set PREFECT_API_SSL_CERT_FILE to the "
                "file (PEM) of the authority that signed it"
            )
        if _is_proxied(api_url):
            return f"does not answer through the proxy of the environment: {_PROXY}"
        return "does not answer"
    except OSError as error:
        return f"cannot be asked: the file of PREFECT_API_SSL_CERT_FILE or SSL_CERT_FILE ({error})"
    if answer.is_success and answer.text.strip() == "true":
        return None
    return (
        f"does not answer as a Prefect server does (HTTP {answer.status_code}): expected the "
        f"address of its API, which ends in /api; {_PROXY}"
    )


_PROXY = "a proxy of HTTP_PROXY or HTTPS_PROXY is left out for the hosts that NO_PROXY names"


def _is_proxied(url: str) -> bool:
    found = urlsplit(url)
    host = found.hostname or ""
    proxies = getproxies()
    is_named = found.scheme in proxies or "all" in proxies
    return host not in _LOOPBACK and is_named and not proxy_bypass(host)


def ask(method: str, url: str, *, seconds: float, document: Any = None) -> httpx.Response:
    """A server's answer, asked for the way that Prefect's client does, without its patience.

    No proxy stands before this machine; before others the environment's does. Certificates,
    passwords and further headers are those that Prefect's settings name.

    Raises:
        httpx.HTTPError: It did not answer.
        httpx.InvalidURL: That is no address.
        OSError: The certificates cannot be read.
    """
    is_here = (urlsplit(url).hostname or "") in _LOOPBACK
    is_plain = is_here and url.startswith("http:")
    with httpx.Client(
        verify=False if is_plain else _trusted(_is_careless(), _authorities()),
        trust_env=not is_here,
        headers=_headers(),
        timeout=seconds,
        follow_redirects=True,
    ) as client:
        return client.request(method, url, json=document)


def _is_careless() -> bool:
    found = os.environ.get("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "")
    return found.strip().lower() in _TRUE


def _authorities() -> str:
    named = ("PREFECT_API_SSL_CERT_FILE", "SSL_CERT_FILE")
    return next(filter(None, map(os.environ.get, named)), None) or certifi.where()


@lru_cache(maxsize=4)
def _trusted(is_careless: bool, authorities: str) -> ssl.SSLContext:
    """Reading the authorities takes longer than asking."""
    if not is_careless:
        return ssl.create_default_context(cafile=authorities)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _headers() -> httpx.Headers:
    """The password, and those of ``PREFECT_CLIENT_CUSTOM_HEADERS``, a JSON object."""
    headers = httpx.Headers(authorization())
    try:
        found = json.loads(os.environ.get("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}")
    except ValueError:
        found = None  # Prefect itself says what is wrong with it
    if isinstance(found, dict):
        headers.update({str(name): str(value) for name, value in found.items()})
    return headers


def authorization() -> dict[str, str]:
    """The header with the password of the environment, as Prefect's client sends it."""
    if auth := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    return {}


def database_trouble(api_url: str, *, seconds: float = 5.0) -> str | None:
    """What is wrong when the server is asked for something of its database; ``None`` for nothing."""
    try:
        answer = ask("POST", f"{api_url}/deployments/count", seconds=seconds, document={})
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return type(error).__name__
    return f"HTTP {answer.status_code}" if answer.is_server_error else None


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
