"""Retry policy: which errors are retried, how long to wait, when to give up.

tenacity decides, driven step by step. A wait is returned to the caller instead of slept, so
that the thread fetches other pages meanwhile and an interrupted run ends at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, retry_if_exception_type

from flows.fetch.errors import FetchError, StaleConnection, TransientFetchError, UnexpectedStatus
from flows.fetch.policy import FetchPolicy

T = TypeVar("T")


@dataclass(kw_only=True, eq=False)
class RetrySession(Generic[T]):
    """All attempts at one hop.

    Attributes:
        attempt: Makes one request; returns its result or raises a FetchError.
        policy: The limits.
        seconds_left: Seconds until the URL's deadline.
        may_retry: Takes one retry from the host's budget; False when it is used up.
        random: A number in [0, 1).
    """

    attempt: Callable[[], T]
    policy: FetchPolicy
    seconds_left: Callable[[], float]
    may_retry: Callable[[], bool]
    random: Callable[[], float]

    def __post_init__(self) -> None:
        """Begin the first attempt."""
        self._retrying = Retrying(
            retry=retry_if_exception_type(TransientFetchError),
            stop=self._is_over,
            wait=self._wait_seconds,
            reraise=True,
        )
        self._state = RetryCallState(self._retrying, fn=None, args=(), kwargs={})
        self._retrying.begin()

    def step(self) -> tuple[float, None] | tuple[None, T]:
        """Make one attempt; return the seconds to wait before the next one, or the result.

        Raises:
            FetchError: The attempt failed and no retry follows.
        """
        # tenacity's counters are per thread, and a page may change threads between attempts.
        self._retrying.statistics.setdefault("idle_for", 0)
        self._retrying.statistics.setdefault("attempt_number", self._state.attempt_number)
        do = self._retrying.iter(retry_state=self._state)
        if isinstance(do, DoAttempt):
            try:
                result = self.attempt()
            except FetchError:
                # tenacity stores the exception triple; it handles no foreign exception.
                self._state.set_exception(sys.exc_info())  # type: ignore[arg-type]
            else:
                self._state.set_result(result)
            try:
                do = self._retrying.iter(retry_state=self._state)
            finally:
                self._state.outcome = None  # frees the page: this object is part of a cycle
        if isinstance(do, DoSleep):
            self._state.prepare_for_next_attempt()
            return float(do), None
        return None, cast("T", do)

    def _wait_seconds(self, state: RetryCallState) -> float:
        """Full jitter over an exponential backoff with floor and cap; Retry-After if longer."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, StaleConnection):
            return 0.0
        policy = self.policy
        limit = policy.backoff_seconds * 2.0 ** (state.attempt_number - 1)
        limit = min(limit, policy.backoff_cap_seconds)
        wait = max(policy.backoff_floor_seconds, self.random() * limit)
        if isinstance(error, UnexpectedStatus) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait

    def _is_over(self, state: RetryCallState) -> bool:
        if state.attempt_number >= self.policy.max_attempts:
            return True
        if state.upcoming_sleep >= self.seconds_left():
            return True
        return not self.may_retry()
