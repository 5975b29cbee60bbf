"""backup.sh with archive files that were moved to another disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flows.admin import maintenance_tasks

pytestmark = pytest.mark.e2e
DEPLOY = Path(__file__).parents[2] / "deploy"


def backed_up(data, target):
    return subprocess.run(
        ["sh", str(DEPLOY / "backup.sh"), str(data), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def moved(tmp_path):
    """A data folder of two raw files, of which one was moved to another disk."""
    data, far = tmp_path / "data", tmp_path / "far"
    (data / "archive").mkdir(parents=True)
    far.mkdir()
    (data / "copydesk.read.duckdb").write_bytes(b"corpus")
    for name in ("a.warc.gz", "b.warc.gz"):
        (data / "archive" / name).write_bytes(name.encode())
    maintenance_tasks._move(data / "archive" / "a.warc.gz", far / "a.warc.gz")
    return data


def test_backup_holds_the_files_that_were_moved_away_and_not_their_links(moved, tmp_path):
    done = backed_up(moved, tmp_path / "backups")

    assert done.returncode == 0, done.stderr
    copied = Path(done.stdout.strip()) / "archive"
    assert {one.name: (one.is_symlink(), one.read_bytes()) for one in copied.glob("*.warc.gz")} == {
        name: (False, name.encode()) for name in ("a.warc.gz", "b.warc.gz")
    }
    sums = (copied.parent / "SHA256SUMS").read_text()
    assert "./archive/a.warc.gz" in sums


def test_backup_names_the_files_it_cannot_reach_and_keeps_the_rest(moved, tmp_path):
    shutil.rmtree(tmp_path / "far")

    done = backed_up(moved, tmp_path / "backups")

    assert done.returncode == 1
    assert "a.warc.gz" in done.stderr
    assert "mount the disk" in done.stderr
    backup = Path(done.stdout.strip())
    assert (backup / "copydesk.duckdb").read_bytes() == b"corpus"
    assert [one.name for one in (backup / "archive").glob("*")] == ["b.warc.gz"]
