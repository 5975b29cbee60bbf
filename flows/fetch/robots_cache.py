"""The robots.txt of every site a run talks to: asked once, kept for a day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from flows.fetch.attempt_state import outcome_of
from flows.fetch.client import HttpClient, HttpResponse
from flows.fetch.errors import (
    BadAddress,
    BadRedirect,
    DisallowedByRobots,
    FetchError,
    PolicyRefusal,
    RateLimited,
    RefusedByServer,
    TooLarge,
    TransientFetchError,
    UnexpectedStatus,
)
from flows.fetch.policy import FetchPolicy
from flows.fetch.retry import RetrySession
from flows.fetch.robots import ALLOW_ALL, MAX_AGE_SECONDS, MAX_BYTES, Rules, parse_robots
from flows.fetch.ssrf import AddressPolicy, Target, join, parse_target
from flows.fetch.throttle import Outcome

_MAX_HOPS = 5
_RETRY_SECONDS = 300.0
_MAX_SITES = 10_000


@dataclass(slots=True)
class _Entry:
    course: RetrySession[Rules]
    rules: Rules | None = None
    trouble: str = ""
    until: float = 0.0
    outcome: Outcome = "answered"
    lock: threading.Lock = field(default_factory=threading.Lock)


class RobotsCache:
    """What each site allows; safe for threads.

    RFC 9309 2.3.1: 4xx and more than five redirects mean that everything is allowed; 5xx,
    429 and no answer mean that nothing is, until it can be read.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        client: HttpClient,
        guard: AddressPolicy,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._client = client
        self._guard = guard
        self._clock = clock
        self._random = random
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def is_known(self, target: Target) -> bool:
        """True when ``check`` can answer without a request."""
        entry = self._entries.get(target.origin)
        return entry is not None and entry.until > self._clock()

    def check(self, target: Target) -> None:
        """Nothing, if the address may be fetched.

        Raises:
            DisallowedByRobots: The site does not want it.
            Deferred: Its robots.txt cannot be read now.
        """
        entry = self._entries[target.origin]
        if entry.rules is None:
            raise RateLimited(
                f"nothing of {target.host} is fetched in this run, because its robots.txt cannot "
                f"be read ({entry.trouble}); the next run asks again",
                url=target.url,
            )
        if not entry.rules.allows(target.url):
            raise DisallowedByRobots(
                f"{target.origin}/robots.txt does not allow it for {self._policy.product_token}",
                url=target.url,
            )

    def crawl_delay(self, target: Target) -> float:
        """Seconds the site wants between requests; 0 if it does not say."""
        entry = self._entries[target.origin]
        return entry.rules.crawl_delay if entry.rules else 0.0

    def load(self, target: Target) -> tuple[float | None, Outcome]:
        """One request for a robots.txt.

        Returns:
            Seconds to wait before the next, or ``None`` if none is needed; and what the
            request says about the host.

        Raises:
            FetchError: The site cannot be fetched at all: a refused address, a bad
                certificate, an interrupted run.
        """
        entry = self._entry(target)
        with entry.lock:
            return (None, "cancelled") if self.is_known(target) else self._step(entry, target)

    def _step(self, entry: _Entry, target: Target) -> tuple[float | None, Outcome]:
        try:
            wait, rules = entry.course.step()
        except (TransientFetchError, TooLarge) as error:
            entry.rules, entry.trouble = None, str(error.args[0])
            entry.until = self._clock() + _RETRY_SECONDS
            return None, entry.outcome
        except FetchError:
            with self._lock:
                self._entries.pop(target.origin, None)
            raise
        if wait is not None:
            return wait, entry.outcome
        entry.rules = rules
        entry.until = self._clock() + MAX_AGE_SECONDS
        return None, "answered"

    def _entry(self, target: Target) -> _Entry:
        with self._lock:
            entry = self._entries.get(target.origin)
            if entry is None or 0 < entry.until <= self._clock():
                entry = self._new_entry(target)
                if len(self._entries) >= _MAX_SITES:
                    self._entries.clear()
                self._entries[target.origin] = entry
            return entry

    def _new_entry(self, target: Target) -> _Entry:
        deadline = self._clock() + self._policy.deadline_seconds

        def attempt() -> Rules:
            try:
                return self._ask(target, deadline)
            except FetchError as error:
                entry.outcome = outcome_of(error)
                raise

        course = RetrySession(
            attempt,
            policy=self._policy,
            left=lambda: deadline - self._clock(),
            may_retry=lambda: True,
            random=self._random,
        )
        entry = _Entry(course=course)
        return entry

    def _ask(self, target: Target, deadline: float) -> Rules:
        at = parse_target(f"{target.origin}/robots.txt")
        try:
            answer = self._follow(at, deadline)
        except RefusedByServer as error:
            return Rules(why=f"robots.txt answered {error.status}")
        except (BadRedirect, BadAddress):
            return ALLOW_ALL
        except UnexpectedStatus as error:
            if error.status is not None and 200 <= error.status < 300:
                return ALLOW_ALL
            raise
        return parse_robots(answer.body.content, self._policy.product_token)

    def _follow(self, target: Target, deadline: float) -> HttpResponse:
        for hop in range(_MAX_HOPS + 1):
            answer = self._client.get(target, deadline=deadline, limit=MAX_BYTES)
            if answer.kind != "redirect":
                return answer
            if not answer.location or hop == _MAX_HOPS:
                break
            target = self._next(target, answer.location)
        raise BadRedirect(f"expected at most {_MAX_HOPS} redirects")

    def _next(self, target: Target, location: str) -> Target:
        try:
            found = parse_target(join(target, location))
            self._guard.check(found)
        except (ValueError, PolicyRefusal) as error:
            raise BadRedirect("it redirects to an address that cannot be asked") from error
        return found
