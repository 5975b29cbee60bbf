"""Connections to checked addresses only, and strict HTTP parsing.

The checks are part of the connection, so that redirects, retries and the connection pool
cannot bypass them: it resolves the name once, checks every address and connects to a checked
one. TLS still verifies the name.
"""

from __future__ import annotations

import re
import socket
from http.client import BadStatusLine, HTTPResponse, IncompleteRead
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

from flows.fetch.deadlines import Deadline, current_deadline
from flows.fetch.errors import ConnectionFailed, TimedOut

_CONNECT_SECONDS = 10.0
_MAX_INTERIM = 10
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class StrictResponse(HTTPResponse):
    """A response that skips interim responses and takes only hex digits as chunk sizes.

    http.client returns ``103 Early Hints`` as the response itself, and parses a chunk size
    with ``int(line, 16)``, which takes ``-5`` and ``0x1_0``.
    """

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == 101:
                return version, status, reason
            self._skip_fields()
        raise BadStatusLine(f"more than {_MAX_INTERIM} interim responses")

    def _skip_fields(self) -> None:
        for _ in range(100):
            if self.fp.readline(65537).strip(b"\r\n") == b"":
                return
        raise BadStatusLine("more than 100 header lines in an interim response")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(4097)
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            self._close_conn()  # type: ignore[attr-defined]
            raise IncompleteRead(line[:80])
        return int(found.group(1), 16)


class _GuardedConnection(HTTPConnection):
    response_class = StrictResponse
    _watched: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        deadline = current_deadline()
        port = self.port or self.default_port
        answers = deadline.addresses.resolve(
            self._dns_host,
            port,
            seconds=_connect_seconds(deadline),
            is_over=lambda: deadline.is_over,
            is_proxy=self.proxy is not None,
        )
        name = f"{'the proxy ' if self.proxy else ''}{self.host} port {port}"
        failure: OSError | None = None
        for family, kind, protocol, _name, address in answers:
            if deadline.seconds_left() <= 0:
                break
            sock = socket.socket(family, kind, protocol)
            self._release_watched()
            # TLS moves the descriptor to another object; the duplicate remains ours.
            self._watched = sock.dup()
            deadline.watch(self._watched, is_reused=False)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(max(0.01, _connect_seconds(deadline)))
                sock.connect(address)
            except OSError as error:
                failure = error
                sock.close()
                self._release_watched()
            else:
                return sock
        if isinstance(failure, TimeoutError) or failure is None:
            raise TimedOut(f"{name} accepted no connection in time")
        raise ConnectionFailed(f"{name} accepts no connection: {failure}")

    def _release_watched(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Send a request, the attempt's deadline tied to the socket."""
        deadline = current_deadline()
        if self._watched is not None and self.sock is not None:
            deadline.watch(self._watched, is_reused=True)
        super().request(method, deadline.request_target, *args, **kwargs)

    def close(self) -> None:
        """Close the socket and its duplicate."""
        try:
            super().close()
        finally:
            self._release_watched()


def _connect_seconds(deadline: Deadline) -> float:
    return min(deadline.seconds_left(), deadline.silence_seconds, _CONNECT_SECONDS)


class _GuardedTlsConnection(_GuardedConnection, HTTPSConnection):
    """TLS connections."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _GuardedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTlsConnection


class GuardedAdapter(HTTPAdapter):
    """The requests adapter of a fetcher: guarded connections, no retries, no cookies."""

    def __init__(self, *, connections: int) -> None:
        super().__init__(
            pool_connections=max(64, connections),
            pool_maxsize=connections,
            max_retries=Retry(0, read=False),
        )

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Make the pools with our connection classes."""
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The pools of an HTTP proxy, made with our connection classes."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The response, without cookies and without a guessed encoding."""
        response = Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url or ""
        response.request = req
        return response
