"""A child process that ends with its parent, and the pause before it is started again."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_PAUSE_SECONDS = (0.5, 5.0, 15.0, 60.0)
_BACKOFF_RESET_SECONDS = 600.0


class Child:
    """One process, started again by its owner when it ends.

    It has a session of its own: Ctrl-C in a terminal reaches the parent alone. The kernel
    sends it ``death_signal`` when the thread that started it ends (Linux only, prctl(2)).

    Args:
        command: What to run.
        log: A file for its output; the parent's standard error by default.
        death_signal: What it receives when the parent dies.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._death_signal = death_signal
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """The exit code; ``None`` while it runs."""
        return self._process.poll() if self._process else -1

    def start(self, environ: Mapping[str, str]) -> None:
        """Start the process."""
        if self._log is None:
            self._process = self._popen(environ, sys.stderr.fileno())
            return
        with self._log.open("ab") as log:
            self._process = self._popen(environ, log)

    def _popen(
        self, environ: Mapping[str, str], output: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  # our own commands
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            start_new_session=True,
            preexec_fn=self._ask_for_death_signal
            if sys.platform == "linux"
            else None,  # one thread
        )

    def _ask_for_death_signal(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(self._death_signal))

    def stop(self, seconds: float) -> None:
        """Send SIGTERM, and SIGKILL after ``seconds``."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Backoff:
    """The pause before a restart: longer after each failure within ten minutes."""

    def __init__(self) -> None:
        self._failures: list[float] = []

    def wait(self, stop: threading.Event) -> bool:
        """Wait; True if ``stop`` was set meanwhile."""
        now = time.monotonic()
        self._failures = [at for at in self._failures if now - at < _BACKOFF_RESET_SECONDS] + [now]
        number = min(len(self._failures), len(_PAUSE_SECONDS)) - 1
        return stop.wait(_PAUSE_SECONDS[number])
