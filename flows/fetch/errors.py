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

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from flows.secrets.redact import redact_url


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
        reason: The class name in snake case, for tables and counters.
        url: Secrets redacted.
        status: HTTP status, if there was a response.
        attempts: Every request that was made, in order.
    """

    reason = "fetch_error"

    def __init_subclass__(cls) -> None:
        cls.reason = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

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


class ConnectionFailed(TransientFetchError):
    """No response: the name, the connection or the TLS handshake failed."""


class StaleConnection(ConnectionFailed):
    """The server had closed a kept connection; a new one is tried at once."""


class TimedOut(TransientFetchError):
    """The attempt or the whole fetch exceeded its deadline."""


class IncompleteBody(TransientFetchError):
    """The body is cut, garbled, mislabelled, or nothing proves that it is complete."""


class UnexpectedStatus(TransientFetchError):
    """A status that is worth a retry, or that the request did not ask for.

    Attributes:
        retry_after: Seconds that the server asked to wait; ``None`` without Retry-After.
    """

    def __init__(
        self, message: str, *, url: str = "", status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a pickle give the keyword that ``__init__`` requires."""
        return partial(type(self), status=self.status or 0), self.args, self.__dict__


class FailedContentCheck(TransientFetchError):
    """The body is complete, but it is not the expected content."""


class PermanentFetchError(FetchError):
    """A failure that a retry would not change."""


class RefusedByServer(PermanentFetchError):
    """404, 410 and every other 4xx except 408, 425 and 429."""


class BadRedirect(PermanentFetchError):
    """A redirect loop, too many hops, or a redirect without a usable Location."""


class TooLarge(PermanentFetchError):
    """More than ``max_body_bytes``, on the wire or after decompression."""


class UntrustedServer(PermanentFetchError):
    """The server's certificate is not valid for the host."""


class BadAddress(PermanentFetchError):
    """Not a URL that can be fetched."""


class DisallowedByRobots(PermanentFetchError):
    """The site's robots.txt disallows the URL."""


class PolicyRefusal(FetchError):
    """Our policy refuses the URL; no connection was made.

    Attributes:
        rule: The rule that applies, for example ``loopback (127.0.0.0/8)``.
    """

    def __init__(self, message: str, *, url: str = "", rule: str) -> None:
        super().__init__(message, url=url)
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a pickle give the keyword that ``__init__`` requires."""
        return partial(type(self), rule=self.rule), self.args, self.__dict__


class RateLimited(FetchError):
    """Postponed to the next run, because the host takes no request within ``max_wait_seconds``.

    Attributes:
        retry_at: Earliest time of the next request, aware UTC; ``None`` if unknown.
    """

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
