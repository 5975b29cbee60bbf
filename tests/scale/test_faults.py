"""Faults of a shared lake: killed and stopped writers, a server that restarts, a bucket that fails.

After each of them the lake has whole batches only, nothing twice, and the next run completes.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from flows import settings as configuration
from flows.admin.doctor import check_installation
from flows.pipeline import locks
from flows.settings import Settings
from tests.scale import buckets, lakes, postgres, writer
from tests.unit.warehouse.factories import rows_of, upsert
from warehouse import ArticleRow, connect, observe, transaction, upsert_articles
from warehouse.errors import LockLost, WarehouseBusy, WarehouseUnreachable
from warehouse.lake import advisory_lock
from warehouse.lake.compact_files import compact_files, list_orphans
from warehouse.location import Lake

ROOT = Path(__file__).parents[2]
SECRETS = (buckets.ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], buckets.ENVIRONMENT["AWS_ACCESS_KEY_ID"])


@pytest.fixture(scope="module")
def lake(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One lake on PostgreSQL for all tests, because making one takes seconds; whole at the end."""
    folder = tmp_path_factory.mktemp("lake")
    found = Lake(f"postgres:{postgres.new_database(postgres_server, 'faults')}", str(folder))
    if lakes.missing(found):
        postgres.missing("the extra lake (`make scale`)")
    yield found
    with connect(found) as db:
        stored = rows_of(db, "SELECT article_id FROM articles ORDER BY 1")
    compact_files(found, retention=None)
    results = check_installation(settings_of(found, folder / "machine"), verify=True)
    assert not [one for one in results if one.status == "error"]
    with connect(found) as db:
        assert list_orphans(db, found, age=timedelta(0)) == []
        assert rows_of(db, "SELECT article_id FROM articles ORDER BY 1") == stored


@pytest.fixture
def at() -> int:
    """The first number of the articles of a test."""
    return next(_numbers)


_numbers = itertools.count(0, 100_000)


def start(
    ended: ExitStack, lake: Lake, first: int, last: int, *, stops: str = ""
) -> subprocess.Popen[str]:
    """Start another process that writes articles; it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scale.writer", lake.catalog, lake.data, str(first), str(last)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, env=os.environ | {"WRITER_STOPS": stops},
    )  # fmt: skip
    ended.enter_context(process)
    ended.callback(process.kill)
    return process


def rows(at: int, first: int, last: int) -> list[ArticleRow]:
    return writer.rows(at + first, at + last)


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def numbers(lake: Lake, at: int) -> list[int]:
    """The numbers of a test's stored articles, each as often as it is stored."""
    with connect(lake) as db:
        found = rows_of(
            db,
            "SELECT source_article_id::INT - ? FROM articles "
            "WHERE source_article_id::INT BETWEEN ? AND ? ORDER BY 1",
            at, at, at + 99_999,
        )  # fmt: skip
    return [int(str(one)) for (one,) in found]


def end_sessions(lake: Lake, pid: int, *, of_locks_only: bool = False) -> None:
    """End the sessions of a process, as the server does when its machine has vanished."""
    import psycopg

    # DuckDB's own sessions have no name.
    name = "" if of_locks_only else "application_name = '' OR "
    with psycopg.connect(lake.postgres or "", autocommit=True) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = current_database() AND pid <> pg_backend_pid() "
            f"AND ({name}application_name LIKE '%%:{pid}')"
        )


# --- a worker that vanishes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writers", "keys", "kills"),
    [(2, 300, 2), pytest.param(4, 8_000, 50, marks=pytest.mark.nightly)],
)
def test_killed_writers_lose_and_double_nothing(
    lake: Lake, at: int, writers: int, keys: int, kills: int
) -> None:
    """Every process writes every article; one that is killed begins again where it was."""
    chance = random.Random(kills)  # noqa: S311 - a fixed seed
    # Batches that a killed process had stored unseen are not counted.
    every = max(1, writers * (keys // writer.BATCH - 1) // (2 * (kills + 1)))
    seen = killed = 0
    with ExitStack() as ended:
        running = [start(ended, lake, at, at + keys) for _ in range(writers)]
        while running:
            process = chance.choice(running)
            line = process.stdout.readline().split()
            if not line:
                assert process.wait() == 0
                running.remove(process)
                continue
            assert line[0] == "stored", line
            seen += 1
            if killed < kills and int(line[1]) < at + keys and seen % every == 0:
                kill_within(process, chance.uniform(0, 0.3))
                killed += 1
                stored = [int(line[1]), *(int(one.split()[1]) for one in process.stdout)]
                running.remove(process)
                running.append(start(ended, lake, max(stored), at + keys))

    assert killed == kills
    assert numbers(lake, at) == list(range(keys))
    assert advisory_lock.list_held(lake.postgres or "") == []


def kill_within(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_a_stopped_writer_keeps_its_lock_and_is_named(lake: Lake, at: int) -> None:
    """PostgreSQL frees a lock when its machine is gone; the machine of a stopped process is not."""
    with ExitStack() as ended:
        stopped = start(ended, lake, at, at + 100, stops="inside")
        wait_until_stopped(stopped)
        with (
            connect(lake) as db,
            pytest.raises(WarehouseBusy) as raised,
            transaction(db, wait_seconds=0.2),
        ):
            pass
        assert raised.value.pid == stopped.pid
        assert socket.gethostname() in str(raised.value)
        os.kill(stopped.pid, signal.SIGCONT)
        assert stopped.wait() == 0
    assert numbers(lake, at) == list(range(100))


def test_files_of_a_killed_transaction_are_no_data(lake: Lake, at: int) -> None:
    with ExitStack() as ended:
        killed = start(ended, lake, at, at + 100, stops="inside")
        wait_until_stopped(killed)
        killed.kill()
        killed.wait()
        with connect(lake) as db:
            assert upsert(db, *rows(at, 0, 50)).new == 50
            assert list_orphans(db, lake, age=timedelta(0))
    assert numbers(lake, at) == list(range(50))


@pytest.mark.parametrize(
    ("stops", "is_whole_machine", "error"),
    [
        pytest.param(
            "inside", True, {"LockLost", "WarehouseUnreachable"}, marks=pytest.mark.nightly
        ),
        ("inside", False, {"LockLost"}),
        ("commit", False, {"WriteConflict"}),
    ],
)
def test_a_writer_that_was_given_up_commits_nothing_later(
    lake: Lake, at: int, stops: str, is_whole_machine: bool, error: set[str]
) -> None:
    """Another process writes meanwhile. Behind the lock, the row of the write sequence refuses."""
    with connect(lake) as db:
        upsert(db, *rows(at, 0, 10))
    with ExitStack() as ended:
        stopped = start(ended, lake, at + 50, at + 150, stops=stops)
        wait_until_stopped(stopped)
        end_sessions(lake, stopped.pid, of_locks_only=not is_whole_machine)
        with connect(lake) as db:
            assert upsert(db, *rows(at, 0, 100)).new == 90
        os.kill(stopped.pid, signal.SIGCONT)
        output, _ = stopped.communicate()
        assert (stopped.returncode, output.split()[0] in error) == (1, True), output
        assert numbers(lake, at) == list(range(100))
        assert start(ended, lake, at + 50, at + 150).wait() == 0
    assert numbers(lake, at) == list(range(150))


def test_two_schedulers_write_one_source_in_turn(lake: Lake, tmp_path: Path) -> None:
    """Each has the configuration, and state of its own, as two machines by mistake."""
    machines = [settings_of(lake, tmp_path / name) for name in ("one", "two")]
    first, second = ({"flow": "sync", "run_id": one} for one in ("r1", "r2"))
    with locks.acquire(machines[0], "gazette", **first):
        with (
            pytest.raises(locks.SourceLocked) as raised,
            locks.acquire(machines[1], "gazette", **second),
        ):
            pass
        assert "r1" in str(raised.value)
        with locks.acquire(machines[1], "harbour", **second):
            pass
    with locks.acquire(machines[1], "gazette", **second):
        owner = locks.lock_owner(machines[0], "gazette")
    assert owner is not None
    assert owner.run_id == "r2"


def settings_of(lake: Lake, folder: Path) -> Settings:
    """The settings of a machine that has the lake."""
    folder.mkdir()
    config = folder / "copydesk.toml"
    config.write_text(
        f"[warehouse]\nurl = {json.dumps(str(lake))}\ndata = {json.dumps(lake.data)}\n"
        '[sources.gazette]\nparser = "sitemap"\nurl = "https://gazette.example/sitemap.xml"\n'
    )
    return configuration.load(config, {})


# --- a server that restarts ------------------------------------------------------------------


def test_a_restart_of_postgresql_fails_the_transaction_and_not_the_next(
    lake: Lake, at: int
) -> None:
    server = lake.postgres or ""
    with connect(lake) as db:
        upsert(db, *rows(at, 0, 50))
        with pytest.raises((LockLost, WarehouseUnreachable)) as raised:
            upsert_and(lambda: postgres.restart(server), db, *rows(at, 50, 100))
        assert "SELECT" not in str(raised.value)
    assert numbers(lake, at) == list(range(50))

    with connect(lake) as db:  # a process that stays, such as that of `copydesk serve`
        upsert(db, *rows(at, 50, 60))
        postgres.restart(server)
        upsert(db, *rows(at, 60, 100))
    assert numbers(lake, at) == list(range(100))


def upsert_and(meanwhile: Callable[[], None], db: DuckDBPyConnection, *given: ArticleRow) -> None:
    """Store articles; something happens before the commit."""
    with transaction(db):
        upsert_articles(db, map(observe, given), run_id="run")
        meanwhile()


def test_a_server_that_is_down_is_named(lake: Lake, at: int) -> None:
    with connect(lake) as db:
        upsert(db, *rows(at, 0, 10))
    with postgres.stopped(lake.postgres or ""):
        with pytest.raises(WarehouseUnreachable) as raised, connect(lake):
            pass
        assert "PostgreSQL" in str(raised.value)
    assert numbers(lake, at) == list(range(10))


# --- a bucket that fails ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket() -> Iterator[buckets.Faults]:
    with pytest.MonkeyPatch.context() as patch, buckets.serving() as (endpoint, faults):
        buckets.client(endpoint).create_bucket(Bucket=buckets.NAME)
        for name, value in {**buckets.ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        yield faults


@pytest.fixture(scope="module")
def remote(lake: Lake, bucket: buckets.Faults, postgres_server: str) -> Lake:
    """A lake with its files in the bucket."""
    catalog = postgres.new_database(postgres_server, "faults_of_a_bucket")
    return replace(lake, catalog=f"postgres:{catalog}", data=f"s3://{buckets.NAME}/lake")


@pytest.mark.parametrize("method", ["PUT", pytest.param("GET", marks=pytest.mark.nightly)])
def test_a_bucket_that_answers_503_stores_nothing_and_the_next_run_everything(
    remote: Lake, bucket: buckets.Faults, at: int, method: str
) -> None:
    with connect(remote) as db:
        upsert(db, *rows(at, 0, 50))
    bucket.answer = lambda one, path: 503 if one == method and "parquet" in path else None
    with pytest.raises(WarehouseUnreachable) as raised, connect(remote) as db:
        upsert(db, *rows(at, 25, 100))
    assert "503" in str(raised.value)
    assert not any(value in str(raised.value) for value in SECRETS)
    bucket.reset()
    assert numbers(remote, at) == list(range(50))
    with connect(remote) as db:
        upsert(db, *rows(at, 25, 100))
    assert numbers(remote, at) == list(range(100))


def test_a_bucket_that_fails_now_and_then_and_is_slow_costs_only_time(
    remote: Lake, bucket: buckets.Faults, at: int
) -> None:
    with connect(remote) as db:
        upsert(db, *rows(at, 0, 50))
    count = itertools.count(1)
    bucket.answer = lambda _method, _path: 503 if next(count) % 4 == 0 else None
    bucket.seconds = 0.05
    with connect(remote) as db:
        assert upsert(db, *rows(at, 25, 100)).new == 50
    bucket.reset()
    assert numbers(remote, at) == list(range(100))
