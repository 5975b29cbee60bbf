"""Imports that are killed, interrupted, or lose a reading process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows.import_export import import_files
from tests.integration.import_export.archive import Oracle
from tests.integration.import_export.archive_project import (
    everything,
    import_folder,
    rows_of,
)

SCRIPT = Path(__file__).with_name("killed_import.py")
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_an_import_that_was_ended_continues_and_leaves_no_process(
    archive: tuple[Path, Oracle],
    imported: Path,
    tmp_path: Path,
    number: int,
    parsed_again: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, warehouse = archive[0], tmp_path / "b.duckdb"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(warehouse), str(folder), "150", str(int(number))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (130 if number == signal.SIGINT else -number), done.stderr.decode()
    children = [int(pid) for pid in done.stdout.split()]
    assert children
    assert wait_until(lambda: not any(is_running(pid) for pid in children))
    stored = {path for (path,) in rows_of(warehouse, "SELECT path FROM _store.posts")}
    assert 0 < len(stored) < len(archive[1].files) - 50

    monkeypatch.setattr(import_files, "BATCH_SIZE", 50)
    import_folder(warehouse, folder)

    assert stored.isdisjoint(parsed_again)
    assert everything(warehouse) == everything(imported)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_an_import_that_loses_a_reading_process_fails_and_the_next_one_completes_it(
    archive: tuple[Path, Oracle], imported: Path, tmp_path: Path
) -> None:
    folder, warehouse = archive[0], tmp_path / "b.duckdb"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(warehouse), str(folder), "50", "0"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 1
    assert b"RunFailed: a process that reads posts was killed" in done.stderr
    assert wait_until(lambda: not any(is_running(int(pid)) for pid in done.stdout.split()))
    import_folder(warehouse, folder)
    assert everything(warehouse) == everything(imported)
