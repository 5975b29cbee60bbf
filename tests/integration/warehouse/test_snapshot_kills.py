"""Publications that are killed: readers always have a whole snapshot.

``TORTURE_KILLS`` is the number of kills (`make torture`: 200), 3 by default.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.unit.warehouse.factories import rows_of
from warehouse import connect, connect_read_only, publish
from warehouse.block_file import is_sound, read_block_file
from warehouse.care.integrity import verify
from warehouse.care.snapshot_blocks import compare_blocks

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("TORTURE_KILLS", "3"))
NEVER = 10_000


def run_publisher(path: Path, link: Path, batch: int, last_call: int) -> int | None:
    """Return the number of calls, or ``None`` if it was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.warehouse.publisher",
         *map(str, (path, link, batch, last_call))],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    return int(done.stdout) if done.returncode == 0 else None


def has_sound_blocks(path: Path) -> bool:
    with path.open("rb") as file:
        found = read_block_file(file.fileno())
        size = found.header.block_bytes
        return all(
            is_sound(os.pread(file.fileno(), size, found.header.offset(block)))
            for block in range(found.header.block_count)
            if block not in found.free
        )


def count_of(link: Path) -> int:
    with connect_read_only(link) as reader:
        assert verify(reader, is_deep=False).problems == ()
        return int(rows_of(reader, "SELECT count(*) FROM articles")[0][0])


def test_killing_publications_leaves_a_whole_snapshot(path: Path) -> None:
    link = path.with_name("project.read.duckdb")
    chance = random.Random(KILLS)  # noqa: S311
    calls = [run_publisher(path, link, batch, NEVER) or 0 for batch in range(3)]
    counted, killed = 60, 0
    for batch in range(3, 3 + 10 * KILLS):
        if killed == KILLS:
            break
        killed += run_publisher(path, link, batch, chance.randint(1, max(calls) + 4)) is None
        found = count_of(link)
        assert found in range(counted, 20 * batch + 21, 20)
        assert has_sound_blocks(link.resolve())
        counted = found
    assert killed == KILLS

    with connect(path) as db:
        publish(db, link)
    assert compare_blocks(path, link).different == 0
    assert not list(path.parent.glob("*.part"))
