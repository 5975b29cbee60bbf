"""Copies of a warehouse between files and lakes: equal, or refused by every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli import run
from tests.scale import lakes, postgres
from tests.unit.warehouse.factories import HOUR, NOON, article, everything, rows_of, upsert
from warehouse import connect, connect_read_only
from warehouse.care import copy_warehouse as copy_module
from warehouse.care.copy_warehouse import copy_warehouse
from warehouse.care.integrity import verify
from warehouse.errors import WarehouseError, WarehouseExists, WarehouseIncomplete
from warehouse.location import Lake

LEDGER = "SELECT * FROM _store.migrations ORDER BY version"
SEQUENCE = "SELECT * FROM _store.write_sequence"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "copydesk.duckdb"
    with connect(path) as db:
        for hour in range(2):
            titles = [f"{hour} {n}" for n in range(40)]
            upsert(
                db, *[article(n, t, fetched_at=NOON + hour * HOUR) for n, t in enumerate(titles)]
            )
    return path


@pytest.fixture
def lake(database, tmp_path):
    place = Lake(f"postgres:{database}", str(tmp_path / "data"))
    if lakes.missing(place):
        postgres.missing("the extra lake (`make scale`)")
    return place


@pytest.fixture(scope="module")
def filled(postgres_server, tmp_path_factory):
    """A lake that the first test fills."""
    database = postgres.new_database(postgres_server, "migrated")
    place = Lake(f"postgres:{database}", str(tmp_path_factory.mktemp("lake") / "data"))
    if lakes.missing(place):
        postgres.missing("the extra lake (`make scale`)")
    return place


def contents(place):
    with connect_read_only(place) as db:
        return everything(db), rows_of(db, LEDGER), rows_of(db, SEQUENCE)


def test_an_interrupted_copy_to_a_lake_is_refused_until_it_is_repeated(file, filled, capsys):
    with pytest.raises(KeyboardInterrupt):
        copy_warehouse(file, filled, on_table=interrupt_at("contents"))

    for opened in (connect, connect_read_only):
        with pytest.raises(WarehouseIncomplete), opened(filled):
            pytest.fail("a half-filled lake is taken for whole")

    assert migrate(file, filled, "--to-data", filled.data) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["from"], done["to"]) == (str(file), str(filled))
    assert (done["tables"]["article_records"], done["tables"]["write_sequence"]) == (80, 1)
    assert contents(filled) == contents(file)
    assert migrate(file, filled, "--to-data", filled.data) == 2


def test_a_lake_becomes_a_file(file, filled, tmp_path):
    back = tmp_path / "back.duckdb"

    assert migrate(filled, back, "--from-data", filled.data) == 0

    assert contents(back) == contents(file)
    assert migrate(filled, back, "--from-data", filled.data) == 2
    with connect(back) as db:
        assert verify(db, is_deep=True).problems == ()
        assert upsert(db, article(1, "newer", fetched_at=NOON + 9 * HOUR)).updated == 1


def migrate(*arguments):
    return run(["--json", "migrate-warehouse", *map(str, arguments)])


@pytest.mark.nightly
def test_a_lake_becomes_a_lake_of_another_kind(file, lake, tmp_path):
    other = Lake(str(tmp_path / "catalog.ducklake"), str(tmp_path / "other"))

    copy_warehouse(file, other)
    copy_warehouse(other, lake)

    assert contents(lake) == contents(other) == contents(file)


def interrupt_at(name):
    def on_table(table, _done, _total):
        if table == name:
            raise KeyboardInterrupt

    return on_table


def test_an_interrupted_copy_to_a_file_leaves_no_file(file, tmp_path):
    target = tmp_path / "target.duckdb"
    target.with_name("target.duckdb.migrating").write_bytes(b"left by a killed copy")
    with pytest.raises(KeyboardInterrupt):
        copy_warehouse(file, target, on_table=interrupt_at("sightings"))

    assert [one.name for one in tmp_path.iterdir()] == ["target.duckdb.lock"]
    copy_warehouse(file, target)
    assert contents(target) == contents(file)


def test_a_copy_that_differs_is_not_used(file, tmp_path, monkeypatch):
    def copy_less(db, on_table):
        copy_tables(db, on_table)
        db.execute("UPDATE copydesk_target._store.sightings SET channel = 'x'")

    copy_tables = copy_module._copy_tables
    monkeypatch.setattr(copy_module, "_copy_tables", copy_less)

    with pytest.raises(WarehouseError, match="sightings"):
        copy_warehouse(file, tmp_path / "target.duckdb")
    assert not (tmp_path / "target.duckdb").exists()


def test_a_folder_with_files_of_another_lake_is_refused(file, lake):
    Path(lake.data).mkdir()
    Path(lake.data, "ducklake-1.parquet").write_bytes(b"of another lake")

    with pytest.raises(WarehouseExists, match="folder of its own"):
        copy_warehouse(file, lake)


@pytest.mark.parametrize(
    ("origin", "target", "code"),
    [
        ("missing.duckdb", "target.duckdb", 1),
        ("{file}", "{file}", 2),
        ("{file}", "ducklake:postgres:host=h password=hunter22", 2),
        ("{file}", "ducklake:catalog.ducklake", 2),
    ],
)
def test_places_that_cannot_be_used(file, tmp_path, monkeypatch, capsys, origin, target, code):
    monkeypatch.chdir(tmp_path)
    assert run(["migrate-warehouse", origin.format(file=file), target.format(file=file)]) == code
    assert "hunter22" not in "".join(capsys.readouterr())
    assert list(tmp_path.iterdir()) == []
