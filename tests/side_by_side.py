"""Commands side by side; what each says stays whole, and what failed is said last.

python -m tests.side_by_side [--at-once N] 'make check' 'make soak MINUTES=2'
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

_RULE = "=" * 20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, all it said, and how long it took."""

    code: int
    said: str
    seconds: float


class _Started:
    """The processes that run now: each in a session of its own, to be ended as one."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = Lock()

    def run(self, words: Sequence[str]) -> Ended:
        began = time.monotonic()
        with self._lock:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, encoding="utf-8", errors="replace", start_new_session=True,
            )  # fmt: skip
            self._processes.add(process)
        said, _ = process.communicate()
        with self._lock:
            self._processes.discard(process)
        return Ended(process.returncode, said, time.monotonic() - began)

    def interrupt(self) -> None:
        """Ctrl-C for all: tests then stop what they have started."""
        with self._lock:
            for process in self._processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)


def run(commands: Mapping[str, Sequence[str]], at_once: int) -> int:
    """Run commands by name, so many at once, in their order.

    What a command said is printed when it has ended. Of one that failed there is only a
    line then; the rest comes last of all, where a reader of a long log looks.

    Returns:
        The exit code of the one that failed first; 0 when none did.
    """
    began, started = time.monotonic(), _Started()
    failed: dict[str, Ended] = {}
    with ThreadPoolExecutor(at_once) as pool:
        ends = {pool.submit(started.run, words): name for name, words in commands.items()}
        try:
            for end in as_completed(ends):
                if (ended := end.result()).code:
                    failed[ends[end]] = ended
                _tell(ends[end], ended)
        except BaseException:
            for end in ends:
                end.cancel()
            started.interrupt()
            failed |= _interrupted(ends, failed)
            raise
        finally:
            for name, ended in failed.items():
                print(f"{_RULE} {name}: exit code {ended.code}\n{ended.said}", flush=True)
            print(f"{time.monotonic() - began:.0f} s; failed: {', '.join(failed) or 'nothing'}")
            sys.stdout.flush()
    return next((ended.code for ended in failed.values()), 0)


def _tell(name: str, ended: Ended) -> None:
    if ended.code:
        how = f"failed ({ended.seconds:.0f} s): see the end"
        print(f"{_RULE} {name}: {how}\n", flush=True)
    else:
        print(f"{_RULE} {name}: {ended.seconds:.0f} s\n{ended.said}", flush=True)


def _interrupted(ends: Mapping[Future[Ended], str], told: Mapping[str, Ended]) -> dict[str, Ended]:
    """What was said by those that an interrupt ended."""
    found = {}
    for end, name in ends.items():
        with suppress(CancelledError):
            if (ended := end.result()).code and name not in told:
                found[name] = ended
    return found


def exit_at_sigterm() -> None:
    """SIGTERM ends this process as Ctrl-C does, by way of every ``finally``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))


def main() -> int:
    """Run each argument as a command of the shell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--at-once", type=int, help="so many; if not given, all")
    parser.add_argument("commands", nargs="+")
    args = parser.parse_args()
    exit_at_sigterm()
    lines = {line: ["bash", "-c", line] for line in args.commands}
    return run(lines, args.at_once or len(lines))


if __name__ == "__main__":
    sys.exit(main())
