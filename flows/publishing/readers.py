"""Many files read at once, in processes of our own, answered in the order asked.

Reading is nearly all of an import's work and uses one core a process, so a few processes
read ahead while this one stores. They are plain children on two pipes: none outlives an
import that is killed, Ctrl-C in a terminal does not reach them, and when one dies it is
known which file it was reading. That file is tried once more, in a fresh process; if it
ends that one as well, it goes to quarantine like any file that cannot be read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from flows.errors import RunFailed
from flows.publishing.find_posts import MAX_POST_BYTES, PostPath, UnreadablePost
from flows.publishing.read_file import PostOutcome, modified_at, quarantined_post
from flows.publishing.reader_process import receive, send
from parsers.errors import BrokenParser

MAX_PROCESSES = 8
FILES_EACH = 40
"""Files a process is given at a time."""

_RUN_ID = "PREFECT__FLOW_RUN_ID"
COMMAND = ("-m", "flows.publishing.reader_process")
BATCHES_AHEAD = 3
MAX_FATAL = 10
"""Files that may end their processes before the fault is not looked for in the files."""

_ENDED_WELL_SECONDS = 10.0

Files = Sequence[PostPath | UnreadablePost]
Batch = TypeVar("Batch")


def processes_here() -> int:
    """How many processes read best on this machine."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(cores, MAX_PROCESSES)


class Readers:
    """Reading processes, for as long as the ``with`` lasts.

    Args:
        number: How many.
        source: The source of posts that do not name theirs.
    """

    def __init__(self, number: int, *, source: str) -> None:
        self._number = number
        self._source = source
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._running: set[_Process] = set()
        self._lock = threading.Lock()
        self._is_closing = False
        self._fatal = 0
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="copydesk-reader")

    def __enter__(self) -> Readers:
        try:
            for _ in range(self._number):
                self._idle.put(self._start())  # they come up while others work
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._close()

    def read(
        self, batches: Iterable[tuple[Batch, Files]]
    ) -> Iterator[tuple[Batch, list[PostOutcome]]]:
        """What came of the files of each batch, in order; a few batches are read ahead.

        Args:
            batches: Whatever the caller calls a batch, and its files.

        Raises:
            RunFailed: The processes cannot start, or end on one file after the other.
        """
        ahead: deque[tuple[Batch, list[Future[list[PostOutcome]]]]] = deque()
        for batch, files in batches:
            parts = [
                self._threads.submit(self._read, files[at : at + FILES_EACH])
                for at in range(0, len(files), FILES_EACH)
            ]
            ahead.append((batch, parts))
            if len(ahead) > BATCHES_AHEAD:
                yield _gathered(*ahead.popleft())
        while ahead:
            yield _gathered(*ahead.popleft())

    def _read(self, files: Files) -> list[PostOutcome]:
        process = self._idle.get()
        try:
            outcomes: list[PostOutcome] = []
            deaths = 0
            while len(outcomes) < len(files):
                before = len(outcomes)
                try:
                    process.read(files[before:], self._source, outcomes)
                except (EOFError, OSError):
                    if self._is_closing:
                        raise RunFailed("the import was stopped") from None
                    how = process.ended()
                    deaths = deaths + 1 if len(outcomes) == before else 1
                    process = self._again(process)
                    if deaths > 1:
                        outcomes.append(self._fatal_file(files[len(outcomes)], how))
                        deaths = 0
            return outcomes
        finally:
            self._idle.put(process)

    def _fatal_file(self, found: PostPath | UnreadablePost, how: str) -> PostOutcome:
        self._fatal += 1
        if self._fatal > MAX_FATAL:
            raise RunFailed(
                f"{found.relative} is the file number {self._fatal} at which a reading process "
                f"ended ({how}), so the fault is hardly in the files: look for memory limits. "
                "What was stored stays; the same import goes on where it stopped"
            )
        return _fatal(found, self._source, how)

    def _start(self) -> _Process:
        with self._lock:
            if self._is_closing:
                raise RunFailed("the import was stopped")
            process = _Process()
            self._running.add(process)
            return process

    def _again(self, dead: _Process) -> _Process:
        with self._lock:
            self._running.discard(dead)
        dead.kill()
        return self._start()

    def _close(self) -> None:
        with self._lock:
            self._is_closing = True
            running = list(self._running)
        for process in running:
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)


class _Process:
    """One reading process and its two pipes."""

    def __init__(self) -> None:
        # What this process can import, the other one can; the folder it works in is no part.
        path = os.pathsep.join(part for part in sys.path if part)
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Without the flow run's id: who looks for the run's process must not find this one.
            env={k: v for k, v in os.environ.items() if k != _RUN_ID} | {"PYTHONPATH": path},
            start_new_session=True,
        )
        assert self._child.stdin is not None  # noqa: S101 - both are pipes
        assert self._child.stdout is not None  # noqa: S101
        self._questions, self._answers = self._child.stdin, self._child.stdout
        self._is_ready = False

    def _wait_until_ready(self) -> None:
        try:
            receive(self._answers)
        except EOFError:
            raise RunFailed(
                f"a process that reads posts could not start ({self.ended()}); what it said "
                "stands above. What was stored stays; the same import goes on where it stopped"
            ) from None
        self._is_ready = True

    def read(self, files: Files, source: str, outcomes: list[PostOutcome]) -> None:
        """Add the outcome of each file, as it comes.

        Raises:
            EOFError: The process ended while it was reading the next one.
            OSError: It had ended before.
            RunFailed: It could not start.
        """
        if not self._is_ready:
            self._wait_until_ready()
        send(self._questions, (source, list(files)))
        for _ in files:
            outcomes.append(receive(self._answers))  # noqa: PERF401 - those before an error count

    def ended(self) -> str:
        """How the process ended, in words."""
        try:
            code = self._child.wait(_ENDED_WELL_SECONDS)
        except subprocess.TimeoutExpired:
            return "its answers stopped"
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return f"ended with code {code}"

    def kill(self) -> None:
        """End it now; it holds nothing that is not here as well."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._questions, self._answers):
            try:
                pipe.close()
            except OSError:  # the last question was never read
                continue


def _gathered(
    batch: Batch, parts: Iterable[Future[list[PostOutcome]]]
) -> tuple[Batch, list[PostOutcome]]:
    return batch, [outcome for part in parts for outcome in part.result()]


def _fatal(found: PostPath | UnreadablePost, source: str, how: str) -> PostOutcome:
    """A file that ended two processes, kept with its bytes."""
    error = BrokenParser(
        f"{found.relative}: reading it ended the reading process, twice ({how}): the file is "
        "kept in quarantine, the rest of the import goes on; please report it with the file"
    )
    try:
        with found.file.open("rb") as file:
            data = file.read(MAX_POST_BYTES)
        written = modified_at(found)
    except OSError as lost:
        return PostOutcome(source=source, problem=str(lost))
    bad = UnreadablePost(file=found.file, relative=found.relative, data=data, error=error)
    return quarantined_post(bad, written, source)
