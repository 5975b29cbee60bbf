"""Requests of threads that wait for the warehouse are answered together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from flows.pipeline.combiner import Combiner
from warehouse.errors import WarehouseBusy, WarehouseError


class Desk:
    """A warehouse that a test holds while requests queue, and the groups that it answered."""

    def __init__(self, *, max_weight: int = 100, error: type[Exception] = ValueError) -> None:
        self.turn = threading.RLock()
        self.groups: list[list[int]] = []
        self.error = error
        self.combiner: Combiner[int, int] = Combiner(self.use, self.answer, max_weight=max_weight)

    @contextmanager
    def use(self) -> Iterator[Any]:
        with self.turn:
            yield None

    def answer(self, _db: object, requests: Sequence[int]) -> list[int]:
        self.groups.append(list(requests))
        if any(one < 0 for one in requests):
            raise self.error("negative")
        return [one * 10 for one in requests]

    def ask(self, *requests: int) -> list[int | Exception]:
        """Ask all at once, as waiting threads do."""
        with ThreadPoolExecutor(len(requests)) as pool:
            with self.turn:
                futures = [pool.submit(self.combiner.ask, one) for one in requests]
                while len(self.combiner._queue) < len(requests):
                    pass
            return [one.exception() or one.result() for one in futures]  # type: ignore[misc]


def test_waiting_requests_are_one_group_and_each_gets_its_own_answer():
    desk = Desk()

    assert desk.ask(1, 2, 3, 4) == [10, 20, 30, 40]
    assert [sorted(group) for group in desk.groups] == [[1, 2, 3, 4]]


def test_group_is_no_heavier_than_allowed():
    desk = Desk(max_weight=2)

    assert desk.ask(1, 2, 3, 4, 5) == [10, 20, 30, 40, 50]
    assert [len(group) for group in desk.groups] == [2, 2, 1]


@pytest.mark.parametrize("error", [ValueError, WarehouseError])
def test_request_that_fails_takes_no_other_with_it(error):
    desk = Desk(error=error)
    found = desk.ask(1, -2, 3)

    assert [found[0], found[2]] == [10, 30]
    assert isinstance(found[1], error)
    assert sorted(map(len, desk.groups)) == [1, 1, 1, 3]


def test_warehouse_that_fails_is_the_error_of_every_request():
    desk = Desk(error=WarehouseBusy)

    assert all(isinstance(one, WarehouseError) for one in desk.ask(-1, -2))


def test_warehouse_that_does_not_close_is_an_error_and_repeats_no_answer():
    desk = Desk()

    @contextmanager
    def unclosed() -> Iterator[Any]:
        with desk.turn:
            yield None
            raise WarehouseError("not closed")

    desk.combiner._use = unclosed
    found = desk.ask(1, 2, 3)

    assert sorted(map(len, desk.groups)) == [3]
    assert any(isinstance(one, WarehouseError) for one in found)


def test_request_that_cannot_open_the_warehouse_is_left_to_no_other_thread():
    desk, use = Desk(), Desk.use

    @contextmanager
    def closed() -> Iterator[Any]:
        raise WarehouseBusy("closed")
        yield None

    desk.combiner._use = closed
    with pytest.raises(WarehouseBusy):
        desk.combiner.ask(1)
    desk.combiner._use = lambda: use(desk)

    assert desk.combiner.ask(2) == 20
    assert desk.groups == [[2]]
