"""Concurrent fetches: threads that never sleep on behalf of one page or host.

Requests wait in one queue per host. A thread takes the next request of a host that is ready,
makes one HTTP request for it, and puts it back with a time if it has to wait. So a slow, dead
or limiting host delays no other host.

A thread is woken only when it has work: all threads share Python's global lock, and a vain
wake-up costs a good part of the time of a page.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from flows.fetch.errors import Cancelled, RateLimited
from flows.fetch.messages import FetchFailure, FetchRequest, FetchResult
from flows.fetch.throttle import HostThrottle

if TYPE_CHECKING:
    from flows.fetch.fetcher import FetchAttemptState, Fetcher

_MAX_OPEN = 10_000
_PULL_SIZE = 64
_TICK_SECONDS = 0.1
_FULL_WAIT_SECONDS = 0.05
_NEVER = float("inf")


class FetchScheduler:
    """One pass over a stream of requests.

    Args:
        requests: Read as needed, by the thread that takes the results.
        handler: Begins a request; makes one HTTP request for it and releases its slot.
        throttle: Hands out the slots of the hosts.
        clock: Seconds that never jump.
        halt: Set when the run stops.
        cancel: Ends the requests in flight of some threads.
        workers: Number of threads.
    """

    def __init__(
        self,
        requests: Iterable[FetchRequest],
        *,
        handler: Fetcher,
        throttle: HostThrottle,
        clock: Callable[[], float],
        halt: threading.Event,
        cancel: Callable[[set[int | None]], None],
        workers: int,
    ) -> None:
        self._requests = iter(requests)
        self._handler = handler
        self._throttle = throttle
        self._clock = clock
        self._halt = halt
        self._cancel = cancel
        self._workers = workers
        self._max_results = 2 * workers
        self._lock = threading.Lock()
        self._has_work = threading.Condition(self._lock)
        self._has_result = threading.Condition(self._lock)
        self._count = itertools.count()
        self._queues: dict[str, _HostQueue] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._ready_at: dict[str, float] = {}
        self._results: deque[FetchResult] = deque()
        self._open_count = 0
        self._is_closed = False
        self._crash: BaseException | None = None
        # Latest time at which one of the waiting threads looks for work unasked.
        self._next_look_at = _NEVER

    def run(self) -> Iterator[FetchResult]:
        """Yield the results in the order they are done."""
        threads = [
            threading.Thread(target=self._work, name=f"fetch-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._collect()
        finally:
            with self._lock:
                self._is_closed = True
                self._has_work.notify_all()
            self._cancel({thread.ident for thread in threads})
            for thread in threads:
                thread.join(0.5)

    def _collect(self) -> Iterator[FetchResult]:
        is_exhausted = False
        while not self._halt.is_set():
            if not is_exhausted and self._open_count < _MAX_OPEN:
                is_exhausted = not self._pull()
            with self._lock:
                if self._crash is not None:
                    raise self._crash
                if not self._results and (is_exhausted or self._open_count >= _MAX_OPEN):
                    if self._open_count == 0:
                        return
                    self._has_result.wait(_TICK_SECONDS)
                batch = list(self._results)
                self._results.clear()
                self._open_count -= len(batch)
                if len(batch) >= self._max_results:
                    self._has_work.notify_all()  # the threads waited for room
            yield from batch

    def _pull(self) -> bool:
        """Queue some requests until there is a result; False when there are no more."""
        for _ in range(_PULL_SIZE):
            if self._results:
                break
            request = next(self._requests, None)
            if request is None:
                return False
            state = self._handler.begin(request)
            with self._lock:
                self._open_count += 1
                if isinstance(state, FetchFailure):
                    self._results.append(state)
                    continue
                queue = self._queue(state.key)
                queue.new.append(state)
                if len(queue.new) == 1:  # with more of them the host is listed already
                    self._list(state.key, 0.0)
                    self._wake()
        return True

    def _queue(self, key: str) -> _HostQueue:
        return self._queues.setdefault(key, _HostQueue())

    def _list(self, key: str, at: float) -> None:
        """List a host as ready at a time, unless it is listed for an earlier one."""
        if self._ready_at.get(key, _NEVER) <= at:
            return
        self._ready_at[key] = at
        heapq.heappush(self._ready, (at, next(self._count), key))

    def _wake(self) -> None:
        """Wake a thread, unless one looks by itself before any host is ready."""
        if self._ready and self._ready[0][0] < self._next_look_at:
            self._has_work.notify()

    def _wait(self, seconds: float) -> None:
        """Wait for work, at most for some seconds."""
        seconds = min(seconds, _TICK_SECONDS)
        self._next_look_at = min(self._next_look_at, self._clock() + seconds)
        self._has_work.wait(seconds)
        self._next_look_at = _NEVER  # the times of the other threads are unknown now

    def _relist(self, key: str, *, not_before: float) -> None:
        queue = self._queues.get(key)
        if queue is None:
            return
        if queue.new:
            self._list(key, not_before)
        elif queue.waiting:
            self._list(key, max(not_before, queue.waiting[0][0]))
        else:
            del self._queues[key]

    def _work(self) -> None:
        try:
            while (state := self._take()) is not None:
                key = state.key
                self._put(state, key, self._handler.step(state))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            with self._lock:
                self._crash = error
                self._has_result.notify()

    def _take(self) -> FetchAttemptState | None:
        with self._lock:
            while not (self._is_closed or self._crash or self._halt.is_set()):
                if len(self._results) >= self._max_results:
                    self._wait(_TICK_SECONDS)
                    continue
                state, wait = self._pick()
                if state is not None:
                    self._wake()  # another thread takes the rest
                    return state
                if wait > 0:
                    self._wait(wait)
        return None

    def _pick(self) -> tuple[FetchAttemptState | None, float]:
        """A state whose host gave it a slot, or seconds until a host may be ready."""
        if not self._ready:
            return None, _TICK_SECONDS
        at, _, key = self._ready[0]
        now = self._clock()
        if self._ready_at.get(key) == at and at > now:
            return None, at - now
        heapq.heappop(self._ready)
        if self._ready_at.get(key) != at:
            return None, 0.0  # listed again, for an earlier time
        del self._ready_at[key]
        queue = self._queues.get(key)
        if queue is None or not queue.has_due(now):
            self._relist(key, not_before=now)
            return None, 0.0
        try:
            wait = self._throttle.acquire(key)
        except RateLimited as error:
            self._finish(self._handler.fail(queue.pop(now), error))
            self._relist(key, not_before=now)
            return None, 0.0
        if wait != 0.0:
            self._relist(key, not_before=now + (_FULL_WAIT_SECONDS if wait is None else wait))
            return None, 0.0
        state = queue.pop(now)
        wait = self._throttle.available(key)
        self._relist(key, not_before=now + (_FULL_WAIT_SECONDS if wait is None else wait))
        return state, 0.0

    def _put(self, state: FetchAttemptState, key: str, outcome: FetchResult | float) -> None:
        """Queue a state again or store its result; the calling thread looks for work next."""
        with self._lock:
            now = self._clock()
            if isinstance(outcome, float):
                waiting = (now + outcome, next(self._count), state)
                heapq.heappush(self._queue(state.key).waiting, waiting)
                self._relist(state.key, not_before=now)
            else:
                self._finish(outcome)
            self._relist(key, not_before=now)

    def _finish(self, result: FetchResult) -> None:
        if isinstance(result, FetchFailure) and isinstance(result.error, Cancelled):
            return  # it was not tried, so it is no result
        self._results.append(result)
        self._has_result.notify()


class _HostQueue:
    """The states of one host: new ones, and started ones that wait for a time."""

    __slots__ = ("new", "waiting")

    def __init__(self) -> None:
        self.new: deque[FetchAttemptState] = deque()
        self.waiting: list[tuple[float, int, FetchAttemptState]] = []

    def has_due(self, now: float) -> bool:
        """True when a state can run."""
        return bool(self.new) or bool(self.waiting and self.waiting[0][0] <= now)

    def pop(self, now: float) -> FetchAttemptState:
        """The state to run; started ones come first."""
        if self.waiting and self.waiting[0][0] <= now:
            return heapq.heappop(self.waiting)[2]
        return self.new.popleft()
