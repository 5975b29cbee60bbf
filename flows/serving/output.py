"""What `serve` prints, whether or not anybody can take it.

Its output may be a file on a disk that fills up, a pipe whose reader has ended, or a
terminal that was closed. Words are lost then, and told once there is room again; runs
are not: Prefect takes a run whose output it cannot pass on for one that never began.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from flows.counting import many


class Unfailing(io.TextIOBase):
    """Text to a file descriptor; what cannot be written is counted.

    Args:
        stream: Whose place it takes.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        stream.flush()
        self._stream = stream
        self._fd = stream.fileno()
        self._lost = 0
        self._why = ""
        self._is_cut = False
        self._lock = threading.Lock()

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
        """Write it, or count its lines as lost."""
        data = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
        with self._lock:
            try:
                if self._lost:
                    self._put(self._words().encode())
                    self._lost = 0
                self._put(data)
            except OSError as error:
                self._lost += max(1, text.count("\n"))
                self._why = error.strerror or type(error).__name__
        return len(text)

    def _put(self, data: bytes) -> None:
        while data:
            done = os.write(self._fd, data)
            self._is_cut = data[done - 1 : done] != b"\n"
            data = data[done:]

    def _words(self) -> str:
        begin = "\n" if self._is_cut else ""
        return f"{begin}({many(self._lost, 'line')} could not be written here: {self._why})\n"


@contextmanager
def unfailing_output() -> Iterator[None]:
    """Standard output and error that no write fails on, until the end."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_unfailing, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _unfailing(stream: TextIO) -> TextIO:
    try:
        return cast("TextIO", Unfailing(stream))
    except (OSError, ValueError):
        return stream  # of a program that took the place of the files: it cannot be full
