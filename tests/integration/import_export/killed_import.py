"""An import that ends itself on the way: ``python killed_import.py WAREHOUSE SITE DONE SIGNAL``.

Before that it prints the ids of its reading processes in one line. With the signal 0 it kills
a reading process instead of itself.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

from flows.import_export import import_files
from flows.serve import run_local
from tests.integration.import_export.archive_project import settings_of


def main(warehouse: str, site: str, enough: str, number: str) -> None:
    import_files.BATCH_SIZE, import_files.MIN_FILES_FOR_PROCESSES = 50, 0

    def progress(_source: str, done: int, _total: int) -> None:
        if done == int(enough):
            children = psutil.Process().children(recursive=True)
            print(*[child.pid for child in children], flush=True)
            victim, signal_number = os.getpid(), int(number)
            if not signal_number:  # the tracker of multiprocessing is no reading process
                readers = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
                victim, signal_number = readers[0].pid, signal.SIGKILL
            os.kill(victim, signal_number)

    settings = settings_of(Path(warehouse))
    report = run_local.run_import(
        settings, [Path(site)], source=None, notify=lambda _message: None, progress=progress
    )
    sys.exit(report.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
