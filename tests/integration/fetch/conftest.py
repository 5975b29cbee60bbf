"""A server that breaks, a fetcher that hurries, and a clock that jumps."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.fetch import Fetcher, FetchPolicy
from tests.integration.fetch.faultserver import FaultServer, Reply, Seen


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultServer]]:
    """Starts servers; they are closed at the end."""
    with ExitStack() as stack:

        def start(route: Callable[[Seen], Reply], **options: Any) -> FaultServer:
            server = FaultServer(route, **options)
            stack.callback(server.close)
            return server

        yield start


def hasty(*servers: FaultServer, **changes: Any) -> FetchPolicy:
    """A policy for loopback whose waits are short."""
    values: dict[str, Any] = {
        "allow_private_hosts": tuple(server.host for server in servers),
        "respect_robots": False,
        "backoff_seconds": 0.01,
        "backoff_floor_seconds": 0.001,
        "timeout_seconds": 2.0,
        "deadline_seconds": 8.0,
        "slow_down_seconds": 0.02,
    }
    return FetchPolicy(**{**values, **changes})


@pytest.fixture
def fetcher() -> Iterator[Callable[..., Fetcher]]:
    """Starts fetchers; they are closed at the end."""
    with ExitStack() as stack:

        def start(*servers: FaultServer, **options: Any) -> Fetcher:
            inner = {
                name: options.pop(name)
                for name in (
                    "archive",
                    "stop",
                    "clock",
                    "sleep",
                    "random",
                    "now",
                    "resolve",
                )
                if name in options
            }
            policy = options.pop("policy", None) or hasty(*servers, **options)
            return stack.enter_context(Fetcher(policy, **inner))

        yield start


class FakeTime:
    """A clock that only ``sleep`` moves."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(seconds=self.at - 1000)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


PUBLIC = "93.184.216.34"


@pytest.fixture
def no_connection(monkeypatch) -> list[object]:
    """Every address that a socket was asked to connect to; none is connected."""
    tried: list[object] = []

    def connect(_self, address):
        tried.append(address)
        raise ConnectionRefusedError("the test lets nothing out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def resolving(*addresses: str) -> Callable[[str, int], list[object]]:
    """A resolver that knows one answer."""

    def resolve(_host, port):
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]

    return resolve


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    """A certificate and its key, of 127.0.0.1 and feeds.example.org."""
    key, pem = str(folder / "key.pem"), str(folder / "cert.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=project -addext subjectAltName=IP:127.0.0.1,DNS:feeds.example.org -keyout {key} -out {pem}"
    )
    made = subprocess.run(command.split(), capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no openssl command to make a certificate with")
    return pem, key


def tls_context(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
