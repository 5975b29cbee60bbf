"""The one layer of retries: tenacity, driven step by step.

``Retrying`` is made per hop and asked after every attempt what to do. Its answer to wait is
handed to the caller, so that no thread sleeps on behalf of a page (the pool gives it to
another page instead), and a wait in ``fetch`` ends at once when the run stops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying, retry_if_exception_type

from flows.fetch.errors import FetchError, StaleConnection, TransientFetchError, UnexpectedStatus
from flows.fetch.policy import FetchPolicy

T = TypeVar("T")


class RetrySession(Generic[T]):
    """All attempts at one hop.

    Args:
        attempt: Makes one request; returns its result or raises a FetchError.
        policy: The limits.
        left: Seconds until the URL's deadline.
        may_retry: Asks the host's retry budget; called once for each retry.
        random: A number in [0, 1).
    """

    def __init__(
        self,
        attempt: Callable[[], T],
        *,
        policy: FetchPolicy,
        left: Callable[[], float],
        may_retry: Callable[[], bool],
        random: Callable[[], float],
    ) -> None:
        self._attempt = attempt
        self._policy = policy
        self._left = left
        self._may_retry = may_retry
        self._random = random
        self._retrying = Retrying(
            retry=retry_if_exception_type(TransientFetchError),
            stop=self._gives_up,
            wait=self._wait,
            reraise=True,
        )
        self._state = RetryCallState(self._retrying, fn=None, args=(), kwargs={})
        self._retrying.begin()

    def step(self) -> tuple[float, None] | tuple[None, T]:
        """One attempt: seconds to wait before the next, or the result.

        Raises:
            FetchError: The attempt failed for good.
        """
        # tenacity's counters are per thread, and a page may change threads between attempts.
        self._retrying.statistics.setdefault("idle_for", 0)
        self._retrying.statistics.setdefault("attempt_number", self._state.attempt_number)
        do = self._retrying.iter(retry_state=self._state)
        if isinstance(do, DoAttempt):
            try:
                result = self._attempt()
            except FetchError:
                # tenacity keeps the exception triple; anything but ours passes through it.
                self._state.set_exception(sys.exc_info())  # type: ignore[arg-type]
            else:
                self._state.set_result(result)
            try:
                do = self._retrying.iter(retry_state=self._state)
            finally:
                # Let go of the page: this object is part of a cycle and lives on for a while.
                self._state.outcome = None
        if isinstance(do, DoSleep):
            self._state.prepare_for_next_attempt()
            return float(do), None
        return None, cast("T", do)

    def _wait(self, state: RetryCallState) -> float:
        """Full jitter between a floor and a doubling, capped roof; Retry-After if longer."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, StaleConnection):
            return 0.0
        policy = self._policy
        roof = policy.backoff_seconds * 2.0 ** (state.attempt_number - 1)
        roof = min(roof, policy.backoff_cap_seconds)
        wait = max(policy.backoff_floor_seconds, self._random() * roof)
        if isinstance(error, UnexpectedStatus) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait

    def _gives_up(self, state: RetryCallState) -> bool:
        if state.attempt_number >= self._policy.max_attempts:
            return True
        if state.upcoming_sleep >= self._left():
            return True
        return not self._may_retry()
