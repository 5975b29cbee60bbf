"""What can go wrong while fetching.

FetchError
├── TransientFetchError       retried here; what is left over waits for the next run
│   ├── Unreachable           no answer: name, connection, handshake
│   │   └── StaleConnection   a kept connection was closed under us; retried at once
│   ├── TimedOut              an attempt or the whole fetch ran out of time
│   ├── BrokenBody            cut, garbled, wrongly labelled or unprovable
│   ├── UnexpectedAnswer      429, 5xx, or a status nobody asked for
│   └── FailedContentCheck    complete, but not what was expected
├── PermanentFetchError       recorded, never retried
│   ├── RefusedByServer       404, 410 and other 4xx
│   ├── BadRedirect           a loop, too many hops, no Location
│   ├── TooLarge              more than ``max_body_bytes``
│   ├── UntrustedServer       its certificate is not valid for it
│   ├── BadAddress            not a URL that can be fetched
│   └── DisallowedByRobots    robots.txt says no
├── PolicyRefusal             our own rules say no: private address, scheme, port, redirect
├── Deferred                  not in this run: its time lies beyond the run's patience
└── Stopped                   the run was interrupted

None derives from OSError or from an exception of requests or urllib3: raised inside a
connection, those would be taken for network trouble and tried again.
"""

from __future__ import annotations

from datetime import datetime

from flows.fetch.attempt import Attempt
from flows.fetch.redact import redact_url


class FetchError(Exception):
    """A page that was not fetched.

    Attributes:
        reason: A short word for tables and counters.
        url: The address, secrets masked.
        status: The HTTP status, if there was an answer.
        attempts: Every request that was made for it, in order.
        archived: ``(file, offset)`` of the page, if one came and failed its check.
    """

    reason = "fetch_error"

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url = redact_url(url)
        self.status = status
        self.attempts: tuple[Attempt, ...] = ()
        self.archived: tuple[str, int] | None = None

    def __str__(self) -> str:
        text = super().__str__()
        tries = len(self.attempts)
        tail = f" (after {tries} attempts)" if tries > 1 else ""
        return f"{self.url}: {text}{tail}" if self.url else f"{text}{tail}"


class TransientFetchError(FetchError):
    """It may work later; every retry that was worth it has been made."""

    reason = "transient"


class ConnectionFailed(TransientFetchError):
    """No answer at all: the name, the connection or the handshake failed."""

    reason = "unreachable"


class StaleConnection(ConnectionFailed):
    """A kept connection had been closed by the server; a new one is tried at once."""

    reason = "stale_connection"


class TimedOut(TransientFetchError):
    """The attempt or the whole fetch ran out of time."""

    reason = "timed_out"


class IncompleteBody(TransientFetchError):
    """The body is cut, garbled, wrongly labelled, or cannot be proved complete."""

    reason = "broken_body"


class UnexpectedStatus(TransientFetchError):
    """A status that is worth another try, or that nobody asked for.

    Attributes:
        retry_after: Seconds the server asked to wait; ``None`` if it did not.
    """

    reason = "unexpected_answer"

    def __init__(
        self, message: str, *, url: str = "", status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.retry_after = retry_after


class FailedContentCheck(TransientFetchError):
    """The body arrived whole, but it is not what was expected."""

    reason = "failed_content_check"


class PermanentFetchError(FetchError):
    """Asking again would change nothing."""

    reason = "permanent"


class RefusedByServer(PermanentFetchError):
    """404, 410 and every other 4xx that does not ask for patience."""

    reason = "refused_by_server"


class BadRedirect(PermanentFetchError):
    """A redirect loop, too many hops, or a redirect to nowhere."""

    reason = "bad_redirect"


class TooLarge(PermanentFetchError):
    """More bytes than ``max_body_bytes``, on the wire or after decompression."""

    reason = "too_large"


class UntrustedServer(PermanentFetchError):
    """The server's certificate is not valid for it."""

    reason = "untrusted_server"


class BadAddress(PermanentFetchError):
    """Not an address that can be fetched."""

    reason = "bad_address"


class DisallowedByRobots(PermanentFetchError):
    """The site's robots.txt does not allow it."""

    reason = "disallowed_by_robots"


class PolicyRefusal(FetchError):
    """Refused by our own rules, before any connection was made.

    Attributes:
        rule: The rule in words, for example ``loopback (127.0.0.0/8)``.
    """

    reason = "policy_refusal"

    def __init__(self, message: str, *, url: str = "", rule: str) -> None:
        super().__init__(message, url=url)
        self.rule = rule


class RateLimited(FetchError):
    """Handed to the next run: its time lies beyond this run's patience.

    Attributes:
        retry_at: When it may be tried again, aware UTC; ``None`` if nobody said.
    """

    reason = "deferred"

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
    """The run was interrupted; the page was not fetched and nothing was lost."""

    reason = "stopped"
