"""Imports that are killed, interrupted, or lose their readers."""

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

from flows.errors import RunFailed
from flows.publishing import import_files, readers
from tests.integration.publishing.archive import Truth
from tests.integration.publishing.archive_desk import (
    bring_in,
    counted,
    everything,
    rows_of,
    some_posts,
)

SCRIPT = Path(__file__).with_name("importing_archive.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_an_import_that_was_ended_goes_on_and_leaves_no_process(
    archive: tuple[Path, Truth],
    imported: Path,
    tmp_path: Path,
    number: int,
    read_anew: list[str],
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

    monkeypatch.setattr(import_files, "POSTS_EACH", 50)
    bring_in(warehouse, folder)

    assert stored.isdisjoint(read_anew)
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


# The reading processes import it at their start, from what this process can import.
DEADLY = """
import os
from flows.publishing import reader_process

plainly = reader_process.Reader.read

def deadly(self, found):
    if "deadly" in found.relative:
        os.kill(os.getpid(), 9)
    return plainly(self, found)

reader_process.Reader.read = deadly
"""


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "patched").mkdir()
    (tmp_path / "patched" / "deadly.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path / "patched"))
    monkeypatch.setattr(readers, "COMMAND", ("-c", "import deadly; deadly.reader_process.main()"))


@pytest.mark.usefixtures("by_processes", "deadly")
def test_a_file_that_ends_its_reader_is_named_and_kept_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = some_posts(tmp_path, 30)
    report = bring_in(tmp_path / "w.duckdb", posts)

    assert counted(report)["new"] == 99
    sql = "SELECT url, reason, octet_length(page) > 0, message FROM _store.quarantine"
    ((*kept, message),) = rows_of(tmp_path / "w.duckdb", sql)
    assert kept == ["030-deadly.md", "broken_parser", True]
    assert message.startswith("030-deadly.md: reading it ended")
    assert "SIGKILL" in message

    monkeypatch.undo()  # it may have been for want of memory: the next import tries again
    assert counted(bring_in(tmp_path / "w.duckdb", posts))["new"] == 1
    open_now = "SELECT count(*) FROM _store.quarantine WHERE resolved_at IS NULL"
    assert rows_of(tmp_path / "w.duckdb", open_now) == [(0,)]


@pytest.mark.usefixtures("by_processes", "deadly")
def test_readers_that_end_at_many_files_end_the_import_and_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_FATAL", 1)
    with pytest.raises(RunFailed, match=r"-deadly\.md is the file number [23].*memory"):
        bring_in(tmp_path / "w.duckdb", some_posts(tmp_path, 0, 1, 2, 3))


@pytest.mark.usefixtures("by_processes")
def test_readers_that_cannot_start_end_the_import_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "COMMAND", ("-c", "raise SystemExit(3)"))
    with pytest.raises(RunFailed, match=r"could not start.*code 3"):
        bring_in(tmp_path / "w.duckdb", some_posts(tmp_path))
