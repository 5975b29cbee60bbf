"""One connection for the threads of a run, opened for moments."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flows.pipeline import shared_connection
from flows.pipeline.shared_connection import PAUSE_SECONDS, SharedConnection


class Opened:
    """Counts what is opened and closed."""

    def __init__(self) -> None:
        self.count = 0
        self.open = 0

    @contextmanager
    def connect(self) -> Iterator[object]:
        self.count += 1
        self.open += 1
        try:
            yield object()
        finally:
            self.open -= 1


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def shared(opened: Opened) -> SharedConnection:
    return SharedConnection(opened.connect)


def test_connection_is_closed_when_no_thread_waits(shared, opened):
    for _ in range(2):
        with shared.use():
            assert opened.open == 1
        assert opened.open == 0
    assert opened.count == 2


def test_block_inside_another_uses_the_same_connection(shared, opened):
    with shared.use() as outer:
        with shared.use() as inner:
            assert inner is outer
        assert opened.open == 1
    assert (opened.count, opened.open) == (1, 0)


def hand_over(shared: SharedConnection) -> list[object]:
    """Use the connection here while a second thread waits for it; return what both got."""
    got: list[object] = []

    def use() -> None:
        with shared.use() as db:
            got.append(db)

    other = threading.Thread(target=use)
    with shared.use() as db:
        got.append(db)
        other.start()
        while not shared._waiting:
            threading.Event().wait(0.001)
    other.join()
    return got


def test_thread_that_waits_gets_the_open_connection(shared, opened):
    first, second = hand_over(shared)
    assert first is second
    assert (opened.count, opened.open) == (1, 0)


def test_connection_that_was_open_for_long_is_closed_for_other_processes(
    shared, opened, monkeypatch
):
    monkeypatch.setattr(shared_connection, "MAX_OPEN_SECONDS", -1.0)
    first, second = hand_over(shared)
    assert first is not second
    assert (opened.count, opened.open) == (2, 0)


def pauses_of(use, monkeypatch, opened: Opened) -> list[tuple[bool, int]]:
    """Return, for each pause, whether it is as long as it may be, and how many were open."""
    pauses = []
    with monkeypatch.context() as patched:
        patched.setattr(
            shared_connection.time,
            "sleep",
            lambda seconds: pauses.append((0 < seconds <= PAUSE_SECONDS, opened.open)),
        )
        use()
    return pauses


def test_other_processes_get_a_pause_when_the_connection_was_open_for_long(
    shared, opened, monkeypatch
):
    def use_twice() -> None:
        for _ in range(2):
            with shared.use():
                pass

    assert pauses_of(lambda: hand_over(shared), monkeypatch, opened) == []
    assert pauses_of(use_twice, monkeypatch, opened) == []

    monkeypatch.setattr(shared_connection, "MAX_OPEN_SECONDS", -1.0)
    assert pauses_of(lambda: hand_over(shared), monkeypatch, opened)[-1] == (True, 0)
    assert pauses_of(use_twice, monkeypatch, opened)[-1] == (True, 0)


def test_error_inside_closes_the_connection(shared, opened):
    with pytest.raises(ValueError, match="inside"), shared.use():
        raise ValueError("inside")
    assert opened.open == 0
    with shared.use():
        assert opened.open == 1


def test_connection_that_cannot_be_opened_leaves_the_next_turn_free():
    def refuse() -> Iterator[object]:
        raise OSError("refused")

    shared = SharedConnection(contextmanager(refuse))
    for _ in range(2):
        with pytest.raises(OSError, match="refused"), shared.use():
            pass
