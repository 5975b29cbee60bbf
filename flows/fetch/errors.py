"""Errors of a fetch.

FetchError
├── TransientFetchError       retried here; the next run retries what still fails
│   ├── ConnectionFailed      the name, the connection or the TLS handshake failed
│   │   └── StaleConnection   the server closed a kept connection; retried at once
│   ├── TimedOut              an attempt or the whole fetch exceeded its deadline
│   ├── IncompleteBody        cut, garbled, mislabelled, or without a provable end
│   ├── UnexpectedStatus      429, 5xx, or a status that the request did not ask for
│   └── FailedContentCheck    complete, but not the expected content
├── PermanentFetchError       recorded, never retried
│   ├── RefusedByServer       404, 410 and other 4xx
│   ├── BadRedirect           a loop, too many hops, no Location
│   ├── TooLarge              more than ``max_body_bytes``
│   ├── UntrustedServer       the certificate is not valid for the host
│   ├── BadAddress            not a URL that can be fetched
│   └── DisallowedByRobots    robots.txt disallows the URL
├── PolicyRefusal             our policy refuses it: private address, scheme, port, redirect
├── RateLimited               postponed to the next run: the host takes no request soon enough
└── Cancelled                 the run was interrupted

None derives from OSError or from an exception of requests or urllib3. Those libraries would
take such an error, raised inside a connection, for network trouble and retry it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.fetch.redact import redact_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request, as the ``fetches`` table records it.

    Attributes:
        url: URL of this hop, secrets redacted.
        seconds: Duration.
        status: HTTP status; ``None`` without a response.
        reason: ``ok``, ``redirect``, ``not_modified`` or ``FetchError.reason``.
        error: Error message; empty after a success.
    """

    url: str
    seconds: float
    status: int | None
    reason: str
    error: str = ""


class FetchError(Exception):
    """A page that was not fetched.

    Attributes:
        reason: One word for tables and counters.
        url: Secrets redacted.
        status: HTTP status, if there was a response.
        attempts: Every request that was made, in order.
    """

    reason = "fetch_error"

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url = redact_url(url)
        self.status = status
        self.attempts: tuple[Attempt, ...] = ()

    def __str__(self) -> str:
        text = super().__str__()
        count = len(self.attempts)
        tail = f" (after {count} attempts)" if count > 1 else ""
        return f"{self.url}: {text}{tail}" if self.url else f"{text}{tail}"


class TransientFetchError(FetchError):
    """A failure that a later attempt may not meet; every useful retry has been made."""

    reason = "transient"


class ConnectionFailed(TransientFetchError):
    """No response: the name, the connection or the TLS handshake failed."""

    reason = "connection_failed"


class StaleConnection(ConnectionFailed):
    """The server had closed a kept connection; a new one is tried at once."""

    reason = "stale_connection"


class TimedOut(TransientFetchError):
    """The attempt or the whole fetch exceeded its deadline."""

    reason = "timed_out"


class IncompleteBody(TransientFetchError):
    """The body is cut, garbled, mislabelled, or nothing proves that it is complete."""

    reason = "incomplete_body"


class UnexpectedStatus(TransientFetchError):
    """A status that is worth a retry, or that the request did not ask for.

    Attributes:
        retry_after: Seconds that the server asked to wait; ``None`` without Retry-After.
    """

    reason = "unexpected_status"

    def __init__(
        self, message: str, *, url: str = "", status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.retry_after = retry_after


class FailedContentCheck(TransientFetchError):
    """The body is complete, but it is not the expected content."""

    reason = "failed_content_check"


class PermanentFetchError(FetchError):
    """A failure that a retry would not change."""

    reason = "permanent"


class RefusedByServer(PermanentFetchError):
    """404, 410 and every other 4xx except 408, 425 and 429."""

    reason = "refused_by_server"


class BadRedirect(PermanentFetchError):
    """A redirect loop, too many hops, or a redirect without a usable Location."""

    reason = "bad_redirect"


class TooLarge(PermanentFetchError):
    """More than ``max_body_bytes``, on the wire or after decompression."""

    reason = "too_large"


class UntrustedServer(PermanentFetchError):
    """The server's certificate is not valid for the host."""

    reason = "untrusted_server"


class BadAddress(PermanentFetchError):
    """Not a URL that can be fetched."""

    reason = "bad_address"


class DisallowedByRobots(PermanentFetchError):
    """The site's robots.txt disallows the URL."""

    reason = "disallowed_by_robots"


class PolicyRefusal(FetchError):
    """Our policy refuses the URL; no connection was made.

    Attributes:
        rule: The rule that applies, for example ``loopback (127.0.0.0/8)``.
    """

    reason = "policy_refusal"

    def __init__(self, message: str, *, url: str = "", rule: str) -> None:
        super().__init__(message, url=url)
        self.rule = rule


class RateLimited(FetchError):
    """Postponed to the next run, because the host takes no request within ``max_wait_seconds``.

    Attributes:
        retry_at: Earliest time of the next request, aware UTC; ``None`` if unknown.
    """

    reason = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        url: str = "",
        status: int | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.retry_at = retry_at


class Cancelled(FetchError):
    """The run was interrupted before the page was fetched."""

    reason = "cancelled"
