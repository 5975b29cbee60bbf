"""One HTTP request and its response, read to the end or refused."""

from __future__ import annotations

import base64
import re
import ssl
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, RemoteDisconnected
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from flows.fetch.body import Body, Framing, framing_of, read_body, read_prefix
from flows.fetch.connection import GuardedAdapter
from flows.fetch.deadlines import Deadline, Watchdog
from flows.fetch.echoes import mask_echoes
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
from flows.fetch.headers import parse_retry_after
from flows.fetch.policy import FetchPolicy
from flows.fetch.ssrf import AddressPolicy, Target
from flows.secrets.redact import redact_url, safe_text
from flows.secrets.urls import MARK, SECRETS

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED_4XX = frozenset({408, 425, 429})
_DRAIN_BYTES = 65536
_LIBRARY_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)
# http.client raises a bare ValueError for some malformed responses.
_FOREIGN_ERRORS = (*_LIBRARY_ERRORS, HTTPException, OSError, ValueError)

_AUTHORITY = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")

Kind = Literal["page", "redirect", "not_modified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete response to one request.

    Attributes:
        kind: ``page`` for a 200, ``redirect``, or ``not_modified``.
        target: The requested URL.
        status: HTTP status.
        reason: Reason phrase of the status line.
        fields: Header fields in order, as received; secrets are masked.
        headers: The same, by name.
        body: Of a redirect only as much as was read.
        location: Location of a redirect; bytes beyond ASCII are decoded. It may have secrets.
        request_fields: Header fields of the request, credentials left out.
        received_at: When the response was complete, aware UTC.
    """

    kind: Kind
    target: Target
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Body
    location: str
    request_fields: tuple[tuple[str, str], ...]
    received_at: datetime


class HttpClient:
    """Makes the requests of one run."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        addresses: AddressPolicy,
        watchdog: Watchdog,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._addresses = addresses
        self._watchdog = watchdog
        self._clock = clock
        self._now = now
        self._adapter = GuardedAdapter(connections=policy.concurrency)
        self._verify: bool | str = policy.ca_file or True
        self._fields = {
            "User-Agent": policy.user_agent,
            "Accept": "*/*",
            # No br or zstd: they save little and make more kinds of bombs possible.
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
        """Make one GET request.

        Args:
            target: The URL; checked by the caller, and again inside the connection.
            deadline: On the clock; the attempt ends by then.
            validators: Fields that make the request conditional.
            credentials: User and password for this host.
            limit: Read at most this many bytes and ignore the rest.

        Raises:
            FetchError: The response is no complete 200, no redirect and no requested 304.
        """
        proxy = self._addresses.proxy_for(target)
        fields = {**self._fields, **(validators or {})}
        if credentials is not None:
            fields["Authorization"] = _basic(_reveal_credentials(target, credentials))
        attempt = Deadline(
            self._addresses,
            _request_target(target, in_absolute_form=bool(proxy) and target.scheme == "http"),
            at=min(deadline, self._clock() + self._policy.attempt_limit_seconds),
            silence_seconds=self._policy.timeout_seconds,
            clock=self._clock,
        )
        with self._watchdog.attempt(attempt):
            try:
                return self._exchange(target, fields, attempt, proxy, limit)
            except FetchError as error:
                error.args = (SECRETS.clean_text(error.args[0]),)
                cause = self._watchdog.cause_of(attempt, error)
                if cause is error:
                    raise
                raise cause from error
            except _FOREIGN_ERRORS as error:
                typed = _typed(error, attempt)
                typed.args = (SECRETS.clean_text(typed.args[0]),)
                raise self._watchdog.cause_of(attempt, typed) from error

    def _exchange(
        self,
        target: Target,
        fields: Mapping[str, str],
        deadline: Deadline,
        proxy: str,
        limit: int | None,
    ) -> HttpResponse:
        silence = max(0.01, min(deadline.seconds_left(), deadline.silence_seconds))
        response = self._adapter.send(
            _prepare(target, fields),
            stream=True,
            timeout=silence,
            verify=self._verify,
            proxies={target.scheme: proxy} if proxy else None,
        )
        raw: urllib3.HTTPResponse = response.raw
        try:
            kind = self._kind(raw, response.headers, fields)
            body = self._body(raw, kind, deadline, limit)
        except (RefusedByServer, UnexpectedStatus):
            _drain(raw, deadline)
            raise
        finally:
            if not raw.isclosed():
                raw.close()
            raw.release_conn()
        received = HttpResponse(
            kind=kind,
            target=target,
            status=raw.status,
            reason=safe_text(raw.reason or ""),
            fields=tuple(raw.headers.iteritems()),
            headers=response.headers,
            body=body,
            location=_location(raw) if kind == "redirect" else "",
            request_fields=tuple((k, v) for k, v in fields.items() if k != "Authorization"),
            received_at=self._now(),
        )
        has_secret = "Authorization" in fields or MARK in target.path
        return mask_echoes(received, has_secret=has_secret)

    def _body(
        self, raw: urllib3.HTTPResponse, kind: Kind, deadline: Deadline, limit: int | None
    ) -> Body:
        if kind == "page":
            framing = framing_of(raw)
            if limit is None or framing.codings:
                most = self._policy.max_body_bytes
                return read_body(raw, framing=framing, limit=most, deadline=deadline)
            part = read_prefix(raw, limit=limit, deadline=deadline)
            return Body(wire=part, content=part, framing=framing)
        part = b""
        if kind == "redirect":
            part = read_prefix(raw, limit=_DRAIN_BYTES, deadline=deadline)
        else:
            raw.read1(1, decode_content=False)
        return Body(wire=part, content=part, framing=Framing(kind="close", length=None, codings=()))

    def _kind(
        self, raw: urllib3.HTTPResponse, headers: Mapping[str, str], fields: Mapping[str, str]
    ) -> Kind:
        status = raw.status
        if status == 200:
            return "page"
        if status in _REDIRECTS:
            return "redirect"
        if status == 304 and ("If-None-Match" in fields or "If-Modified-Since" in fields):
            return "not_modified"
        line = f"{status} {safe_text(raw.reason or '', limit=60)}".strip()
        if 400 <= status < 500 and status not in _RETRIED_4XX:
            raise RefusedByServer(f"expected 200, the server answered {line}", status=status)
        if status < 400:
            raise UnexpectedStatus(
                "expected 200 to an unconditional request for a whole page, the server answered "
                f"{line}",
                status=status,
            )
        raise UnexpectedStatus(
            f"expected 200, the server answered {line}",
            status=status,
            retry_after=parse_retry_after(
                headers.get("Retry-After"), now=self._now(), date=headers.get("Date")
            ),
        )

    def close(self) -> None:
        """Close every kept connection."""
        self._adapter.close()


def _location(raw: urllib3.HTTPResponse) -> str:
    """The text of the first Location, which http.client reads as Latin-1.

    Browsers send bytes that are not UTF-8 back as they are, percent-encoded.
    """
    data = next(iter(raw.headers.getlist("Location")), "").encode("latin-1", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        authority = _AUTHORITY.match(data)
        end = authority.end() if authority else 0
        return data[:end].decode("latin-1") + quote(data[end:], safe=string.printable)


def _drain(raw: urllib3.HTTPResponse, deadline: Deadline) -> None:
    """Read a short error page to its end, so that the connection can be kept."""
    length = raw.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _DRAIN_BYTES:
        try:
            read_prefix(raw, limit=_DRAIN_BYTES, deadline=deadline)
        except _FOREIGN_ERRORS:
            raw.close()


def _prepare(target: Target, fields: Mapping[str, str]) -> requests.PreparedRequest:
    """A prepared request; a requests Session would read the environment and cookies."""
    prepared = requests.PreparedRequest()
    prepared.method = "GET"
    prepared.url = target.url
    prepared.headers = CaseInsensitiveDict(fields)
    return prepared


def _request_target(target: Target, *, in_absolute_form: bool) -> str:
    path = SECRETS.reveal(target.scheme, target.host_key, target.path)
    return target.url.removesuffix(target.path) + path if in_absolute_form else path


def _reveal_credentials(target: Target, credentials: tuple[str, str]) -> tuple[str, str]:
    if not credentials[0].startswith(MARK) or credentials[1]:
        return credentials
    found = SECRETS.credentials(target.scheme, target.host_key, credentials[0])
    if found is None:
        raise BadAddress(
            f"its user and password are masked, and no configured address of {target.host_key} "
            "has them; give the address with them"
        )
    return found


def _basic(credentials: tuple[str, str]) -> str:
    user, password = (unquote_to_bytes(part) for part in credentials)
    return "Basic " + base64.b64encode(user + b":" + password).decode("ascii")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and every error that it was made from."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]


def _root_message(causes: list[BaseException]) -> str:
    """The message of the first error, from the standard library.

    The messages of urllib3's own errors contain whole URLs, secrets included.
    """
    plain = [cause for cause in causes if not isinstance(cause, _LIBRARY_ERRORS)]
    first = (plain or causes)[-1]
    return redact_url(str(first)[:200]) if plain and str(first) else type(first).__name__


def _typed(error: Exception, deadline: Deadline) -> FetchError:
    """A foreign error as a FetchError."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError):
            return UntrustedServer(
                f"the server's certificate is not valid for it: {safe_text(str(cause))}; nothing "
                "was sent"
            )
    if isinstance(error, requests.exceptions.InvalidURL):
        return BadAddress(f"it cannot be requested: {safe_text(str(error))}")
    message = _root_message(causes)
    if any(isinstance(c, TimeoutError | urllib3.exceptions.TimeoutError) for c in causes):
        return TimedOut(f"no byte for {deadline.silence_seconds:g} s")
    if isinstance(error, urllib3.exceptions.HTTPError):
        return IncompleteBody(f"the connection broke in the middle of the body: {message}")
    is_malformed = (
        isinstance(error, requests.exceptions.InvalidHeader)
        or (isinstance(error, ValueError) and not isinstance(error, requests.RequestException))
        or any(
            isinstance(c, HTTPException) and not isinstance(c, RemoteDisconnected) for c in causes
        )
    )
    if is_malformed:
        return IncompleteBody(f"the response is malformed: {message}")
    if deadline.is_reused:
        return StaleConnection(f"the server closed a kept connection: {message}")
    return ConnectionFailed(f"no usable response: {message}")
