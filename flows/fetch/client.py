"""One request and its answer: sent through requests, read to the end or refused."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, RemoteDisconnected
from typing import Literal
from urllib.parse import unquote_to_bytes

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from flows.fetch.body import Body, Framing, framing_of, read_body, read_prefix
from flows.fetch.connection import GuardedAdapter
from flows.fetch.deadlines import Deadline, Watchdog
from flows.fetch.errors import (
    BadAddress,
    ConnectionFailed,
    FetchError,
    IncompleteBody,
    RefusedByServer,
    StaleConnection,
    TimedOut,
    UnexpectedStatus,
    UntrustedServer,
)
from flows.fetch.policy import FetchPolicy
from flows.fetch.redact import redact_url, safe_text
from flows.fetch.retry_after import parse_retry_after
from flows.fetch.ssrf import AddressPolicy, Target

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED_4XX = frozenset({408, 425, 429})
_DRAINED = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete answer to one request.

    Attributes:
        kind: ``page`` for a 200, ``redirect``, or ``not_modified``.
        target: What was asked.
        status: The HTTP status.
        reason: The status line's words.
        fields: Header fields in order, as received.
        headers: The same, by name.
        body: The body; of a redirect only as much as was read.
        location: A redirect's Location, as received.
        asked: The request's header fields, credentials left out.
        at: When the answer was complete, aware UTC.
    """

    kind: Literal["page", "redirect", "not_modified"]
    target: Target
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Body
    location: str
    asked: tuple[tuple[str, str], ...]
    at: datetime


class HttpClient:
    """Makes requests for one run."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        guard: AddressPolicy,
        watchdog: Watchdog,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._guard = guard
        self._watchdog = watchdog
        self._clock = clock
        self._now = now
        self._adapter = GuardedAdapter(connections=policy.concurrency)
        self._verify: bool | str = policy.ca_file or True
        self._fields = {
            "User-Agent": policy.user_agent,
            "Accept": "*/*",
            # No br or zstd: they save little and widen the surface for bombs.
            "Accept-Encoding": "gzip, deflate",
        }

    def get(
        self,
        target: Target,
        *,
        deadline: float,
        validators: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> HttpResponse:
        """The answer to one GET.

        Args:
            target: Where; checked by the caller, and again inside the connection.
            deadline: On the clock; the attempt ends by then.
            validators: Fields that make the request conditional.
            credentials: User and password for this very host.
            limit: Read at most so many bytes and do not mind if there are more.

        Raises:
            FetchError: Anything but a whole 200, a redirect or an asked-for 304.
        """
        fields = {**self._fields, **(validators or {})}
        if credentials is not None:
            fields["Authorization"] = _basic(credentials)
        end = min(deadline, self._clock() + self._policy.attempt_limit_seconds)
        leash = Deadline(
            self._guard,
            deadline=end,
            silence_seconds=self._policy.timeout_seconds,
            clock=self._clock,
        )
        with self._watchdog.attempt(leash):
            try:
                return self._exchange(target, fields, leash, limit)
            except FetchError as error:
                verdict = self._watchdog.verdict(leash, error)
                if verdict is error:
                    raise
                raise verdict from error
            except (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                HTTPException,
                OSError,
                ValueError,  # http.client raises it bare for some malformed answers
            ) as error:
                raise self._watchdog.verdict(leash, _typed(error, leash)) from error

    def _exchange(
        self, target: Target, fields: Mapping[str, str], leash: Deadline, limit: int | None
    ) -> HttpResponse:
        silence = max(0.01, min(leash.left(), leash.silence_seconds))
        response = self._adapter.send(
            _prepare(target, fields), stream=True, timeout=silence, verify=self._verify
        )
        raw: urllib3.HTTPResponse = response.raw
        try:
            kind = self._judge(raw, response, fields)
            body = self._body(raw, kind, leash, limit)
        except (RefusedByServer, UnexpectedStatus):
            _drain(raw, leash)
            raise
        finally:
            if not raw.isclosed():
                raw.close()
            raw.release_conn()
        return HttpResponse(
            kind=kind,
            target=target,
            status=raw.status,
            reason=safe_text(raw.reason or ""),
            fields=tuple(raw.headers.iteritems()),
            headers=response.headers,
            body=body,
            location=response.headers.get("Location", ""),
            asked=tuple((k, v) for k, v in fields.items() if k != "Authorization"),
            at=self._now(),
        )

    def _body(
        self, raw: urllib3.HTTPResponse, kind: str, leash: Deadline, limit: int | None
    ) -> Body:
        if kind == "page":
            framing = framing_of(raw)
            if limit is None or framing.codings:
                most = self._policy.max_body_bytes
                return read_body(raw, framing=framing, limit=most, leash=leash)
            part = read_prefix(raw, limit=limit, leash=leash)
            return Body(wire=part, content=part, framing=framing)
        part = read_prefix(raw, limit=_DRAINED, leash=leash) if kind == "redirect" else b""
        if kind == "not_modified":
            raw.read1(1, decode_content=False)
        return Body(wire=part, content=part, framing=Framing(kind="close", length=None, codings=()))

    def _judge(
        self, raw: urllib3.HTTPResponse, response: requests.Response, fields: Mapping[str, str]
    ) -> Literal["page", "redirect", "not_modified"]:
        status = raw.status
        if status == 200:
            return "page"
        if status in REDIRECTS:
            return "redirect"
        if status == 304 and ("If-None-Match" in fields or "If-Modified-Since" in fields):
            return "not_modified"
        words = f"{status} {safe_text(raw.reason or '', limit=60)}".strip()
        if 400 <= status < 500 and status not in _RETRIED_4XX:
            raise RefusedByServer(f"expected 200, the server answered {words}", status=status)
        retry_after = None
        if status >= 400:
            retry_after = parse_retry_after(
                response.headers.get("Retry-After"),
                now=self._now(),
                date=response.headers.get("Date"),
            )
        expected = "200" if status >= 400 else "200 to an unconditional request for a whole page"
        raise UnexpectedStatus(
            f"expected {expected}, the server answered {words}",
            status=status,
            retry_after=retry_after,
        )

    def close(self) -> None:
        """Close every kept connection."""
        self._adapter.close()


def _drain(raw: urllib3.HTTPResponse, leash: Deadline) -> None:
    """Read a short error page to its end, so that the connection can be kept."""
    length = raw.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _DRAINED:
        try:
            read_prefix(raw, limit=_DRAINED, leash=leash)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError):
            raw.close()


def _prepare(target: Target, fields: Mapping[str, str]) -> requests.PreparedRequest:
    """A request that is ready to send; Session would look at the environment and cookies."""
    prepared = requests.PreparedRequest()
    prepared.method = "GET"
    prepared.url = target.url
    prepared.headers = CaseInsensitiveDict(fields)
    return prepared


def _basic(credentials: tuple[str, str]) -> str:
    user, password = (unquote_to_bytes(part) for part in credentials)
    return "Basic " + base64.b64encode(user + b":" + password).decode("ascii")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and everything it was made from."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]


def _innermost(causes: list[BaseException]) -> str:
    """What went wrong first, in the words of the standard library.

    The wrappers of urllib3 put whole addresses into theirs, secrets included.
    """
    foreign = requests.RequestException | urllib3.exceptions.HTTPError
    plain = [cause for cause in causes if not isinstance(cause, foreign)]
    first = (plain or causes)[-1]
    return redact_url(str(first)[:200]) if plain and str(first) else type(first).__name__


def _typed(error: Exception, leash: Deadline) -> FetchError:
    """A foreign error as one of ours."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError):
            return UntrustedServer(
                f"the server's certificate is not valid for it: {safe_text(str(cause))}; nothing "
                "was sent"
            )
    if isinstance(error, requests.exceptions.InvalidURL):
        return BadAddress(f"it cannot be requested: {safe_text(str(error))}")
    words = _innermost(causes)
    if any(isinstance(c, TimeoutError | urllib3.exceptions.TimeoutError) for c in causes):
        return TimedOut(f"no byte for {leash.silence_seconds:g} s")
    if isinstance(error, urllib3.exceptions.HTTPError):
        return IncompleteBody(f"the connection broke in the middle of the body: {words}")
    if isinstance(error, ValueError) and not isinstance(error, requests.RequestException):
        return IncompleteBody(f"the answer is malformed: {words}")
    if isinstance(error, requests.exceptions.InvalidHeader) or any(
        isinstance(c, HTTPException) and not isinstance(c, RemoteDisconnected) for c in causes
    ):
        return IncompleteBody(f"the answer is malformed: {words}")
    if leash.is_reused:
        return StaleConnection(f"a kept connection was closed by the server: {words}")
    return ConnectionFailed(f"no usable answer: {words}")
