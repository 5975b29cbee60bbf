"""Connections that go only where the guard allows, and answers read strictly.

The checks live in the connection itself, so that redirects, retries and the pool cannot
get around them: the name is resolved once, every answer is checked, and the socket goes
to a checked address. TLS still verifies the name.
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
    """An answer whose interim responses are skipped and whose chunk sizes are hex digits.

    http.client returns ``103 Early Hints`` as the answer itself, and reads a chunk size
    with ``int(line, 16)``, which takes ``-5`` and ``0x1_0``.
    """

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == 101:
                return version, status, reason
            self._skip_fields()
        raise BadStatusLine(f"more than {_MAX_INTERIM} interim answers")

    def _skip_fields(self) -> None:
        for _ in range(100):
            if self.fp.readline(65537).strip(b"\r\n") == b"":
                return
        raise BadStatusLine("more than 100 header lines in an interim answer")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(4097)
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            self._close_conn()  # type: ignore[attr-defined]
            raise IncompleteRead(line[:80])
        return int(found.group(1), 16)


class _Guarded(HTTPConnection):
    response_class = StrictResponse
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        leash = current_deadline()
        port = self.port or self.default_port
        answers = leash.guard.addresses(
            self._dns_host, port, seconds=_patience(leash), is_over=lambda: leash.is_over
        )
        trouble: OSError | None = None
        for family, kind, protocol, _name, address in answers:
            if leash.left() <= 0:
                break
            sock = socket.socket(family, kind, protocol)
            self._watch(leash, sock)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(max(0.01, _patience(leash)))
                sock.connect(address)
            except OSError as error:
                trouble = error
                sock.close()
                self._forget()
            else:
                return sock
        if isinstance(trouble, TimeoutError) or trouble is None:
            raise TimedOut(f"{self.host} port {port} took no connection in time")
        raise ConnectionFailed(f"{self.host} port {port} takes no connection: {trouble}")

    def _watch(self, leash: Deadline, sock: socket.socket) -> None:
        # TLS moves the descriptor to another object; a duplicate stays ours.
        self._forget()
        self._handle = sock.dup()
        leash.hold(self._handle, is_reused=False)

    def _forget(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, the attempt's deadline tied to the socket."""
        if self._handle is not None and self.sock is not None:
            leash = current_deadline()
            if not leash.holds(self._handle):
                leash.hold(self._handle, is_reused=True)
        super().request(*args, **kwargs)

    def close(self) -> None:
        """Close the socket and its duplicate."""
        try:
            super().close()
        finally:
            self._forget()


def _patience(leash: Deadline) -> float:
    return min(leash.left(), leash.silence_seconds, _CONNECT_SECONDS)


class GuardedHTTP(_Guarded):
    """Plain connections."""


class GuardedHTTPS(_Guarded, HTTPSConnection):
    """TLS connections."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = GuardedHTTP


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = GuardedHTTPS


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

    def proxy_manager_for(self, proxy: str, **_kwargs: Any) -> Any:
        """Refuse: a proxy would go around the guard."""
        raise RuntimeError(f"proxies are not used, found one for {proxy[:20]!r}")

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The answer, without cookies and without guessing at an encoding."""
        response = Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url or ""
        response.request = req
        return response
