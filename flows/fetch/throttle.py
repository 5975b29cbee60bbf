"""What every host is owed: its limits, its delay, its pauses, and a rest when it is down.

One entry per host. All waits are answers, not sleeps: ``admit`` says how long to wait, and
the caller does something else meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from flows.fetch.errors import RateLimited
from flows.fetch.policy import FetchPolicy

Outcome = Literal["ok", "answered", "overloaded", "unreachable", "cancelled"]

_MAX_DELAY = 60.0
_FIRST_REST = 1.0
_LONGEST_REST = 30.0
_NEGLIGIBLE = 0.02
_MAX_HOSTS = 10_000


@dataclass(slots=True)
class _Host:
    in_flight: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    pause_reason: str = ""
    crawl_delay: float = 0.0
    delay: float = 0.0
    is_known: bool = False
    failures: int = 0
    failing_since: float = 0.0
    resting_until: float = 0.0
    rest: float = _FIRST_REST
    firsts: int = 0
    retries: int = 0


class HostThrottle:
    """The state of every host a run talks to; safe for threads."""

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
        self._hosts: dict[str, _Host] = {}
        self._most = _MAX_HOSTS
        self._lock = threading.Lock()

    def acquire(self, key: str) -> float | None:
        """0.0 and a slot taken; seconds to wait; or ``None`` until a slot is released.

        Raises:
            Deferred: The wait is longer than the run's patience.
        """
        with self._lock:
            now = self._clock()
            if len(self._hosts) >= self._most:
                self._forget_idle(now)
            host = self._hosts.setdefault(key, _Host())
            self._lose_patience(key, host, now)
            wait = self._wait(host, now)
            if wait == 0.0:
                host.in_flight += 1
                host.next_at = now + self._spacing(host)
            return wait

    def room(self, key: str) -> float | None:
        """What ``admit`` would say, with nothing taken and nobody refused."""
        with self._lock:
            host = self._hosts.get(key)
            return self._wait(host, self._clock()) if host else 0.0

    def _wait(self, host: _Host, now: float) -> float | None:
        if host.in_flight >= self._limit(host):
            return None
        return max(host.next_at - now, host.paused_until - now, host.resting_until - now, 0.0)

    def _forget_idle(self, now: float) -> None:
        """Keep memory flat: a host that is owed nothing can begin anew."""
        self._hosts = {
            key: host
            for key, host in self._hosts.items()
            if host.in_flight or host.failures or max(host.next_at, host.paused_until) > now
        }
        self._most = max(_MAX_HOSTS, 2 * len(self._hosts))

    def _limit(self, host: _Host) -> int:
        # One at a time until it has answered, and while it fails to.
        if not host.is_known or host.failures > 1:
            return 1
        return self._policy.per_host_concurrency

    def _spacing(self, host: _Host) -> float:
        return max(self._policy.per_host_delay_seconds, host.crawl_delay, host.delay)

    def rate_limited_error(self, key: str, *, status: int | None = None) -> RateLimited:
        """The error for a page whose host asked for more time than there is."""
        with self._lock:
            return self._paused(key, self._hosts[key], self._clock(), status)

    def _paused(self, key: str, host: _Host, now: float, status: int | None = None) -> RateLimited:
        seconds = host.paused_until - now
        return RateLimited(
            f"{key} asked to be left alone for {seconds:.0f} s ({host.pause_reason}), longer than "
            f"this run waits; the next run tries again",
            status=status,
            retry_at=self._now() + timedelta(seconds=seconds),
        )

    def _lose_patience(self, key: str, host: _Host, now: float) -> None:
        patience = self._policy.max_wait_seconds
        if host.paused_until - now > patience:
            raise self._paused(key, host, now)
        is_down = host.failures >= self._policy.breaker_failures
        if is_down and now - host.failing_since > patience:
            raise RateLimited(
                f"{key} has not answered for {now - host.failing_since:.0f} s "
                f"({host.failures} requests in a row); the next run tries again"
            )
        if host.next_at - now > patience:
            seconds = host.next_at - now
            raise RateLimited(
                f"{key} wants {self._spacing(host):.0f} s between requests; the next run goes on",
                retry_at=self._now() + timedelta(seconds=seconds),
            )

    def release(self, key: str, outcome: Outcome, *, seconds: float = 0.0) -> None:
        """Give the slot back and say how it went.

        Args:
            key: The host.
            outcome: ``ok`` for a 200 or 304, ``answered`` for any other answer.
            seconds: How long the answer took.
        """
        with self._lock:
            host = self._hosts[key]
            host.in_flight -= 1
            now = self._clock()
            if outcome == "unreachable":
                self._fail(host, now)
            elif outcome != "cancelled":
                host.is_known = True
                host.failures = 0
                host.rest = _FIRST_REST
                host.resting_until = 0.0
                self._adapt(host, outcome, seconds)
            host.next_at = max(host.next_at, now - seconds + self._spacing(host))

    def _fail(self, host: _Host, now: float) -> None:
        if host.failures == 0:
            host.failing_since = now
        host.failures += 1
        if host.failures >= self._policy.breaker_failures:
            host.resting_until = now + host.rest
            host.rest = min(host.rest * 2, _LONGEST_REST)

    def _adapt(self, host: _Host, outcome: Outcome, seconds: float) -> None:
        """Slow down on trouble; only a good answer speeds up again."""
        if outcome == "overloaded":
            least = max(host.delay * 2, seconds / self._policy.per_host_concurrency)
            host.delay = min(max(least, self._policy.slow_down_seconds / 10), _MAX_DELAY)
        elif outcome == "ok" and host.delay:
            host.delay = host.delay / 2 if host.delay > _NEGLIGIBLE else 0.0

    def pause(self, key: str, seconds: float, reason: str) -> None:
        """Leave the whole host alone for so long; an earlier longer pause stays."""
        with self._lock:
            host = self._hosts.setdefault(key, _Host())
            until = self._clock() + seconds
            if until > host.paused_until:
                host.paused_until = until
                host.pause_reason = reason

    def slow_down(self, key: str) -> None:
        """A 429 without a time: at least ``slow_down_seconds`` between requests."""
        with self._lock:
            host = self._hosts.setdefault(key, _Host())
            host.delay = min(max(host.delay * 2, self._policy.slow_down_seconds), _MAX_DELAY)

    def set_crawl_delay(self, key: str, seconds: float) -> None:
        """The delay its robots.txt asks for; it raises ours and never lowers it."""
        with self._lock:
            self._hosts.setdefault(key, _Host()).crawl_delay = seconds

    def spend(self, key: str, *, is_retry: bool) -> bool:
        """Count a request; False when the host has used up the run's retries for it."""
        with self._lock:
            host = self._hosts.setdefault(key, _Host())
            if not is_retry:
                host.firsts += 1
                return True
            if host.retries >= 10 + self._policy.retry_ratio * host.firsts:
                return False
            host.retries += 1
            return True

    def delay_of(self, key: str) -> float:
        """Seconds now kept between two requests to a host."""
        with self._lock:
            host = self._hosts.get(key)
            return self._spacing(host) if host else self._policy.per_host_delay_seconds
