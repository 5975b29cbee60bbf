"""Deadlines that hold: a thread shuts the sockets of attempts that exceed them.

A socket timeout counts from one received byte to the next, so headers that drip byte by byte
outlast any of them. Shutting the socket from another thread ends every wait on it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flows.fetch.errors import Cancelled, TimedOut, TransientFetchError
from flows.fetch.ssrf import AddressPolicy

_TICK_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Deadline:
    """Time and socket of one attempt.

    Attributes:
        addresses: Policy for the connections of the attempt.
        request_target: Sent on the request line. The libraries between this package and the
            socket would encode a stray ``%`` again.
        at: On ``clock``.
        silence_seconds: Longest silence on the socket.
        is_reused: The request uses a connection kept from an earlier one.
        is_over: The socket was shut, because time is up or the run ended.
        thread: Ident of the thread that makes the attempt.
    """

    addresses: AddressPolicy
    request_target: str
    at: float
    silence_seconds: float
    clock: Callable[[], float]
    is_reused: bool = False
    is_over: bool = False
    thread: int = field(default_factory=threading.get_ident)
    _sock: socket.socket | None = None

    def seconds_left(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.at - self.clock()

    def watch(self, sock: socket.socket, *, is_reused: bool) -> None:
        """Tie a socket to this attempt, unless it is tied already."""
        if self._sock is not sock:
            self.is_reused = is_reused
            self._sock = sock
            if self.is_over:
                self.shut()

    def shut(self) -> None:
        """End every wait on the socket."""
        self.is_over = True
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


_active = threading.local()


def current_deadline() -> Deadline:
    """The deadline of this thread's attempt.

    Raises:
        RuntimeError: The thread makes none: only the fetcher uses these connections.
    """
    deadline = getattr(_active, "deadline", None)
    if not isinstance(deadline, Deadline):
        raise RuntimeError("a guarded connection was used outside of an attempt")  # noqa: TRY004
    return deadline


class Watchdog:
    """The thread that enforces the deadlines of a fetcher; the first attempt starts it.

    Args:
        stop: Set by the run to cancel it.
        halt: Set here when ``stop`` is set or the fetcher closes.
    """

    def __init__(self, stop: threading.Event, halt: threading.Event) -> None:
        self._stop = stop
        self._halt = halt
        self._deadlines: set[Deadline] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="fetch-watch", daemon=True)
                self._thread.start()

    @contextmanager
    def attempt(self, deadline: Deadline) -> Iterator[None]:
        """Enforce a deadline for an attempt of this thread."""
        if self._thread is None:
            self.start()
        with self._lock:
            self._deadlines.add(deadline)
        if self.is_cancelled:
            deadline.shut()
        _active.deadline = deadline
        try:
            yield
        finally:
            _active.deadline = None
            with self._lock:
                self._deadlines.discard(deadline)

    @property
    def is_cancelled(self) -> bool:
        """True when the run was interrupted or the fetcher closed."""
        return self._halt.is_set() or self._stop.is_set()

    def _watch(self) -> None:
        while not self._halt.is_set():
            if self._stop.wait(_TICK_SECONDS):
                self._halt.set()
                break
            with self._lock:
                late = [
                    one for one in self._deadlines if not one.is_over and one.seconds_left() <= 0
                ]
            for deadline in late:
                deadline.shut()
        self.cancel()

    def cancel(self, threads: Container[int | None] | None = None) -> None:
        """End every attempt at once, or those of some threads."""
        with self._lock:
            found = [one for one in self._deadlines if threads is None or one.thread in threads]
        for deadline in found:
            deadline.shut()

    def close(self) -> None:
        """End every attempt; the thread ends at its next tick."""
        self._halt.set()
        self.cancel()

    def cause_of(self, deadline: Deadline, error: Exception) -> Exception:
        """The real cause of an error: a shut socket looks like a broken connection."""
        if self.is_cancelled:
            return Cancelled("the run was interrupted")
        if deadline.is_over or deadline.seconds_left() <= 0:
            detail = f" (last: {error.args[0]})" if isinstance(error, TransientFetchError) else ""
            return TimedOut(
                f"expected a complete response before the attempt's deadline, it has passed{detail}"
            )
        return error
