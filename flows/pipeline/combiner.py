"""Join the requests of several threads to the warehouse, so that they cost one set of statements.

A statement of DuckDB costs about a millisecond, however few rows it is about. While one thread has the
warehouse, the requests of others queue; the next thread answers all of them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from duckdb import DuckDBPyConnection

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Request, Answer]):
    """A request in the queue.

    Attributes:
        is_alone: A group with it failed, so that it is answered by itself.
    """

    request: Request
    weight: int
    answers: tuple[Answer, ...] = ()
    is_alone: bool = False


class Combiner(Generic[Request, Answer]):
    """Answers requests of one kind in groups; safe for threads.

    Args:
        use: Opens the warehouse for one thread at a time.
        answer: The answers to some requests, in their order. It may be called again with each of
            them after it failed, so a failed call must leave nothing behind.
        max_weight: The weight that the requests of a group have together at most.
    """

    def __init__(
        self,
        use: Callable[[], AbstractContextManager[DuckDBPyConnection]],
        answer: Callable[[DuckDBPyConnection, Sequence[Request]], Sequence[Answer]],
        *,
        max_weight: int,
    ) -> None:
        self._use = use
        self._answer = answer
        self._max_weight = max_weight
        self._queue: list[_Waiting[Request, Answer]] = []
        self._lock = threading.Lock()

    def ask(self, request: Request, weight: int = 1) -> Answer:
        """Return the answer to a request, which this thread or another one makes.

        Raises:
            WarehouseError: The warehouse cannot be used, or not for this request.
        """
        mine: _Waiting[Request, Answer] = _Waiting(request, weight)
        with self._lock:
            self._queue.append(mine)
        try:
            while not mine.answers:
                self._serve(mine)
        finally:
            with self._lock:
                if mine in self._queue:
                    self._queue.remove(mine)
        return mine.answers[0]

    def _serve(self, mine: _Waiting[Request, Answer]) -> None:
        """Wait for the warehouse, then answer a group, unless another thread has done it."""
        group: list[_Waiting[Request, Answer]] = []
        try:
            with self._use() as db:
                if mine.answers:
                    return
                group = self._group(mine)
                answers = self._answer(db, [one.request for one in group])
                for one, answer in zip(group, answers, strict=True):
                    one.answers = (answer,)
        except Exception:
            # The error may be that of another request: each of the group is answered by itself.
            if len(group) < 2 or mine.answers:
                raise
            for one in group:
                one.is_alone = True

    def _group(self, mine: _Waiting[Request, Answer]) -> list[_Waiting[Request, Answer]]:
        with self._lock:
            group, weight = [mine], mine.weight
            for one in () if mine.is_alone else tuple(self._queue):
                if one is mine or one.is_alone or weight + one.weight > self._max_weight:
                    continue
                group.append(one)
                weight += one.weight
            self._queue = [one for one in self._queue if one not in group]
        return group
