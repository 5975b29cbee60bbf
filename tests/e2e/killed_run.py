"""A sync that kills itself at a given point: ``CONFIG SOURCE MODULE:FUNCTION CALL before|after``.

One function is replaced, in this process only. At its n-th call the process ends as by `kill -9`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from pkgutil import resolve_name

from flows import settings
from flows.serve.run_local import run_sync

file, source, where, call, when = sys.argv[1:]
function = resolve_name(where)
owner_name, _, name = where.rpartition("." if "." in where.partition(":")[2] else ":")
left = int(call)


def die() -> None:
    print(f"killed {when} {where}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(*args, **options):
    global left
    left -= 1
    if left == 0 and when == "before":
        die()
    result = function(*args, **options)
    if left == 0:
        die()
    return result


setattr(resolve_name(owner_name), name, deadly)
run_sync(
    settings.load(Path(file), {}),
    (source,),
    config=Path(file),
    notify=lambda _message: None,
    progress=lambda _source, _done, _total: None,
)
