"""Per-host throttling: concurrency, delays, pauses and a circuit breaker.

Nothing here sleeps. ``acquire`` returns the seconds to wait, so that the caller fetches from
other hosts meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from flows.fetch.errors import (
    Cancelled,
    ConnectionFailed,
    FetchError,
    PolicyRefusal,
    RateLimited,
    StaleConnection,
    TimedOut,
)
from flows.fetch.policy import FetchPolicy

Outcome = Literal["ok", "answered", "overloaded", "unreachable", "cancelled"]
"""Effect of one request on its host: ``ok`` is a 200 or 304, ``answered`` any other response."""

_MAX_DELAY = 60.0
_NEGLIGIBLE_DELAY = 0.02
_MIN_REST = 1.0
_MAX_REST = 30.0
_FREE_RETRIES = 10


def outcome_of(error: FetchError) -> Outcome:
    """The outcome of a failed request for its host."""
    if isinstance(error, StaleConnection | Cancelled | PolicyRefusal):
        return "cancelled"
    if isinstance(error, ConnectionFailed | TimedOut):
        return "unreachable"
    return "overloaded" if error.status in (429, 503) else "answered"


@dataclass(slots=True)
class HostState:
    """What is known of a host; times are on the clock of its throttle."""

    in_flight: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    pause_reason: str = ""
    crawl_delay: float = 0.0
    delay: float = 0.0
    has_answered: bool = False
    failures: int = 0
    failing_since: float = 0.0
    resting_until: float = 0.0
    rest: float = _MIN_REST
    page_count: int = 0
    retry_count: int = 0

    def shifted(self, seconds: float) -> HostState:
        """The same on a clock that shows so much more, without requests in flight."""
        return replace(
            self,
            in_flight=0,
            next_at=self.next_at + seconds,
            paused_until=self.paused_until + seconds,
            failing_since=self.failing_since + seconds,
            resting_until=self.resting_until + seconds,
        )


class HostThrottle:
    """The state of every host of a run; safe for threads."""

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._now = now
        self._hosts: dict[str, HostState] = {}
        self._lock = threading.Lock()

    def states(self) -> dict[str, HostState]:
        """The state of each host, for ``restore`` in another process; times from now."""
        with self._lock:
            now = self._clock()
            return {key: host.shifted(-now) for key, host in self._hosts.items()}

    def restore(self, states: Mapping[str, HostState]) -> None:
        """Continue with the states of ``states``; requests in flight and longer waits here stay.

        The other process may know less of a host, such as the target of a redirect.
        """
        with self._lock:
            now, known = self._clock(), dict(self._hosts)
            for key, state in states.items():
                host = self._hosts[key] = state.shifted(now)
                if before := known.get(key):
                    host.in_flight = before.in_flight
                    host.next_at = max(host.next_at, before.next_at)
                    host.resting_until = max(host.resting_until, before.resting_until)
                    if before.paused_until > host.paused_until:
                        host.paused_until = before.paused_until
                        host.pause_reason = before.pause_reason

    def acquire(self, key: str) -> float | None:
        """Take a slot of a host and return 0.0, or return the seconds to wait.

        ``None`` means: wait until another request of the host releases its slot.

        Raises:
            RateLimited: The wait exceeds ``max_wait_seconds``.
        """
        with self._lock:
            now = self._clock()
            host = self._hosts.setdefault(key, HostState())
            self._check_wait(key, host, now)
            wait = self._wait_seconds(host, now)
            if wait == 0.0:
                host.in_flight += 1
                host.next_at = now + self._spacing(host)
            return wait

    def available(self, key: str) -> float | None:
        """What ``acquire`` would return, without taking a slot."""
        with self._lock:
            host = self._hosts.get(key)
            return self._wait_seconds(host, self._clock()) if host else 0.0

    def _wait_seconds(self, host: HostState, now: float) -> float | None:
        # One request at a time until the host has answered, and while it fails.
        is_probe = not host.has_answered or host.failures > 1
        if host.in_flight >= (1 if is_probe else self._policy.per_host_concurrency):
            return None
        return max(host.next_at - now, host.paused_until - now, host.resting_until - now, 0.0)

    def _spacing(self, host: HostState) -> float:
        return max(self._policy.per_host_delay_seconds, host.crawl_delay, host.delay)

    def rate_limited_error(self, key: str, *, status: int | None = None) -> RateLimited:
        """The error for a page whose host is paused for too long."""
        with self._lock:
            return self._paused_error(key, self._hosts[key], self._clock(), status)

    def _paused_error(
        self, key: str, host: HostState, now: float, status: int | None = None
    ) -> RateLimited:
        seconds = host.paused_until - now
        return RateLimited(
            f"{key} asked for a pause of {seconds:.0f} s ({host.pause_reason}), longer than this "
            "run waits; the next run retries",
            status=status,
            retry_at=self._now() + timedelta(seconds=seconds),
        )

    def _check_wait(self, key: str, host: HostState, now: float) -> None:
        limit = self._policy.max_wait_seconds
        if host.paused_until - now > limit:
            raise self._paused_error(key, host, now)
        is_down = host.failures >= self._policy.breaker_failures
        if is_down and now - host.failing_since > limit:
            raise RateLimited(
                f"{key} has not answered for {now - host.failing_since:.0f} s "
                f"({host.failures} requests in a row); the next run retries"
            )
        if host.next_at - now > limit:
            raise RateLimited(
                f"{key} requires {self._spacing(host):.0f} s between requests; the next run continues",
                retry_at=self._now() + timedelta(seconds=host.next_at - now),
            )

    def release(self, key: str, outcome: Outcome, *, seconds: float = 0.0) -> None:
        """Release a slot and adapt to the outcome of the request, which took ``seconds``."""
        with self._lock:
            host = self._hosts[key]
            host.in_flight -= 1
            now = self._clock()
            if outcome == "unreachable":
                self._count_failure(host, now)
            elif outcome != "cancelled":
                host.has_answered = True
                host.failures = 0
                host.rest = _MIN_REST
                host.resting_until = 0.0
                self._adapt_delay(host, outcome, seconds)
            host.next_at = max(host.next_at, now - seconds + self._spacing(host))

    def _count_failure(self, host: HostState, now: float) -> None:
        if host.failures == 0:
            host.failing_since = now
        host.failures += 1
        if host.failures >= self._policy.breaker_failures:
            host.resting_until = now + host.rest
            host.rest = min(host.rest * 2, _MAX_REST)

    def _adapt_delay(self, host: HostState, outcome: Outcome, seconds: float) -> None:
        """Double the delay of an overloaded host; only a 200 or 304 halves it again."""
        if outcome == "overloaded":
            least = max(host.delay * 2, seconds / self._policy.per_host_concurrency)
            host.delay = min(max(least, self._policy.slow_down_seconds / 10), _MAX_DELAY)
        elif outcome == "ok" and host.delay:
            host.delay = host.delay / 2 if host.delay > _NEGLIGIBLE_DELAY else 0.0

    def pause(self, key: str, seconds: float, reason: str) -> None:
        """Send a host no request for some seconds; an earlier, longer pause remains."""
        with self._lock:
            host = self._hosts.setdefault(key, HostState())
            until = self._clock() + seconds
            if until > host.paused_until:
                host.paused_until = until
                host.pause_reason = reason

    def slow_down(self, key: str) -> None:
        """After a 429 without Retry-After, keep ``slow_down_seconds`` between requests."""
        with self._lock:
            host = self._hosts.setdefault(key, HostState())
            host.delay = min(max(host.delay * 2, self._policy.slow_down_seconds), _MAX_DELAY)

    def set_crawl_delay(self, key: str, seconds: float) -> None:
        """Set the delay of a robots.txt; it raises the configured delay and never lowers it."""
        with self._lock:
            self._hosts.setdefault(key, HostState()).crawl_delay = seconds

    def count_page(self, key: str) -> None:
        """Count a page, which adds to the host's retry budget."""
        with self._lock:
            self._hosts.setdefault(key, HostState()).page_count += 1

    def take_retry(self, key: str) -> bool:
        """Take a retry from the host's budget; False when the run has used it up."""
        with self._lock:
            host = self._hosts.setdefault(key, HostState())
            if host.retry_count >= _FREE_RETRIES + self._policy.retry_ratio * host.page_count:
                return False
            host.retry_count += 1
            return True

    def delay_of(self, key: str) -> float:
        """Seconds now kept between two requests to a host."""
        with self._lock:
            host = self._hosts.get(key)
            return self._spacing(host) if host else self._policy.per_host_delay_seconds
