"""Writers and runs of several machines: one at a time, and none that has lost its lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows import settings
from flows.pipeline import locks
from flows.pipeline.locks import SourceLocked
from tests.scale import lakes, postgres
from tests.unit.warehouse.factories import NOON, article, rows_of, upsert
from warehouse import connect, transaction
from warehouse.care.integrity import verify
from warehouse.errors import LockLost, WarehouseBusy
from warehouse.lake import advisory_lock, writer_lock
from warehouse.location import Lake
from warehouse.records import suppression

ROOT = Path(__file__).parents[2]
COUNT = "SELECT count(*), count(DISTINCT article_id) FROM articles"


@pytest.fixture(scope="module")
def lake(postgres_server, tmp_path_factory):
    database = postgres.new_database(postgres_server, "locks")
    place = Lake(f"postgres:{database}", str(tmp_path_factory.mktemp("data")))
    if lakes.missing(place):
        postgres.missing("the extra lake (`make scale`)")
    return place


@pytest.fixture(scope="module")
def config(lake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    file = folder / "copydesk.toml"
    file.write_text(f'[warehouse]\nurl = "{lake}"\ndata = "{lake.data}"\n')
    return settings.load(file)


def test_two_processes_create_a_lake_and_write_to_it_without_a_refused_commit(lake):
    command = [sys.executable, "-m", "tests.scale.lakes", lake.catalog, lake.data]
    writers = [
        subprocess.Popen(
            [*command, name, "4"], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    try:
        outputs = [writer.communicate("\n", timeout=300)[0].split()[1:] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()

    assert [writer.returncode for writer in writers] == [0, 0]
    new, known, again = (sum(int(n) for one in outputs for n in one[i::4]) for i in (1, 2, 3))
    assert (new, known, again) == (80, 80, 0)
    with connect(lake) as db:
        assert rows_of(db, COUNT) == [(80, 80)]
        assert verify(db).problems == ()


def test_a_transaction_that_has_lost_its_lock_is_not_committed(lake):
    def suppress(db, article_id, then=lambda: None):
        with transaction(db):
            suppression.suppress(db, article_id=article_id, reason="test", at=NOON)
            then()

    with connect(lake) as db:
        with pytest.raises(LockLost):
            suppress(db, "finews:lost", lambda: postgres.end_connections(lake.postgres))
        suppress(db, "finews:kept")
        assert [one.article_id for one in suppression.list_suppressions(db)] == ["finews:kept"]


def test_a_run_that_has_lost_its_source_stores_nothing(lake, config):
    with connect(lake) as db, locks.acquire(config, "finews", flow="sync", run_id="1"):
        before = rows_of(db, COUNT)
        postgres.end_connections(lake.postgres)
        with pytest.raises(LockLost):
            upsert(db, article("lost", "lost"))
        assert rows_of(db, COUNT) == before


def test_a_writer_waits_for_another_and_names_it(lake):
    with writer_lock.hold(lake, wait_seconds=0):
        (held,) = advisory_lock.list_held(lake.postgres)
        messages = []
        with (
            pytest.raises(WarehouseBusy) as raised,
            writer_lock.hold(lake, wait_seconds=0.2, notify=messages.append),
        ):
            pytest.fail("two write to one lake")
    assert raised.value.pid == held.owner["process"]["pid"]
    assert held.owner["process"]["host"] in str(raised.value)
    assert len(messages) == 1


def test_a_source_of_a_lake_is_locked_for_all_machines(config):
    elsewhere = config.model_copy(
        update={"warehouse": config.warehouse.model_copy(update={"path": Path("/nowhere/a")})}
    )
    with locks.acquire(config, "finews", flow="backfill", run_id="7"):
        assert locks.lock_owner(elsewhere, "finews").run_id == "7"
        assert locks.lock_owner(elsewhere, "other") is None
        with (
            pytest.raises(SourceLocked, match="backfill run 7"),
            locks.acquire(elsewhere, "finews", flow="sync", run_id="8"),
        ):
            pytest.fail("two have one lock")
    assert locks.lock_owner(elsewhere, "finews") is None
