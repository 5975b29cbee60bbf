"""Snapshots that are published by their changed blocks: equal, whole, and no reader's file."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import article, rows_of, upsert
from warehouse import connect, connect_read_only, publish
from warehouse.block_file import HEAD_BYTES, BlockFile, UnknownLayout, read_block_file
from warehouse.care import snapshot
from warehouse.care.integrity import verify
from warehouse.care.snapshot import Snapshot
from warehouse.care.snapshot_blocks import compare_blocks
from warehouse.checkpoint_log import log_file, rewritten_since
from warehouse.errors import WarehouseFull


@pytest.fixture
def link(path: Path) -> Path:
    return path.with_name("project.read.duckdb")


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last snapshot is a spare at once."""
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)


def publish_batch(path: Path, link: Path, number: int) -> Snapshot:
    """Store 20 articles, and publish them."""
    with connect(path) as db:
        upsert(db, *(article(f"{number}-{i}", f"{number}-{i}") for i in range(20)))
        return publish(db, link)


def are_patched(path: Path, link: Path, *numbers: int) -> list[bool]:
    """Publish batches; return of each whether only changed blocks were written."""
    return [is_patched(publish_batch(path, link, number)) for number in numbers]


@pytest.fixture
def spare(path: Path, link: Path) -> Path:
    """Two snapshots of a warehouse: the older one, which is not the current one."""
    first = publish_batch(path, link, 1).path
    publish_batch(path, link, 2)
    return first


def is_patched(published: Snapshot) -> bool:
    assert published.written_bytes is not None
    return 0 < published.written_bytes < published.path.stat().st_size


def block_file(path: Path) -> BlockFile:
    with path.open("rb") as file:
        return read_block_file(file.fileno())


def used_blocks(path: Path) -> tuple[bytes, dict[int, bytes]]:
    """The headers, and the content of each block in use."""
    found, content = block_file(path), path.read_bytes()
    size = found.header.block_bytes
    return content[:HEAD_BYTES], {
        block: content[(start := found.header.offset(block)) : start + size]
        for block in range(found.header.block_count)
        if block not in found.free
    }


def count(db: DuckDBPyConnection) -> object:
    return rows_of(db, "SELECT count(*) FROM articles")[0][0]


# --- equal -------------------------------------------------------------------------------------


def test_a_third_publication_writes_only_changed_blocks(
    path: Path, link: Path, spare: Path
) -> None:
    inode = spare.stat().st_ino
    published = publish_batch(path, link, 3)

    assert is_patched(published)
    assert (published.path.stat().st_ino, spare.exists()) == (inode, False)
    assert used_blocks(published.path) == used_blocks(path)
    with connect_read_only(link) as reader:
        assert count(reader) == 60
        assert verify(reader, is_deep=True).problems == ()


def test_blocks_with_equal_checksums_and_other_content_are_written(path: Path, link: Path) -> None:
    """DuckDB's checksum misses words that occur twice: the same key in two rows, for example."""
    with connect(path) as db:
        db.execute("CREATE TABLE pairs (key UUID)")
        db.execute("INSERT INTO pairs SELECT uuid() FROM range(40000)")
        publish(db, link)
        missed = 0
        for _ in range(6):
            db.execute(
                "INSERT INTO pairs SELECT key FROM (SELECT uuid() AS key FROM range(10)), range(2)"
            )
            before = {one.stat().st_ino: one.read_bytes() for one in snapshot.list_snapshots(link)}
            published = publish(db, link)
            headers, after = used_blocks(published.path)
            assert (headers, after) == live_blocks(path, db)
            old = before.get(published.path.stat().st_ino, b"")
            for block, content in after.items():
                start = block_file(published.path).header.offset(block)
                previous = old[start : start + len(content)]
                missed += previous[:8] == content[:8] and previous != content
    assert missed


def live_blocks(path: Path, db: DuckDBPyConnection) -> tuple[bytes, dict[int, bytes]]:
    """The used blocks of a warehouse that is open: read by a child, which keeps DuckDB's lock."""
    db.execute("CHECKPOINT")
    copy = path.with_name("copy.duckdb")
    subprocess.run(["cp", str(path), str(copy)], check=True)
    return used_blocks(copy)


STATEMENTS = (
    "INSERT INTO wide SELECT uuid(), {n}, repeat(md5(i::VARCHAR), {k}), now() FROM range({n}) t(i)",
    "INSERT INTO wide SELECT key, {k}, 'twice', now() FROM (SELECT uuid() AS key FROM range({n})), range(2)",
    "UPDATE wide SET number = {n} WHERE hash(key) % 50 = {k}",
    "UPDATE wide SET text = 'x{n}' WHERE hash(key) % 500 = {k}",
    "DELETE FROM wide WHERE hash(key) % 10 < {k} AND number % 3 = 0",
    "CREATE OR REPLACE TABLE other AS SELECT range AS i, uuid() AS key FROM range({n})",
    "CREATE OR REPLACE TABLE other AS SELECT 1 AS i",
    "TRUNCATE wide",
)


def change(db: DuckDBPyConnection, chance: random.Random) -> None:
    """Run one statement, perhaps without effect, perhaps followed by a checkpoint."""
    sql = chance.choice(STATEMENTS).format(
        n=chance.choice((1, 10, 1000, 60_000)), k=chance.randint(1, 9)
    )
    db.execute("BEGIN")
    db.execute(sql)
    db.execute(chance.choice(("COMMIT", "COMMIT", "ROLLBACK")))
    if chance.random() < 0.2:
        db.execute("CHECKPOINT")


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 8))]
)
def test_snapshots_equal_the_warehouse_after_random_changes(
    path: Path, link: Path, seed: int
) -> None:
    """Checkpoints of other sessions and rolled back transactions included."""
    chance = random.Random(seed)  # noqa: S311
    patched = 0
    with connect(path) as db:
        db.execute("CREATE TABLE wide (key UUID, number BIGINT, text VARCHAR, day TIMESTAMPTZ)")
    for _ in range(12):
        with connect(path) as db:
            change(db, chance)
        with connect(path) as db:
            upsert(db, article())
            published = publish(db, link)
            assert used_blocks(published.path) == live_blocks(path, db)
            change(db, chance)
        patched += is_patched(published)
    assert patched >= 6


def test_nothing_changed_and_the_snapshot_stays(path: Path, link: Path, spare: Path) -> None:
    before = sorted(path.parent.iterdir())
    current = snapshot.current_snapshot(link)
    with connect(path) as db:
        assert publish(db, link) == current
    assert sorted(path.parent.iterdir()) == before


# --- files of readers --------------------------------------------------------------------------

TWICE = """
import duckdb, sys
reader = duckdb.connect(sys.argv[1], read_only=True)
other = duckdb.connect()
other.execute(f"ATTACH '{sys.argv[1]}' AS news (READ_ONLY)")
other.close()  # and with it the lock that DuckDB held on the file
print("open", flush=True)
sys.stdin.readline()
print(reader.execute("SELECT count(*), count(text) FROM articles").fetchone()[0], flush=True)
"""


@contextmanager
def reader_without_a_lock(file: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", TWICE, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=30)


def test_a_reader_that_lost_its_lock_keeps_its_file(path: Path, link: Path, spare: Path) -> None:
    content = spare.read_bytes()
    with reader_without_a_lock(spare) as child:
        assert not snapshot._is_open(spare)
        published = publish_batch(path, link, 3)
        assert not is_patched(published)
        out, _ = child.communicate("\n", timeout=30)
    assert out == "20\n"
    assert not spare.exists() or spare.read_bytes() == content


def test_a_reader_of_this_process_keeps_its_file(path: Path, link: Path, spare: Path) -> None:
    with connect_read_only(spare) as reader:
        assert are_patched(path, link, 3, 4) == [False, True]
        assert count(reader) == 20


def test_a_snapshot_with_a_second_name_keeps_its_content(
    path: Path, link: Path, spare: Path
) -> None:
    backup = path.with_name("backup.duckdb")
    os.link(spare, backup)
    content = backup.read_bytes()

    published = publish_batch(path, link, 3)

    assert not is_patched(published)
    assert backup.read_bytes() == content


# --- the whole file ----------------------------------------------------------------------------


def cut(spare: Path, log: Path) -> None:
    spare.chmod(0o644)
    os.truncate(spare, spare.stat().st_size - 262_144)


def write_into(spare: Path, log: Path) -> None:
    spare.chmod(0o644)
    with spare.open("r+b") as file:
        file.seek(HEAD_BYTES + 1000)
        file.write(b"damage")


def remove_spare(spare: Path, log: Path) -> None:
    spare.unlink()


def remove_log(spare: Path, log: Path) -> None:
    log.unlink()


def cut_log(spare: Path, log: Path) -> None:
    os.truncate(log, log.stat().st_size - 5)


def write_another_list(spare: Path, log: Path) -> None:
    log.write_text("[1]\n2\n")


def write_elsewhere(spare: Path, log: Path) -> None:
    """Another program writes the warehouse, twice."""
    for _ in range(2):
        with duckdb.connect(str(log.with_suffix(""))) as db:
            db.execute("CREATE OR REPLACE TABLE foreign_rows AS SELECT random() AS x")


def replace_warehouse(spare: Path, log: Path) -> None:
    """A copy of the same file takes its place, as a restored backup does."""
    live = log.with_suffix("")
    copy = live.with_name("copy")
    copy.write_bytes(live.read_bytes())
    copy.replace(live)


@pytest.mark.parametrize(
    "damage",
    [
        cut, write_into, remove_log, write_elsewhere, replace_warehouse,
        *(
            pytest.param(damage, marks=pytest.mark.nightly)
            for damage in (remove_spare, cut_log, write_another_list)
        ),
    ],
)  # fmt: skip
def test_the_whole_file_is_copied_when_the_difference_is_not_known(
    path: Path, link: Path, spare: Path, damage: object
) -> None:
    damage(spare, log_file(path))  # type: ignore[operator]

    assert are_patched(path, link, 3, 4) == [False, damage in (cut, write_into, remove_spare)]
    assert used_blocks(link) == used_blocks(path)
    assert compare_blocks(path, link).different == 0


def test_a_long_log_is_made_shorter(
    path: Path, link: Path, spare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.checkpoint_log._MAX_LINES", 16)

    patched = are_patched(path, link, *range(3, 9))

    assert len(log_file(path).read_bytes().splitlines()) < 24
    assert all(patched)
    assert used_blocks(link) == used_blocks(path)


@pytest.mark.parametrize("name", ["_KNOWN_VERSIONS", "_KNOWN_BLOCK_BYTES"])
def test_files_of_another_layout_are_copied(
    path: Path, link: Path, spare: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(f"warehouse.block_file.{name}", ())
    with pytest.raises(UnknownLayout):
        block_file(path)

    assert are_patched(path, link, 3, 4) == [False, False]
    assert link.read_bytes() == path.read_bytes()


def test_blocks_that_no_checkpoint_could_write_are_noticed(
    path: Path, link: Path, spare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should another version of DuckDB write blocks in use, the whole file is copied."""
    monkeypatch.setattr("warehouse.checkpoint_log._numbers", lambda _ranges: iter(()))
    monkeypatch.setattr("warehouse.checkpoint_log.min", lambda _: 10**6, raising=False)

    published = publish_batch(path, link, 3)

    assert not is_patched(published)
    assert used_blocks(link) == used_blocks(path)


def test_a_full_disk_leaves_the_current_snapshot(
    path: Path, link: Path, spare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = link.resolve()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warehouse.care.snapshot_blocks._Patch._write", full)
    with pytest.raises(WarehouseFull):
        publish_batch(path, link, 3)

    assert link.resolve() == current
    assert not list(path.parent.glob("*.part"))
    with connect_read_only(link) as reader:
        assert count(reader) == 40


# --- comparison --------------------------------------------------------------------------------


def test_damage_of_the_snapshot_is_found_though_the_warehouse_changed_since(
    path: Path, link: Path, spare: Path
) -> None:
    with connect(path) as db:
        upsert(db, article("later", "later"))
    current = link.resolve()
    rewritten = rewritten_since(log_file(path), current)
    assert rewritten is not None
    assert compare_blocks(path, current).different == 0
    kept = sorted(set(used_blocks(current)[1]) - rewritten.blocks - block_file(current).metadata)
    stat = current.stat()
    offset = block_file(current).header.offset(kept[0])
    current.chmod(0o644)
    with current.open("r+b") as file:
        file.seek(offset + 5000)
        file.write(b"damage")

    os.utime(current, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk that fails
    assert compare_blocks(path, current).different == 1
