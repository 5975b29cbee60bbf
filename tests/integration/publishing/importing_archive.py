"""An import that ends itself on the way: ``python importing_archive.py WAREHOUSE SITE DONE SIGNAL``.

It says the ids of its reading processes before it does, one line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

from flows.publishing import import_files
from flows.serve import run_local
from tests.integration.publishing.archive_desk import settings_of


def main(warehouse: str, site: str, enough: str, number: str) -> None:
    import_files.POSTS_EACH, import_files.FEW = 50, 0

    def progress(_source: str, done: int, _total: int) -> None:
        if done >= int(enough):
            children = psutil.Process().children(recursive=True)
            print(*[child.pid for child in children], flush=True)
            os.kill(os.getpid(), int(number))

    settings = settings_of(Path(warehouse))
    report = run_local.run_import(
        settings, [Path(site)], source=None, notify=lambda _words: None, progress=progress
    )
    sys.exit(report.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
