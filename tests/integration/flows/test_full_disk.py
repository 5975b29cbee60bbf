"""A full disk: the error names the stored and the lost batches, and the next run continues."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from flows.archive import ArchiveError
from flows.cli.console import Console
from flows.errors import RunFailed
from warehouse.care import snapshot
from warehouse.errors import WarehouseError, WarehouseFull

KB = 1024
STORED = re.compile(r"(\w+): (?:stored|(\d+) of (\d+) entr)")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def use(project, folder, *, place: str) -> None:
    """Move the warehouse, the snapshot or the archive to a folder."""
    lines = {
        "archive": ('path = "archive"', f'path = "{folder}/archive"'),
        "warehouse": ('path = "copydesk.duckdb"', f'path = "{folder}/copydesk.duckdb"'),
        "snapshot": ("copydesk.read.duckdb", f"{folder}/copydesk.read.duckdb"),
    }
    text = project.config.read_text("utf-8").replace(*lines[place])
    project.config.write_text(text, "utf-8")


def fill(folder, *, leave_kb: int) -> None:
    disk = os.statvfs(folder)
    (folder / "filler").write_bytes(b"x" * (disk.f_bavail * disk.f_frsize - leave_kb * KB))


@pytest.mark.parametrize(
    ("place", "leave_kb"),
    [("archive", 40), ("warehouse", 100), ("warehouse", 1000), ("snapshot", 1000)],
    ids=["archive", "first block", "log", "snapshot"],
)
def test_full_disk_names_what_is_stored_and_the_next_run_continues(
    project, small_disk, place, leave_kb
):
    use(project, small_disk, place=place)
    fill(small_disk, leave_kb=leave_kb)

    with pytest.raises((RunFailed, WarehouseError, ArchiveError)) as caught:
        project.sync()
    notes = " ".join(getattr(caught.value, "__notes__", []))
    named = {slug: stored == found for slug, stored, found in STORED.findall(notes)}
    (small_disk / "filler").unlink()
    again = project.sync()

    assert "o space" in str(caught.value)
    for stats in again.stats:
        is_stored = named.get(stats.source, False)
        assert (stats.counts["new"] == 0) or not is_stored
    assert project.rows("select count(*) from articles") == [(97,)]


def test_error_of_a_source_comes_before_that_of_the_snapshot(project, monkeypatch, capsys):
    from flows.pipeline import load as load_steps

    load = load_steps.load

    def load_or_fail(run, source, batch, **options):
        if source.slug == "finews":
            raise WarehouseFull("no space left")
        load(run, source, batch, **options)

    def publish(*_values, **_options):
        raise WarehouseFull("no space for the snapshot")

    monkeypatch.setattr(load_steps, "load", load_or_fail)
    monkeypatch.setattr(snapshot, "publish", publish)
    with pytest.raises(WarehouseFull) as caught:
        project.sync("finews", "ofweek")

    assert Console().fail_with(caught.value) == 1
    printed = capsys.readouterr().err
    assert re.search(r"finews: 0 of 48 .*ofweek: stored", printed)
    assert "read snapshot" not in printed
