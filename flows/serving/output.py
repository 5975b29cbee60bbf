"""What `serve` prints, whether or not anybody can take it.

Its output may be a file on a disk that fills up, a pipe whose reader has ended or does not
read, or a terminal that was closed or stopped (Ctrl-S). Words are lost then, and told once
there is room again; runs are not: Prefect takes a run whose output it cannot pass on for
one that never began, and lets it wait for ever where that takes for ever.

    print ──> Unfailing ──┐
                          ├──> queue ──> the writer's thread ──> file descriptors
    errors ─> Unfailing ──┘

So nobody waits for a reader but one thread. Whoever prints may be a signal handler that
interrupted somebody who prints.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import NamedTuple, TextIO, cast

from flows.text import pluralize

WAITING_PIECES = 10_000
AT_ONCE_BYTES = 1 << 20
LAST_WORDS_SECONDS = 2.0


class Writer:
    """One thread that writes for several streams, in the order in which they were given.

    Args:
        most: So many pieces may wait; what comes then is counted.
    """

    def __init__(self, most: int = WAITING_PIECES) -> None:
        self._most = most
        self._queue: SimpleQueue[_Piece | None] = SimpleQueue()  # its put is reentrant
        self._streams: list[Unfailing] = []
        self._lock = threading.RLock()  # never held by one who waits, and handlers may come in
        self._is_over = self._is_given_up = self._is_done = False
        self._thread = threading.Thread(target=self._run, name="copydesk-output", daemon=True)
        self._thread.start()

    def serve(self, stream: Unfailing) -> None:
        """Have the last words of this one, too."""
        self._streams.append(stream)

    def take(self, stream: Unfailing, data: bytes) -> None:
        """Write it soon, or count its lines as lost; after the end, at once or not at all."""
        with self._lock:
            if not self._is_over:
                if self._queue.qsize() < self._most:
                    self._put(stream, data)
                else:
                    stream.missing += lines_of(data)
                return
        if self._is_done:  # or its reader may be one that does not read
            with suppress(OSError):
                while data:
                    data = stream.put(data)

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most."""
        with self._lock:
            self._is_over = True
            for stream in self._streams:
                self._put(stream, b"")
            self._queue.put(None)
        try:
            self._thread.join(seconds)
        finally:
            self._is_given_up = self._thread.is_alive()
            self._is_done = not self._is_given_up

    def _put(self, stream: Unfailing, data: bytes) -> None:
        missing, stream.missing = stream.missing, 0
        self._queue.put(_Piece(stream, data, missing))

    def _run(self) -> None:
        piece = self._queue.get()
        while piece is not None and not self._is_given_up:
            data, following = self._together(piece)
            piece.stream.put_or_count(data, piece.missing)
            piece = following or self._queue.get()

    def _together(self, first: _Piece) -> tuple[bytes, _Piece | None]:
        """What can be written at once, and a piece that was taken and cannot be.

        Whoever prints a lot lets this thread in every few milliseconds only: one piece each
        time would be too little.
        """
        parts, size = [first.data], len(first.data)
        while size < AT_ONCE_BYTES and not self._queue.empty():
            piece = self._queue.get()
            if piece is None:
                self._queue.put(None)  # nothing comes after it
                break
            if piece.stream is not first.stream or piece.missing:
                return b"".join(parts), piece
            parts.append(piece.data)
            size += len(piece.data)
        return b"".join(parts), None


class Unfailing(io.TextIOBase):
    """Text to a file descriptor by a writer; what cannot be written is counted.

    Args:
        stream: Whose place it takes.
        writer: Writes it.

    Attributes:
        missing: Lines that found no room at the writer since the last that did.
    """

    def __init__(self, stream: TextIO, writer: Writer) -> None:
        super().__init__()
        stream.flush()
        self._stream = stream
        self._fd = stream.fileno()
        self._lost = 0
        self._why = ""
        self._is_cut = False
        self.missing = 0
        self._writer = writer
        writer.serve(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """How characters that the encoding lacks are written."""
        return "backslashreplace"

    def fileno(self) -> int:
        """Of the stream."""
        return self._fd

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Have it written, without waiting for it."""
        data = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
        if data:
            self._writer.take(self, data)
        return len(text)

    # --- by the writer ---

    def put_or_count(self, data: bytes, missing: int) -> None:
        """Write it, after the number of lines that are missing before it."""
        if missing:
            self._lose(missing, "more came than was read")
        try:
            if self._lost:
                words = self._words().encode()
                while words:
                    words = self.put(words)
                self._lost = 0
            while data:
                data = self.put(data)
        except OSError as error:
            self._lose(lines_of(data), error.strerror or type(error).__name__)

    def put(self, data: bytes) -> bytes:
        """Write it, now, or as much of it as there is room for; the rest.

        Raises:
            OSError: There is no room.
        """
        done = os.write(self._fd, data)
        self._is_cut = data[done - 1 : done] != b"\n"
        return data[done:]

    def _lose(self, lines: int, why: str) -> None:
        self._lost += lines
        self._why = why

    def _words(self) -> str:
        begin = "\n" if self._is_cut else ""
        return f"{begin}({pluralize(self._lost, 'line')} could not be written here: {self._why})\n"


class _Piece(NamedTuple):
    """What is to be written.

    Attributes:
        missing: Lines of the stream that were lost between the piece before and this one.
    """

    stream: Unfailing
    data: bytes
    missing: int


def lines_of(data: bytes) -> int:
    """As how many it counts when it is lost: a part of one is one."""
    return max(1, data.count(b"\n")) if data else 0


@contextmanager
def unfailing_output() -> Iterator[None]:
    """Standard output and error that no write fails on or waits for, until the end."""
    before = sys.stdout, sys.stderr
    writer = Writer()
    try:
        sys.stdout, sys.stderr = (_unfailing(stream, writer) for stream in before)
        yield
    finally:
        try:
            writer.close(LAST_WORDS_SECONDS)
        finally:
            sys.stdout, sys.stderr = before


def _unfailing(stream: TextIO, writer: Writer) -> TextIO:
    try:
        return cast("TextIO", Unfailing(stream, writer))
    except (OSError, ValueError):
        return stream  # of a program that took the place of the files: it cannot be full
