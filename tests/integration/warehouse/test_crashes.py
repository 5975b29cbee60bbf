"""The warehouse after a killed process, a full disk or damage to the file.

``TORTURE_KILLS`` is the number of kills (`make torture`: 200), 3 by default.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from tests.integration.warehouse.writer import one_batch
from tests.unit.warehouse.factories import article, rows_of, upsert
from warehouse import connect, connect_read_only, publish, transaction
from warehouse.care.integrity import verify
from warehouse.errors import (
    WarehouseDamaged,
    WarehouseError,
    WarehouseFull,
    WarehouseReadOnly,
)
from warehouse.records import runs, watermarks

ROOT = Path(__file__).parents[3]
KILLS = int(os.environ.get("TORTURE_KILLS", "3"))


def run_writer(*arguments: object, check: bool = True) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.warehouse.writer", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# --- kill -9 -------------------------------------------------------------------------------


@dataclass
class Tally:
    """Write the results of the kills, for `make torture`."""

    kills: int = 0
    batches: int = 0
    replayed: int = 0
    unacknowledged: int = 0


def killed_at_random(path: Path, start: int, chance: random.Random) -> int:
    """The last acknowledged batch of a writer that was killed at some moment."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.warehouse.writer", "batches", str(path), str(start)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout
    last = start - 1
    for _ in range(chance.randint(1, 6)):
        last = int(child.stdout.readline())
    timer = threading.Timer(chance.uniform(0, 0.12), child.kill)
    timer.start()
    rest, _ = child.communicate(timeout=60)
    timer.join()
    return max([last, *map(int, rest.split())])


def check_batches(db: DuckDBPyConnection, acknowledged: int) -> int:
    """Every batch up to the last stored one is there whole; returns that one."""
    found = verify(db, is_deep=True)
    assert found.problems == ()
    mark = watermarks.get(db, "finews", "emnews")
    assert mark
    last = int(mark.value)
    assert last in {acknowledged, acknowledged + 1}  # the kill may come before the word
    assert rows_of(
        db, "SELECT count(*), count(DISTINCT article_id), max(CAST(run_id AS INTEGER)) FROM revisions"
    ) == [((last + 1) * 10 + last * 10 + 10, (last + 2) * 10, last)]  # fmt: skip
    return last


def test_killing_the_writer_loses_no_acknowledged_batch_and_leaves_none_in_part(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("TORTURE_SEED", "20260314"))
    chance = random.Random(seed)  # noqa: S311
    tally = Tally()
    following = 0
    wal = path.with_name(path.name + ".wal")
    for _ in range(KILLS):
        acknowledged = killed_at_random(path, following, chance)
        tally.replayed += wal.exists()
        with connect(path) as db:
            last = check_batches(db, acknowledged)
            one_batch(db, last)  # the flow does the last batch again
            assert check_batches(db, last) == last
        tally.kills += 1
        tally.unacknowledged += last > acknowledged
        tally.batches = following = last + 1
    with capsys.disabled():
        if "TORTURE_KILLS" in os.environ:
            print(f"\n{tally} (seed {seed}): 0 unopenable, 0 lost, 0 partial, 0 doubled")


def test_a_crash_leaves_the_run_marked_and_its_batches_stored(path: Path) -> None:
    assert run_writer("crash", path, check=False) == ["stored"]

    with connect(path) as db:
        check_batches(db, 2)
        with transaction(db):
            runs.start_run(db, flow="sync", sources=["finews"], code_version="0")
        assert sorted(one.state for one in runs.list_runs(db)) == ["crashed", "running"]


# --- a full disk -----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_undoes_one_batch_and_the_earlier_ones_are_whole(small_disk: Path) -> None:
    path = small_disk / "project.duckdb"
    ballast = small_disk / "ballast"
    with connect(path) as db:
        one_batch(db, 0)
        one_batch(db, 1)
        take_all_room(ballast)
        last = fill_up(db)
        check_batches(db, last)
        ballast.unlink()
        one_batch(db, last + 1)
        check_batches(db, last + 1)
    with connect(path) as db:
        check_batches(db, last + 1)


def take_all_room(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass


def fill_up(db: DuckDBPyConnection) -> int:
    """The last batch that went in before the disk was full."""
    for number in range(2, 200):
        stored = watermarks.get(db, "finews", "emnews")
        try:
            one_batch(db, number)
        except WarehouseFull:
            break
    else:
        raise AssertionError("the disk was never full")
    assert stored
    return int(stored.value)


def test_a_snapshot_that_does_not_fit_leaves_the_old_one(path: Path, small_disk: Path) -> None:
    link = small_disk / "project.read.duckdb"
    with connect(path) as db:
        one_batch(db, 0)
        first = publish(db, link)
        one_batch(db, 1)
        take_all_room(small_disk / "ballast")
        with pytest.raises(WarehouseFull):
            publish(db, link)
        check_batches(db, 1)
    assert link.resolve() == first.path


def test_a_file_size_limit_is_reported_like_a_full_disk(path: Path) -> None:
    lines = run_writer("fill", path, 600_000)

    stopped = next(line for line in lines if line.startswith("stopped"))
    assert "WarehouseFull" in stopped
    assert str(path) in stopped
    last = int(stopped.split()[1]) - 1
    assert lines[-1] == f"readable {(last + 2) * 10}"
    with connect(path) as db:
        check_batches(db, last)


# --- places that may not be written ------------------------------------------------------------


@pytest.fixture
def frozen_disk(small_disk: Path) -> Path:
    with connect(small_disk / "project.duckdb") as db:
        one_batch(db, 0)
    command = ["mount", "-o", "remount,ro", str(small_disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("remounting read-only needs root")
    return small_disk / "project.duckdb"


def test_a_read_only_folder_is_named_and_can_still_be_read(frozen_disk: Path) -> None:
    with pytest.raises(WarehouseReadOnly, match=r"project\.duckdb") as caught:
        connect(frozen_disk).__enter__()
    assert "[warehouse] path" in str(caught.value)

    with connect_read_only(frozen_disk) as db:
        check_batches(db, 0)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(WarehouseError, match=r"data/project\.duckdb"):
        connect(tmp_path / "data" / "project.duckdb").__enter__()


# --- damage ------------------------------------------------------------------------------------


@pytest.fixture
def crashed(path: Path) -> Path:
    """A warehouse with three batches of which the last ones are in its log."""
    run_writer("crash", path, check=False)
    assert wal_of(path).stat().st_size > 10_000
    return path


def wal_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def test_a_log_with_a_flipped_bit_is_refused_and_left_as_it_is(crashed: Path) -> None:
    wal = wal_of(crashed)
    flip(wal, wal.stat().st_size // 2)
    before = wal.read_bytes()

    with pytest.raises(WarehouseDamaged, match=r"project\.duckdb: damaged") as caught:
        connect(crashed).__enter__()
    assert "`copydesk doctor`" in str(caught.value)
    assert wal.read_bytes() == before


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_log_cut_short_is_noticed_although_duckdb_opens_it(crashed: Path, share: float) -> None:
    wal = wal_of(crashed)
    os.truncate(wal, int(wal.stat().st_size * share))

    with pytest.raises(WarehouseDamaged) as caught:
        connect(crashed).__enter__()
    assert str(wal) in str(caught.value)


def test_a_missing_log_is_noticed_and_going_on_without_it_is_a_choice(crashed: Path) -> None:
    kept = wal_of(crashed).rename(crashed.with_suffix(".kept"))

    with pytest.raises(WarehouseDamaged, match="missing or cut short"):
        connect(crashed).__enter__()

    kept.rename(wal_of(crashed))
    with connect(crashed) as db:
        check_batches(db, 2)


def test_warehouse_without_its_log_opens_once_the_lock_file_is_deleted(
    crashed: Path,
) -> None:
    wal_of(crashed).unlink()
    crashed.with_name(crashed.name + ".lock").unlink()

    with connect(crashed) as db:
        assert verify(db, is_deep=True).problems == ()
        upsert(db, article())


def test_a_log_without_its_file_is_not_replaced_by_a_new_warehouse(crashed: Path) -> None:
    crashed.unlink()

    with pytest.raises(WarehouseDamaged, match="missing, but its write-ahead log"):
        connect(crashed).__enter__()
    assert wal_of(crashed).exists()
    assert not crashed.exists()


@pytest.fixture
def stored(path: Path) -> Path:
    """A warehouse with all its batches in the file."""
    with connect(path) as db:
        for number in range(5):
            one_batch(db, number)
    return path


def test_a_flipped_bit_in_the_file_is_never_read_as_something_else(stored: Path) -> None:
    whole = stored.read_bytes()
    chance = random.Random(1)  # noqa: S311
    noticed = 0
    for _ in range(25):
        stored.write_bytes(whole)
        flip(stored, chance.randrange(len(whole)))
        try:
            with connect_read_only(stored) as db:
                problems = verify(db, is_deep=True).problems
                noticed += bool(problems)
                if not problems:
                    check_batches(db, 4)  # the bit is in a free block
        except WarehouseError:
            noticed += 1
    assert noticed >= 10


def test_a_file_cut_short_is_noticed_by_a_deep_check(stored: Path) -> None:
    os.truncate(stored, stored.stat().st_size * 2 // 3)

    try:
        with connect_read_only(stored) as db:
            found: object = verify(db, is_deep=True).problems
    except WarehouseDamaged as error:
        found = str(error)
    assert found


def test_a_recreated_warehouse_does_not_miss_the_old_ones_commits(stored: Path) -> None:
    stored.unlink()

    with connect(stored) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(0,)]
    with connect(stored) as db:
        upsert(db, article())


def test_an_older_copy_in_place_of_the_file_is_noticed(stored: Path) -> None:
    copy = stored.with_suffix(".copy")
    shutil.copy(stored, copy)
    with connect(stored) as db:
        one_batch(db, 5)
    shutil.copy(copy, stored)

    with pytest.raises(WarehouseDamaged, match=r"delete .*lock"):
        connect(stored).__enter__()


def test_opening_is_quick(stored: Path) -> None:
    start = time.monotonic()
    with connect(stored):
        pass
    assert time.monotonic() - start < 10
