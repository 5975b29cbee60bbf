"""The published read copy: whole, replaced in one step, never blocking a process."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import HOUR, article, cursor_of, rows_of, upsert
from warehouse import connect, connect_for_queries, connect_read_only, current_snapshot, publish
from warehouse.care import snapshot
from warehouse.care.integrity import verify
from warehouse.errors import (
    WarehouseError,
    WarehouseFull,
    WarehouseMissing,
    WrongSnapshot,
)

ROOT = Path(__file__).parents[3]
Reads = Callable[[Path], AbstractContextManager[DuckDBPyConnection]]


@pytest.fixture
def link(path: Path) -> Path:
    return path.with_name("project.read.duckdb")


def count(db: DuckDBPyConnection, table: str = "articles") -> object:
    return rows_of(db, f"SELECT count(*) FROM {table}")[0][0]


def publish_change(db: DuckDBPyConnection, link: Path, number: int) -> Path:
    upsert(db, article(number, f"text {number}"))
    return publish(db, link).path


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the file open for reading."""
    code = (
        "import duckdb, sys; db = duckdb.connect(sys.argv[1], read_only=True);"
        "print('open', flush=True); sys.stdin.readline();"
        "print(db.execute('SELECT count(*) FROM articles').fetchone()[0], flush=True)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout
    assert child.stdout.readline() == "open\n"
    try:
        yield child
    finally:
        child.communicate("\n", timeout=30)


def test_readers_see_what_was_published_and_nothing_later(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        published = publish(db, link)
        upsert(db, article(2))

        with connect_for_queries(link) as reader:
            assert count(reader) == 1
    assert current_snapshot(link) == published
    assert published.age(published.published_at + HOUR) == HOUR


def test_a_reader_keeps_its_snapshot_while_others_get_the_new_one(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)
        with connect_read_only(link) as before:
            upsert(db, article(2))
            publish(db, link)
            with connect_read_only(link) as after:
                assert (count(before), count(after)) == (1, 2)
            assert count(before) == 1


def test_old_snapshots_but_one_are_removed_when_no_process_has_them_open(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)
    monkeypatch.setattr(snapshot, "_SPARE_SECONDS", -1.0)

    def files() -> list[Path]:
        return sorted(path.parent.glob("project.read.duckdb.*Z"))

    with connect(path) as db:
        first = publish_change(db, link, 1)
        with another_process(first):
            second, third, fourth = (publish_change(db, link, number) for number in (2, 3, 4))
            assert files() == [first, third, fourth]
        assert not second.exists()
        fifth = publish_change(db, link, 5)
        assert files() == [fourth, fifth]


def test_three_runs_that_end_together_write_only_changed_blocks_the_third_time(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot replaced a moment ago is not written: its readers may be on their way."""
    replaced: set[Path] = set()
    monkeypatch.setattr(
        snapshot, "_is_fresh", lambda one, seconds=None: seconds is not None or one in replaced
    )
    is_whole = []
    with connect(path) as db:
        for number in range(9):
            if number % 3 == 0:
                replaced.clear()
            current = link.resolve()
            upsert(db, article(number, f"text {number}"))
            published = publish(db, link)
            is_whole.append(published.written_bytes == published.path.stat().st_size)
            replaced.add(current)

    assert is_whole == [True] * 3 + [False, False, True] + [False] * 3


def test_snapshots_of_the_last_seconds_stay_for_readers_on_their_way(
    path: Path, link: Path
) -> None:
    with connect(path) as db:
        first = publish_change(db, link, 1)
        publish_change(db, link, 2)

    assert first.exists()


@pytest.mark.parametrize("step", ["_copied", "_patched"])
def test_other_threads_commit_while_a_snapshot_is_written(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write = getattr(snapshot, step)

    def commit_meanwhile(*arguments: Any) -> Any:
        thread = threading.Thread(target=lambda: upsert(cursor_of(db), article(3, "three")))
        thread.start()
        thread.join(timeout=30)
        return write(*arguments)

    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", -1.0)
    with connect(path) as db:
        if step == "_patched":
            publish_change(db, link, 0)
        publish_change(db, link, 1)
        upsert(db, article(2, "two"))
        monkeypatch.setattr(snapshot, step, commit_meanwhile)
        db.execute("SET GLOBAL checkpoint_threshold = '1KB'")  # every commit would checkpoint
        before = rows_of(db, "SELECT current_setting('checkpoint_threshold')")
        publish(db, link)
        with connect_read_only(link) as reader:
            assert count(reader) == count(db) - 1  # type: ignore[operator]
            assert verify(reader, is_deep=True).problems == ()
        assert rows_of(db, "SELECT current_setting('checkpoint_threshold')") == before


def test_a_large_commit_while_a_snapshot_is_copied_leaves_the_file_alone(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would like to go into the file at once; a file that changes cannot be copied."""
    run = subprocess.run

    def commit_first(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        before_head = path.read_bytes()[:12_288]
        rows = [article(f"large-{i}", f"{i}" + "字" * 900) for i in range(2000)]
        thread = threading.Thread(target=lambda: upsert(cursor_of(db), *rows))
        thread.start()
        thread.join(timeout=60)
        assert path.with_name(path.name + ".wal").stat().st_size > 1_000_000
        assert path.read_bytes()[:12_288] == before_head
        return run(*arguments, **options)

    with connect(path) as db:
        upsert(db, article())
        monkeypatch.setattr(snapshot.subprocess, "run", commit_first)
        publish(db, link)
        assert count(db) == 2001
    with connect_read_only(link) as reader:
        assert count(reader) == 1
        assert verify(reader, is_deep=True).problems == ()


def test_readers_open_a_whole_snapshot_at_any_moment(path: Path, link: Path) -> None:
    opened: list[object] = []
    is_done = threading.Event()

    def read() -> None:
        while not is_done.is_set():
            with connect_read_only(link) as reader:
                opened.append(count(reader))

    with connect(path) as db:
        upsert(db, article(0))
        publish(db, link)
        readers = ThreadPoolExecutor(1)
        reading = readers.submit(read)
        for number in range(1, 21):
            upsert(db, *(article(f"{number}-{i}", f"{number}-{i}") for i in range(20)))
            publish(db, link)
        is_done.set()
        reading.result(timeout=60)

    assert opened == sorted(opened)  # type: ignore[type-var]
    assert all((one - 1) % 20 == 0 for one in opened)  # type: ignore[operator]


READER = """
import sys, duckdb
from warehouse import connect_read_only
for number in range(int(sys.argv[2])):
    if number % 2:
        with connect_read_only(sys.argv[1]) as db:
            found = db.execute("SELECT count(*) FROM articles").fetchall()
    else:
        with duckdb.connect(sys.argv[1], read_only=True) as db:
            found = db.execute("SELECT count(*) FROM articles").fetchall()
    print(found[0][0], flush=True)
"""


@pytest.mark.nightly
def test_500_read_only_opens_of_the_snapshot_during_20_upserts_meet_0_errors(
    path: Path, link: Path
) -> None:
    """Other processes, with any DuckDB client and with ours."""
    opens, upserts, readers = 500, 20, 2
    with ExitStack() as ended, connect(path) as db:
        upsert(db, article(0))
        publish(db, link)
        children = [
            ended.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", READER, str(link), str(opens // readers)],
                    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                )
            )
            for _ in range(readers)
        ]  # fmt: skip
        seen: list[list[int]] = [[] for _ in children]
        for number in range(1, upserts + 1):
            upsert(db, *(article(f"{number}-{i}", f"{number}-{i}") for i in range(20)))
            publish(db, link)
            for child, lines in zip(children, seen, strict=True):
                assert child.stdout
                each = opens // readers // upserts
                lines += [int(child.stdout.readline()) for _ in range(each)]
        for child, lines in zip(children, seen, strict=True):
            assert child.stdout
            lines += map(int, child.stdout.read().split())
            _, errors = child.communicate(timeout=120)
            assert (child.returncode, errors) == (0, "")

    assert sum(map(len, seen)) == opens
    for lines in seen:
        assert lines == sorted(lines)
        assert all((one - 1) % 20 == 0 for one in lines)


def test_a_copy_that_fails_leaves_the_snapshot_as_it_was(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        upsert(db, article())
        before = publish(db, link)
        upsert(db, article(2))
        monkeypatch.setattr(
            snapshot.subprocess, "run",
            lambda *_, **__: subprocess.CompletedProcess([], 1, "", "No space left on device"),
        )  # fmt: skip
        with pytest.raises(WarehouseFull, match=r"project\.read\.duckdb"):
            publish(db, link)

    assert current_snapshot(link) == before
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("first", [connect_read_only, connect_for_queries])
@pytest.mark.parametrize("second", [connect_read_only, connect_for_queries])
def test_two_readers_of_one_process_do_not_block_each_other(
    path: Path, link: Path, first: Reads, second: Reads
) -> None:
    """Connections to one file of one process share DuckDB's instance, settings and all."""
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)

    with first(link) as one, second(link) as other:
        assert (count(one), count(other)) == (1, 1)
        assert rows_of(one, "SELECT current_setting('TimeZone')") == [("UTC",)]


def test_a_snapshot_can_have_any_name(path: Path) -> None:
    link = path.with_name("_store.read.duckdb")
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)

    with connect_for_queries(link) as reader:
        assert count(reader) == 1


# --- one place for two warehouses --------------------------------------------------------------


def test_another_warehouses_snapshot_is_not_replaced(path: Path, link: Path) -> None:
    with connect(path) as db:
        first = publish(db, link)
    other = path.with_name("other.duckdb")

    with (
        connect(other) as db,
        pytest.raises(WrongSnapshot, match=r"snapshot of another warehouse than .*other") as caught,
    ):
        publish(db, link)

    assert "[warehouse] snapshot" in str(caught.value)
    assert current_snapshot(link) == first


def test_another_warehouses_snapshot_is_not_read_in_place_of_ones_own(
    path: Path, link: Path
) -> None:
    other = path.with_name("other.duckdb")
    with connect(path) as db:
        first = publish(db, link)
    with connect(other):
        pass

    assert current_snapshot(link, of=path) == first
    with pytest.raises(WrongSnapshot, match=r"check .warehouse. path and snapshot"):
        current_snapshot(link, of=other)
    assert current_snapshot(link, of=path.with_name("not-there.duckdb")) == first


def test_a_moved_or_recreated_warehouse_publishes_in_its_old_place(path: Path, link: Path) -> None:
    moved = path.with_name("moved.duckdb")
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)
    path.rename(moved)
    with connect(moved) as db:
        publish(db, link)
    moved.unlink()
    with connect(moved) as db:
        publish(db, link)

    with connect_read_only(link) as reader:
        assert count(reader) == 0


def test_all_other_copies_can_be_removed_at_once(
    path: Path, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        published = [publish_change(db, link, number) for number in range(3)]
    monkeypatch.setattr(snapshot, "_KEPT_SECONDS", 0.05)
    with another_process(published[1]):
        assert snapshot.remove_other_snapshots(link, published[2]) == [published[1]]
    assert snapshot.remove_other_snapshots(link, published[2]) == []

    assert snapshot.list_snapshots(link) == [published[2]]


def test_a_warehouse_in_memory_has_no_snapshot(link: Path) -> None:
    with connect(":memory:") as db, pytest.raises(WarehouseError, match="in memory"):
        publish(db, link)


def test_message_about_a_missing_snapshot_names_the_command_that_makes_one(link: Path) -> None:
    for reads in (current_snapshot, lambda one: connect_for_queries(one).__enter__()):
        with pytest.raises(WarehouseMissing, match="`copydesk sync` or `copydesk import`"):
            reads(link)


def test_a_plain_file_in_the_links_place_is_replaced(path: Path, link: Path) -> None:
    link.write_text("old")
    with connect(path) as db:
        publish(db, link)

    assert link.is_symlink()


@pytest.mark.parametrize("own", [":memory:", "own.duckdb"])
def test_views_and_macros_work_in_another_database(path: Path, link: Path, own: str) -> None:
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)
    with duckdb.connect(own if own == ":memory:" else str(path.with_name(own))) as other:
        other.execute(f"ATTACH '{link}' AS news (READ_ONLY)")
        views = rows_of(other, "SELECT view_name FROM duckdb_views() WHERE database_name = 'news'")
        for (view,) in views:
            rows_of(other, f"FROM news.{view}")
        counts = [
            count(other, f"news.{name}")
            for name in (
                "articles",
                "articles_as_of(now())",
                "articles_as_of('2020-01-01'::TIMESTAMP)",
            )
        ]
        other.execute("CREATE VIEW mine AS FROM news.articles_as_of(now())")
        counts += [count(other, "mine")]
        other.execute("USE news")
        counts += [count(other, "articles_as_of(now())")]

    assert counts == [1, 1, 0, 1, 1]


def test_macros_work_in_a_snapshot_opened_by_its_name(path: Path, link: Path) -> None:
    with connect(path) as db:
        upsert(db, article())
        publish(db, link)

    for name in (link, link.resolve()):
        with duckdb.connect(str(name), read_only=True) as reader:
            assert count(reader, "articles_as_of(now())") == 1
    with connect_for_queries(link) as reader:
        assert count(reader, "articles_as_of(now())") == 1


@pytest.mark.parametrize("name", ["reader's copy", "news"])
def test_macros_work_in_a_warehouse_that_is_called_otherwise_than_its_snapshot(
    path: Path, name: str
) -> None:
    link = path.with_name(f"{name}.duckdb")
    with connect(path) as db:
        upsert(db, article())
        first = publish(db, link)
        assert publish(db, link) == first
        assert count(db, "articles_as_of(now())") == 1

    with duckdb.connect(str(link), read_only=True) as reader:
        assert count(reader, "articles_as_of(now())") == 1
    with duckdb.connect() as other:
        other.execute("ATTACH ? AS news (READ_ONLY)", [str(link)])
        assert count(other, "news.articles_as_of(now())") == 1
    moved = path.with_name("moved.duckdb")
    path.rename(moved)
    with connect(moved) as db:
        publish(db, link)
        assert count(db, "articles_as_of(now())") == 1


def test_a_snapshot_is_read_only_and_an_attempt_to_write_blocks_no_reader(
    path: Path, link: Path
) -> None:
    with connect(path) as db:
        old = publish(db, link).path
        assert stat.S_IMODE(old.stat().st_mode) == 0o444
        # The log of a writer that ignored the mode, as root's can.
        link.with_name(f"{link.name}.wal").write_bytes(b"log of another file")
        upsert(db, article())
        publish(db, link)

    with duckdb.connect(str(link), read_only=True) as reader:
        assert count(reader) == 1
    assert not link.with_name(f"{link.name}.wal").exists()
