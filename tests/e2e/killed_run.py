"""A sync that kills itself at a given point: ``CONFIG SOURCE MODULE:FUNCTION CALL before|after``.

A function of ours is replaced, in this process only, by one that at its n-th call ends the
process as `kill -9` does: nothing of Python runs any more, no file is closed, no lock let go.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from flows import settings
from flows.serve.run_local import run_sync

file, source, where, call, when = sys.argv[1:]
module_name, _, path = where.partition(":")
owner = import_module(module_name)
*outer, name = path.split(".")
for part in outer:
    owner = getattr(owner, part)
function = getattr(owner, name)
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


setattr(owner, name, deadly)
run_sync(
    settings.load(Path(file), {}),
    (source,),
    config=Path(file),
    notify=lambda _words: None,
    progress=lambda _source, _done, _total: None,
)
