"""A process that publishes a batch, and kills itself at one of the calls that change files.

    python -m tests.integration.warehouse.publisher WAREHOUSE LINK BATCH CALL

Prints the number of calls if it reaches the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.warehouse.factories import article, upsert
from warehouse import connect, publish
from warehouse.care import snapshot

_CALLS = (
    (os, "pwrite"), (os, "fsync"), (os, "truncate"), (os, "utime"), (subprocess, "run"),
    (Path, "rename"), (Path, "replace"), (Path, "chmod"), (Path, "symlink_to"), (Path, "unlink"),
)  # fmt: skip
_count = 0


def kill_at(last: int, owner: Any, name: str) -> None:
    """Count the calls of one function; kill this process inside the last one."""
    call: Callable[..., Any] = getattr(owner, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        global _count
        _count += 1
        if _count == last:
            if name == "pwrite":  # half of a block
                call(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
            if name == "run":
                subprocess.Popen(*arguments).poll()
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)

    setattr(owner, name, counted)


def main() -> None:
    path, link = map(Path, sys.argv[1:3])
    batch, last = map(int, sys.argv[3:])
    snapshot._KEPT_SECONDS = -1.0
    with connect(path) as db:
        upsert(db, *(article(f"{batch}-{i}", f"{batch}-{i}") for i in range(20)))
        for owner, name in _CALLS:
            kill_at(last, owner, name)
        publish(db, link)
        print(_count, flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
