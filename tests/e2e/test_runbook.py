"""The RUNBOOK is followed: its commands, taken from its text, under a `serve` of their own.

Commands that need root, systemd or another machine are stood in for: another folder and
another home are the other machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.serving import OFWEEK, serving_at

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
CORPUS = "SELECT article_id, content_hash, revision_count, first_seen_at FROM articles ORDER BY ALL"

pytestmark = pytest.mark.e2e


def blocks(heading: str) -> list[str]:
    """The shell blocks below a heading."""
    part = RUNBOOK.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^( *)```sh\n(.*?)^ *```", part, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _indent, block in found]


def follow(script, serving, data, **given):
    """Run its commands with the RUNBOOK's example names; return their output."""
    environ = serving.environ | {
        "PREFECT_API_URL": serving.api,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(data),
        "BACKUPS": str(data.parent / "backups"),
        "BIN": str(Path(sys.executable).parent),
        "CODE": str(ROOT),
        "COPYDESK_CONFIG": str(serving.config),
    }
    if serving.process is None:
        del environ["PREFECT_API_URL"]
    done = subprocess.run(
        ["sh", "-eu", "-c", script], env=environ | given, cwd=data,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def sync_once(serving):
    """One run of OFweek under this serve, by hand."""
    before = serving.completed("sync ofweek")
    serving.ask("ofweek")
    serving.wait("a run", lambda: serving.completed("sync ofweek") > before)


@pytest.fixture(scope="module")
def read_once(tmp_path_factory, prepared):
    """A project whose serve has read OFweek once and has ended; tests must not change it."""
    data = tmp_path_factory.mktemp("read_once")
    prepared(data / "prefect")
    with serving_at(data, OFWEEK) as serving:
        serving.start()
        sync_once(serving)
        assert serving.end() == 0
        yield serving


@pytest.fixture
def old(read_once, tmp_path):
    """A copy of it of one's own, at the same test site."""
    data = tmp_path / "old"
    shutil.copytree(read_once.config.parent, data, symlinks=True)
    (tmp_path / "backups").mkdir()
    old = replace(read_once, config=data / "copydesk.toml", processes=set())
    yield old
    old.kill_everything()


@pytest.mark.nightly
def test_project_moved_to_another_machine_continues_there(old, tmp_path, prepared):
    leave, arrive = blocks("Move to another machine")
    articles = old.rows(CORPUS)
    new_home, data = tmp_path / "new-home", tmp_path / "new"
    new_home.mkdir()
    data.mkdir()

    follow(leave, old, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "switched-off")
    new = replace(
        old,
        config=data / "copydesk.toml",
        environ=old.environ | {"HOME": str(new_home)},
        processes=set(),
    )
    try:
        output = follow(arrive, new, data)
        assert re.search(rf"ofweek\W+{len(articles)}\b", output), output
        assert new.rows(CORPUS) == articles
        prepared(data / "prefect")
        new.start()
        sync_once(new)
        assert new.end() == 0
    finally:
        new.kill_everything()

    assert new.rows(CORPUS) == articles  # nothing new, nothing doubled
    runs = new.rows("SELECT new, updated FROM runs WHERE flow = 'sync' ORDER BY started_at")
    assert runs == [(len(articles), 0), (0, 0)]
    assert not (tmp_path / "old").exists()  # nothing was written where it had been


@pytest.mark.nightly
def test_upgrade_looks_before_and_after_and_can_be_gone_back_from(old, tmp_path):
    before, after = blocks("Upgrade")
    (restore,) = blocks("Restore")
    articles = old.rows(CORPUS)

    reported = follow(before, old, tmp_path / "old"), follow(after, old, tmp_path / "old")

    assert all("copydesk" in message for message in reported)
    assert old.rows(CORPUS) == articles
    assert old.rows("SELECT count(*) FROM runs WHERE flow = 'reparse'") == [(0,)]
    (tmp_path / "old" / "copydesk.duckdb").write_bytes(b"what a bad version left")
    follow(restore, old, tmp_path / "old")
    assert old.rows(CORPUS) == articles
    old.start()
    sync_once(old)


@pytest.mark.nightly
def test_rotated_archive_lies_elsewhere_and_can_still_be_read(old, tmp_path):
    by_hand, rotate = blocks("Rotate the archive, give back room")
    data, far = tmp_path / "old", tmp_path / "far"
    raw = {one.name: one.read_bytes() for one in (data / "archive").glob("*.warc.gz")}
    assert raw
    for name in raw:
        os.utime(data / "archive" / name, (0, 0))
    old.start()

    follow(by_hand, old, data)
    follow(rotate, old, data, FAR=str(far), DAYS="30")

    assert {one.name: one.read_bytes() for one in far.glob("*.warc.gz")} == raw
    assert all((data / "archive" / name).is_symlink() for name in raw)
    assert len(old.runs("COMPLETED", name="maintenance")) == 2
    done = old.run("reparse", "--diff")
    assert done.returncode == 0, done.stderr
    assert not re.search(r"missing|not there|cannot", done.stdout + done.stderr)


def test_backup_of_a_missing_warehouse_fails_and_leaves_nothing(tmp_path):
    data, backups = tmp_path / "data", tmp_path / "backups"
    data.mkdir()

    done = subprocess.run(
        ["sh", str(ROOT / "deploy" / "backup.sh"), str(data), str(backups)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "the first run of a source publishes it" in done.stderr
    assert not backups.exists()


def test_backup_that_fails_on_its_way_leaves_nothing_that_looks_like_one(tmp_path):
    data, backups = tmp_path / "data", tmp_path / "backups"
    data.mkdir()
    (data / "copydesk.read.duckdb").mkdir()  # which cp cannot copy

    done = subprocess.run(
        ["sh", str(ROOT / "deploy" / "backup.sh"), str(data), str(backups)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert [*backups.iterdir()] == []
