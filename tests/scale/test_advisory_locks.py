"""Locks in PostgreSQL: one holder, known by name; a lost connection refuses commits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scale import postgres as servers
from warehouse.errors import LockLost, WarehouseError
from warehouse.lake import advisory_lock, postgres

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from warehouse.lake import advisory_lock
with advisory_lock.opened(sys.argv[1], sys.argv[2]) as lock:
    print(lock.try_acquire({"pid": 1}), flush=True)
    sys.stdin.readline()
"""
OWNER = {"flow": "sync"}


@pytest.fixture
def holder(database):
    """Another process, which holds the lock ``a``."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, database, "a"], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_one_process_holds_a_lock_and_a_killed_one_leaves_it_free(database, holder):
    with advisory_lock.opened(database, "a") as lock:
        assert not lock.try_acquire(OWNER)
        assert lock.read_owner() == {"pid": 1}
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        while not lock.try_acquire(OWNER):
            pass
        assert lock.read_owner() == OWNER
    assert advisory_lock.list_held(database) == []


def test_two_threads_of_a_process_never_hold_one_lock(database):
    with (
        advisory_lock.opened(database, "a") as one,
        advisory_lock.opened(database, "a") as two,
        advisory_lock.opened(database, "b") as other,
    ):
        assert one.try_acquire(OWNER)
        assert not two.try_acquire(OWNER)
        assert other.try_acquire(OWNER)
        assert [held.name for held in advisory_lock.list_held(database)] == ["a", "b"]
        one.check()


def test_the_process_that_waits_is_next(database):
    with advisory_lock.opened(database, "a") as waiting:
        with advisory_lock.opened(database, "a") as first:
            assert first.try_acquire(OWNER)
            assert not waiting.try_acquire(OWNER)
        with advisory_lock.opened(database, "a") as again:
            assert not again.try_acquire(OWNER)
        assert waiting.try_acquire(OWNER)


def test_a_killed_holder_is_no_owner(database, holder):
    assert advisory_lock.read_owner(database, "a") == {"pid": 1}
    holder.kill()
    holder.wait()
    while advisory_lock.list_held(database):
        pass

    assert advisory_lock.read_owner(database, "a") is None
    assert advisory_lock.read_owner(database, "b") is None


def test_a_lost_connection_refuses_the_commit_of_its_holder(database):
    with advisory_lock.opened(database, "source") as source:
        assert source.try_acquire(OWNER)
        servers.end_connections(database)
        with advisory_lock.opened(database, "writer") as writer:
            assert writer.try_acquire(OWNER)
            with pytest.raises(LockLost):
                source.check()
            with pytest.raises(LockLost):  # the run would store rows of a source it has lost
                writer.check()
        with advisory_lock.opened(database, "source") as other:
            assert other.try_acquire(OWNER)
    with advisory_lock.opened(database, "writer") as writer:
        assert writer.try_acquire(OWNER)
        writer.check()


def test_a_lock_that_a_connection_pool_moved_away_is_no_lock(database):
    """A pool in mode ``transaction`` gives each statement another session of the server."""
    import psycopg

    with (
        psycopg.connect(database) as other,
        advisory_lock.opened(database, "a") as lock,
        pytest.MonkeyPatch.context() as patch,
    ):
        assert lock.try_acquire(OWNER)
        patch.setattr(lock._session, "_db", other)
        with pytest.raises(LockLost):
            lock.check()


def test_many_threads_take_turns(database):
    inside, most, turns = [], [], []

    def work():
        for _ in range(5):
            with advisory_lock.opened(database, "a") as lock:
                while not lock.try_acquire(OWNER):
                    pass
                inside.append(1)
                most.append(len(inside))
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (max(most), len(turns)) == (1, 15)


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=127.0.0.1 port=1 user=u password=hunter22",
        "postgresql://u:hunter22@127.0.0.1:1/news",
        "password=hunter22 nonsense",
        "host=/nowhere password='hunter22 x' passfile=/hunter22",
    ],
)
def test_a_message_about_a_server_holds_no_password(conninfo, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hunter22")
    with pytest.raises(WarehouseError) as raised:
        postgres.connect(conninfo)
    assert "hunter22" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_passwords_of_foreign_messages_are_removed(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "hunter22")
    for text in (
        "Unable to connect: host=h password=secret1 user=u",
        "postgresql://u:secret1@h/db failed",
        "password = 'sec ret1' x",
        "the server answered hunter22",
    ):
        redacted = postgres.redact_conninfo(text)
        assert not any(one in redacted for one in ("secret1", "ret1", "hunter22"))


def test_a_lock_whose_owner_cannot_be_written_is_released(database):
    with servers_user(database) as other, advisory_lock.opened(other, "b"):
        with pytest.raises(WarehouseError), advisory_lock.opened(other, "a") as lock:
            lock.try_acquire(OWNER)
        with advisory_lock.opened(database, "a") as lock:
            assert lock.try_acquire(OWNER)


@contextmanager
def servers_user(database):
    """A user that may read the table of the locks only."""
    import psycopg

    with advisory_lock.opened(database, "a"), psycopg.connect(database, autocommit=True) as db:
        db.execute("CREATE ROLE reader LOGIN")
        db.execute(f"GRANT SELECT ON {advisory_lock.TABLE} TO reader")
        yield database.replace("user=project", "user=reader")
