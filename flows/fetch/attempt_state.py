"""One request on its way, and what its answers and errors mean."""

from __future__ import annotations

from flows.fetch.attempt import Attempt
from flows.fetch.client import HttpResponse
from flows.fetch.errors import (
    Cancelled,
    ConnectionFailed,
    FetchError,
    PolicyRefusal,
    StaleConnection,
    TimedOut,
)
from flows.fetch.messages import FetchRequest
from flows.fetch.redact import redact_url
from flows.fetch.retry import RetrySession
from flows.fetch.ssrf import Target, parse_target
from flows.fetch.throttle import Outcome

_MAX_VALIDATOR = 1024


class FetchAttemptState:
    """One request on its way through redirects, attempts and waits.

    Attributes:
        request: What was asked for.
        home: Where it began.
        target: Where it is now.
        seen: Addresses it has been at.
        course: The attempts at ``target``; ``None`` before the first.
        attempts: Every request made so far.
        outcome: What the last one says about its host.
        started: When the first one was made, on the clock.
    """

    __slots__ = ("attempts", "course", "home", "outcome", "request", "seen", "started", "target")

    def __init__(self, request: FetchRequest, target: Target) -> None:
        self.request = request
        self.home = target
        self.target = target
        self.seen = {target.url}
        self.course: RetrySession[HttpResponse] | None = None
        self.attempts: list[Attempt] = []
        self.outcome: Outcome = "cancelled"
        self.started: float | None = None

    @property
    def key(self) -> str:
        """The host it waits for now."""
        return self.target.host_key


def outcome_of(error: FetchError) -> Outcome:
    """What an error says about its host."""
    if isinstance(error, StaleConnection | Cancelled | PolicyRefusal):
        return "cancelled"
    if isinstance(error, ConnectionFailed | TimedOut):
        return "unreachable"
    return "overloaded" if error.status in (429, 503) else "answered"


def without_credentials(url: str) -> str:
    """The address in its parsed form, without user name and password."""
    try:
        return parse_target(url).url
    except FetchError:
        return redact_url(url)


def is_sendable(value: str) -> bool:
    """True for a validator that can go into a header field as it came."""
    if len(value) > _MAX_VALIDATOR:
        return False
    return all(" " <= char <= "\xff" and char != "\x7f" for char in value)


def is_reusable(vary: str) -> bool:
    """True when validators hold for our requests; Accept-Encoding never changes here."""
    named = {part.strip().lower() for part in vary.split(",")} - {""}
    return named <= {"accept-encoding"}
