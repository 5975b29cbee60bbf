"""Run SQL of the user in a process of its own, which can be ended at any time."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any

from warehouse.errors import BadQuery
from warehouse.location import Lake, Location

IDLE_SECONDS = 60.0
START_SECONDS = 60.0
"""How long the process may take to start and to open the snapshot."""
MAX_SECONDS = 10.0
MAX_ROWS = 1000
MAX_RESULT_BYTES = 8_000_000
_COMMAND = (sys.executable, "-m", "flows.admin.sql_child")
_STOPPING = "copydesk is stopping"
_NOT_STARTED = (
    f"the process for statements did not open the snapshot in {START_SECONDS:g} seconds: "
    "try again when the machine is less busy"
)
_TOO_LARGE = (
    "the statement needed more memory than it may have, and was ended: select fewer rows or "
    "columns. `copydesk query` has no such limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlResult:
    """The result of a statement.

    Attributes:
        columns: Their names, each once.
        rows: At most as many as the worker allows, of JSON values.
        is_cut: Whether there were more.
        seconds: How long the statement took, without the start of its process.
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]
    is_cut: bool
    seconds: float


class SqlWorker:
    """A process for statements; it is started when needed and ends when idle."""

    def __init__(
        self,
        *,
        max_seconds: float = MAX_SECONDS,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_RESULT_BYTES,
    ) -> None:
        """Start no process yet.

        Args:
            max_seconds: A statement that takes longer is ended. The start of the process does
                not count.
            max_rows: Of a result; the rest is left out.
            max_bytes: Of a result as JSON; a larger one is refused.
        """
        self._max_seconds = max_seconds
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._used_at = 0.0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start the process in the background, unless it runs: so a statement need not wait."""
        if self._turn.acquire(blocking=False):
            try:
                self._running()
            finally:
                self._turn.release()

    def run(self, snapshot: Location, sql: str) -> SqlResult:
        """Run one read-only statement; others wait for it.

        Raises:
            BadQuery: It is not one, fails, takes too long, or needs too much memory.
        """
        request: dict[str, object] = {
            "location": astuple(snapshot) if isinstance(snapshot, Lake) else str(snapshot),
            "sql": sql,
            "seconds": self._max_seconds,
            "rows": self._max_rows + 1,
            "bytes": self._max_bytes,
        }
        with self._turn:
            process = self._running()
            _send(process, request)
            if not _has_answer(process, START_SECONDS):
                self._end()
                raise BadQuery(_NOT_STARTED)
            answer, began = _read(process), time.monotonic()
            if answer and "opened" in answer:
                answer = _read(process)
            self._used_at = time.monotonic()
            if answer is None:
                code = process.wait()
                self._end()
                raise BadQuery(self._reason(code))
        if "error" in answer:
            raise BadQuery(answer["error"])
        rows = answer["rows"]
        return SqlResult(
            columns=tuple(answer["columns"]),
            rows=rows[: self._max_rows],
            is_cut=len(rows) > self._max_rows,
            seconds=time.monotonic() - began,
        )

    def stop_idle(self) -> None:
        """End the process if no statement ran for ``IDLE_SECONDS``."""
        if self._turn.acquire(blocking=False):
            try:
                if time.monotonic() - self._used_at > IDLE_SECONDS:
                    self._end()
            finally:
                self._turn.release()

    def stop(self) -> None:
        """End the process now, and start no other one."""
        self._stopped.set()
        if process := self._process:
            process.kill()  # the statement of another thread ends with it
        with self._turn:
            self._end()

    def _reason(self, code: int) -> str:
        if self._stopped.is_set():
            return _STOPPING
        if code == -signal.SIGALRM:
            return (
                f"the statement took longer than {self._max_seconds:g} seconds and was ended. "
                "`copydesk query` has no such limit"
            )
        if code > 0:
            return f"the process for statements ended with code {code}: see its output"
        return _TOO_LARGE

    def _running(self) -> subprocess.Popen[str]:
        if self._stopped.is_set():
            raise BadQuery(_STOPPING)
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C in a terminal does not reach it
            )
            self._used_at = time.monotonic()
        if self._stopped.is_set():
            self._process.kill()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


def _send(process: subprocess.Popen[str], request: dict[str, object]) -> None:
    assert process.stdin is not None  # noqa: S101  # a pipe
    with suppress(OSError, ValueError):  # it ended, and so does its output
        process.stdin.write(f"{json.dumps(request)}\n")
        process.stdin.flush()


def _has_answer(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait for the first line of an answer, or for the end of the process."""
    assert process.stdout is not None  # noqa: S101  # a pipe
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        return bool(waiting.select(seconds))


def _read(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """Return the next line of an answer, ``None`` if the process ended."""
    assert process.stdout is not None  # noqa: S101  # a pipe
    with suppress(OSError, ValueError):
        if line := process.stdout.readline():
            return dict(json.loads(line))
    return None
