"""Many pages at once: threads that never sleep, and no host that can hold up another.

Requests wait in one queue per host. A thread takes the next request whose host is ready,
makes one request for it, and puts it back with a time when it has to wait. So a host that
is slow, down or wants to be left alone costs the others nothing.

A thread is woken only for what it can do: all threads of Python share one lock, and waking
one in vain costs as much time as a good part of a page.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from flows.fetch.errors import Cancelled, FetchError, RateLimited
from flows.fetch.messages import FetchFailure, FetchRequest, FetchResponse

if TYPE_CHECKING:
    from flows.fetch.attempt_state import FetchAttemptState

_WINDOW = 10_000
_GULP = 64
_TICK = 0.1
_FULL_WAIT = 0.05
_NEVER = float("inf")

Result = FetchResponse | FetchFailure


class FetchScheduler:
    """One pass over a stream of requests.

    Args:
        requests: Read as needed, by the thread that takes the results.
        begin: A request as a job, or why it cannot be one.
        admit: Seconds until a host takes another request; 0.0 takes a slot, ``None``
            means that one has to be released first.
        room: What ``admit`` would say, without taking a slot.
        step: Makes a request for an admitted job and releases the slot: its outcome,
            or seconds to wait.
        refuse: A job that its host does not admit, as a failure.
        clock: Seconds that never jump.
        halt: Set when the run stops.
        cancel: Ends the requests in flight of some threads.
        workers: Threads.
    """

    def __init__(
        self,
        requests: Iterable[FetchRequest],
        *,
        begin: Callable[[FetchRequest], FetchAttemptState | FetchFailure],
        acquire: Callable[[str], float | None],
        room: Callable[[str], float | None],
        step: Callable[[FetchAttemptState], Result | float],
        refuse: Callable[[FetchAttemptState, FetchError], FetchFailure],
        clock: Callable[[], float],
        halt: threading.Event,
        cancel: Callable[[set[int | None]], None],
        workers: int,
    ) -> None:
        self._requests = iter(requests)
        self._begin = begin
        self._admit = acquire
        self._room = room
        self._step = step
        self._refuse = refuse
        self._clock = clock
        self._halt = halt
        self._cancel = cancel
        self._workers = workers
        self._backlog = 2 * workers
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)
        self._count = itertools.count()
        self._lanes: dict[str, _Lane] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._listed: dict[str, float] = {}
        self._results: deque[Result] = deque()
        self._open = 0
        self._is_closed = False
        self._crash: BaseException | None = None
        # When one of the waiting threads looks again by itself, at the latest.
        self._alarm = _NEVER

    def run(self) -> Iterator[Result]:
        """The results, as they come."""
        threads = [
            threading.Thread(target=self._labour, name=f"fetch-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._collect()
        finally:
            with self._lock:
                self._is_closed = True
                self._work.notify_all()
            self._cancel({thread.ident for thread in threads})
            for thread in threads:
                thread.join(0.5)

    def _collect(self) -> Iterator[Result]:
        is_exhausted = False
        while not self._halt.is_set():
            if not is_exhausted and self._open < _WINDOW:
                is_exhausted = not self._gulp()
            with self._lock:
                if self._crash is not None:
                    raise self._crash
                if not self._results and (is_exhausted or self._open >= _WINDOW):
                    if self._open == 0:
                        return
                    self._done.wait(_TICK)
                batch = list(self._results)
                self._results.clear()
                self._open -= len(batch)
                if len(batch) >= self._backlog:
                    self._work.notify_all()  # they waited for room
            yield from batch

    def _gulp(self) -> bool:
        """Take in some requests, until a result is there; False when there are no more."""
        for _ in range(_GULP):
            if self._results:
                break
            request = next(self._requests, None)
            if request is None:
                return False
            job = self._begin(request)
            with self._lock:
                self._open += 1
                if isinstance(job, FetchFailure):
                    self._results.append(job)
                    continue
                lane = self._lane(job.key)
                lane.fresh.append(job)
                if len(lane.fresh) == 1:  # with more of them it is listed already
                    self._list(job.key, 0.0)
                    self._wake()
        return True

    def _lane(self, key: str) -> _Lane:
        return self._lanes.setdefault(key, _Lane())

    def _list(self, key: str, at: float) -> None:
        """Enter a host among those that a thread should look at, at a time."""
        if self._listed.get(key, _NEVER) <= at:
            return
        self._listed[key] = at
        heapq.heappush(self._ready, (at, next(self._count), key))

    def _wake(self) -> None:
        """Wake a thread, unless one looks by itself before there is anything to do."""
        if self._ready and self._ready[0][0] < self._alarm:
            self._work.notify()

    def _sleep(self, seconds: float) -> None:
        """Wait to be woken, but no longer than so."""
        seconds = min(seconds, _TICK)
        self._alarm = min(self._alarm, self._clock() + seconds)
        self._work.wait(seconds)
        self._alarm = _NEVER  # the others' is not known any more

    def _relist(self, key: str, *, not_before: float) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            return
        if lane.fresh:
            self._list(key, not_before)
        elif lane.again:
            self._list(key, max(not_before, lane.again[0][0]))
        else:
            del self._lanes[key]

    def _labour(self) -> None:
        try:
            while (job := self._take()) is not None:
                key = job.key
                self._put(job, key, self._step(job))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            with self._lock:
                self._crash = error
                self._done.notify()

    def _take(self) -> FetchAttemptState | None:
        with self._lock:
            while not (self._is_closed or self._crash or self._halt.is_set()):
                if len(self._results) >= self._backlog:
                    self._sleep(_TICK)
                    continue
                job, wait = self._pick()
                if job is not None:
                    self._wake()  # somebody else looks after the rest
                    return job
                if wait > 0:
                    self._sleep(wait)
        return None

    def _pick(self) -> tuple[FetchAttemptState | None, float]:
        """A job whose host admitted it, or seconds until a host may be ready."""
        if not self._ready:
            return None, _TICK
        at, _, key = self._ready[0]
        now = self._clock()
        if self._listed.get(key) == at and at > now:
            return None, at - now
        heapq.heappop(self._ready)
        if self._listed.get(key) != at:
            return None, 0.0  # listed again, for an earlier time
        del self._listed[key]
        lane = self._lanes.get(key)
        if lane is None or not lane.has_due(now):
            self._relist(key, not_before=now)
            return None, 0.0
        try:
            wait = self._admit(key)
        except RateLimited as error:
            self._finish(self._refuse(lane.pop(now), error))
            self._relist(key, not_before=now)
            return None, 0.0
        if wait != 0.0:
            self._relist(key, not_before=now + (_FULL_WAIT if wait is None else wait))
            return None, 0.0
        job = lane.pop(now)
        room = self._room(key)
        self._relist(key, not_before=now + (_FULL_WAIT if room is None else room))
        return job, 0.0

    def _put(self, job: FetchAttemptState, key: str, outcome: Result | float) -> None:
        """What became of a job; the thread that says it is the next to look."""
        with self._lock:
            now = self._clock()
            if isinstance(outcome, float):
                again = (now + outcome, next(self._count), job)
                heapq.heappush(self._lane(job.key).again, again)
                self._relist(job.key, not_before=now)
            else:
                self._finish(outcome)
            self._relist(key, not_before=now)

    def _finish(self, result: Result) -> None:
        if isinstance(result, FetchFailure) and isinstance(result.error, Cancelled):
            return  # it was not fetched, and is not reported as if it had been tried
        self._results.append(result)
        self._done.notify()


class _Lane:
    """The jobs of one host: those that have not begun, and those that wait to go on."""

    __slots__ = ("again", "fresh")

    def __init__(self) -> None:
        self.fresh: deque[FetchAttemptState] = deque()
        self.again: list[tuple[float, int, FetchAttemptState]] = []

    def has_due(self, now: float) -> bool:
        """True when there is a job that can run."""
        return bool(self.fresh) or bool(self.again and self.again[0][0] <= now)

    def pop(self, now: float) -> FetchAttemptState:
        """The job to run: what has begun goes on first."""
        if self.again and self.again[0][0] <= now:
            return heapq.heappop(self.again)[2]
        return self.fresh.popleft()
