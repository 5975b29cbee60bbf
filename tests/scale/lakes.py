"""DuckLake for tests; also another process that writes to one.

``python -m tests.scale.lakes CATALOG DATA NAME BATCHES`` adds the same articles as every other
process that does this, and prints how often it had to start a batch again.
"""

from __future__ import annotations

import sys

from tests.unit.warehouse.factories import article, upsert
from warehouse import connect
from warehouse.errors import ExtensionMissing, WriteConflict
from warehouse.lake import extensions
from warehouse.location import Lake


def missing(lake: Lake) -> str:
    """What this environment lacks to open a lake; empty if nothing."""
    try:
        extensions.check(lake)
    except ExtensionMissing as error:
        return str(error)
    return ""


def add(lake: Lake, name: str, batches: int) -> None:
    """Write the same articles as others; repeat each batch while another writer is faster."""
    again = 0
    with connect(lake) as db:
        print("open", flush=True)
        sys.stdin.readline()
        for number in range(batches):
            rows = [article(f"{number}-{i}", f"{number}-{i}") for i in range(20)]
            while True:
                try:
                    done = upsert(db, *rows, run_id=name)
                    break
                except WriteConflict:
                    again += 1
            print(name, done.new, done.unchanged, again, flush=True)


if __name__ == "__main__":
    add(Lake(sys.argv[1], sys.argv[2]), sys.argv[3], int(sys.argv[4]))
