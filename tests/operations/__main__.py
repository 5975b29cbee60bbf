"""All tests of this folder in three processes side by side: most of their time is waiting.

    python -m tests.operations [options of pytest]

Each process has a home and a Prefect server of its own. What one says is printed when it has
ended; the exit code is that of the first that failed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).parent
# Files that wait for servers of their own; all others share one server in one process.
APART = (
    ("test_serve.py", "test_auth.py", "test_without_server.py"),
    ("test_foreign_server.py", "test_worker.py", "test_processes.py", "test_costs.py"),
)


def groups() -> list[list[Path]]:
    """The files of each process; every file is in exactly one."""
    apart = [[HERE / name for name in names] for names in APART]
    elsewhere = {file for group in apart for file in group}
    return [*apart, sorted(set(HERE.glob("test_*.py")) - elsewhere)]


def run(files: list[Path], options: list[str]) -> subprocess.CompletedProcess[str]:
    """One process of pytest, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *map(str, files)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def main(options: list[str]) -> int:
    """Run them; the first exit code that is not 0."""
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        begun = [pool.submit(run, files, options) for files in groups()]
        codes = []
        for one in as_completed(begun):
            print(one.result().stdout, flush=True)
            codes.append(one.result().returncode)
    print(f"{len(codes)} processes, {time.monotonic() - began:.0f} s")
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
