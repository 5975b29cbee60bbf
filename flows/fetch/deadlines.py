"""Deadlines that hold: a thread that shuts the sockets of attempts that ran out of time.

A socket timeout counts from one received byte to the next, so headers dripping byte by
byte outlast any of them. Shutting the socket from outside ends every wait on it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Container

from flows.fetch.errors import Cancelled, TimedOut, TransientFetchError
from flows.fetch.ssrf import AddressPolicy

_TICK_SECONDS = 0.05


class Deadline:
    """One attempt's time and socket.

    Attributes:
        guard: The rules for connections made under it.
        deadline: On the watchdog's clock.
        silence_seconds: The longest silence on the socket.
        is_reused: The request went over a connection kept from an earlier one.
        is_over: The socket was shut because the time was up or the run ended.
        thread: Who makes the attempt.
    """

    __slots__ = (
        "_clock",
        "_sock",
        "deadline",
        "guard",
        "is_over",
        "is_reused",
        "silence_seconds",
        "thread",
    )

    def __init__(
        self,
        guard: AddressPolicy,
        *,
        deadline: float,
        silence_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.guard = guard
        self.deadline = deadline
        self.silence_seconds = silence_seconds
        self.is_reused = False
        self.is_over = False
        self.thread = threading.get_ident()
        self._clock = clock
        self._sock: socket.socket | None = None

    def left(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - self._clock()

    def hold(self, sock: socket.socket, *, is_reused: bool) -> None:
        """Tie a socket to this attempt."""
        self.is_reused = is_reused
        self._sock = sock
        if self.is_over:
            self.cut()

    def holds(self, sock: socket.socket) -> bool:
        """True when the socket is tied to this attempt."""
        return self._sock is sock

    def cut(self) -> None:
        """End every wait on the socket."""
        self.is_over = True
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


_active = threading.local()


def current_deadline() -> Deadline:
    """The attempt this thread is making.

    Raises:
        RuntimeError: There is none: our connections are used by nobody else.
    """
    leash = getattr(_active, "leash", None)
    if not isinstance(leash, Deadline):
        raise RuntimeError("a guarded connection was used outside of an attempt")  # noqa: TRY004
    return leash


class Watchdog:
    """Watches every attempt of a fetcher; one thread, started by the first attempt."""

    def __init__(self, stop: threading.Event, halt: threading.Event) -> None:
        self._stop = stop
        self._halt = halt
        self._held: set[Deadline] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def attempt(self, leash: Deadline) -> _Attempt:
        """A context in which ``leash`` is the thread's attempt."""
        return _Attempt(self, leash)

    def start(self) -> None:
        """Start the thread, if it does not run."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="fetch-watch", daemon=True)
                self._thread.start()

    def enter(self, leash: Deadline) -> None:
        """Start watching."""
        if self._thread is None:
            self.start()
        with self._lock:
            self._held.add(leash)
        if self._halt.is_set() or self._stop.is_set():
            leash.cut()
        _active.leash = leash

    def leave(self, leash: Deadline) -> None:
        """Stop watching."""
        _active.leash = None
        with self._lock:
            self._held.discard(leash)

    def _watch(self) -> None:
        while not self._halt.is_set():
            if self._stop.wait(_TICK_SECONDS):
                self._halt.set()
                break
            with self._lock:
                late = [leash for leash in self._held if not leash.is_over and leash.left() <= 0]
            for leash in late:
                leash.cut()
        self.cut_all()

    def cut_all(self, threads: Container[int | None] | None = None) -> None:
        """End every attempt at once, or those of some threads."""
        with self._lock:
            held = [leash for leash in self._held if threads is None or leash.thread in threads]
        for leash in held:
            leash.cut()

    def close(self) -> None:
        """End every attempt; the thread ends by itself at its next look."""
        self._halt.set()
        self.cut_all()

    def verdict(self, leash: Deadline, error: Exception) -> Exception:
        """The error as it really was: a shut socket looks like a broken connection."""
        if self._halt.is_set() or self._stop.is_set():
            return Cancelled("the run was interrupted")
        if leash.is_over or leash.left() <= 0:
            found = error if isinstance(error, TransientFetchError) else None
            detail = "" if found is None else f" (last seen: {found.args[0]})"
            return TimedOut(f"expected a whole answer in time, the attempt's time is up{detail}")
        return error


class _Attempt:
    __slots__ = ("_dog", "_leash")

    def __init__(self, dog: Watchdog, leash: Deadline) -> None:
        self._dog = dog
        self._leash = leash

    def __enter__(self) -> Deadline:
        self._dog.enter(self._leash)
        return self._leash

    def __exit__(self, *_exc: object) -> None:
        self._dog.leave(self._leash)
