"""Compaction of a warehouse file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.unit.warehouse.factories import HOUR, NOON, article, everything, rows_of, upsert
from warehouse import UpsertCounts, connect, transaction
from warehouse.care import compact, erasure
from warehouse.care.integrity import verify
from warehouse.errors import WarehouseBusy, WarehouseError
from warehouse.records import fetches
from warehouse.rows import FetchRow

CHARACTERS = [chr(code) for code in range(0x4E00, 0x9FA5)]


def test_compacting_merges_sightings_and_changes_nothing_that_is_read(path: Path) -> None:
    with connect(path) as db:
        for hour in range(12):
            upsert(
                db,
                *(article(i, f"{i}", fetched_at=NOON + hour * HOUR) for i in range(50)),
                article(99, "甲" if hour % 3 else "乙", fetched_at=NOON + hour * HOUR),
            )
        before = everything(db)
        comments = rows_of(
            db, "SELECT table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL"
        )

    done = compact.compact(path)

    with connect(path) as db:
        assert everything(db) == before
        assert comments == rows_of(
            db, "SELECT table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL"
        )
        assert rows_of(db, "SELECT count(*) FROM _store.sightings") == [(done.sightings_after,)]
        assert rows_of(
            db, "SELECT count(*), max(last_seen_at) FROM articles_as_of(?)", NOON + 5.5 * HOUR
        ) == [(51, NOON + 5.5 * HOUR)]
        assert rows_of(
            db, "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
        ) == [({"storage_version": "v1.5.0+"},)]
        assert verify(db, is_deep=True).problems == ()
        assert upsert(db, article(1, "1")) == UpsertCounts(unchanged=1)
        assert everything(db) == before
    assert (done.sightings_before, done.sightings_after) == (12 * 51, 50 + 8)
    assert done.bytes_after <= done.bytes_before


def test_compacting_keeps_the_last_complete_fetch_of_each_url(path: Path) -> None:
    def page(hour: int, status: int = 200) -> FetchRow:
        return FetchRow(
            source="finews", channel="emnews", url="u", status=status, fetched_at=NOON + hour * HOUR
        )

    with connect(path) as db, transaction(db):
        fetches.record(db, [page(0), page(1), page(2, 503), page(9, 503)], run_id="run")

    assert compact.compact(path, fetches_before=NOON + 5 * HOUR).fetches_removed == 2
    with connect(path) as db:
        found = rows_of(db, "SELECT fetched_at, status FROM fetches ORDER BY 1")
    assert found == [(NOON + HOUR, 200), (NOON + 9 * HOUR, 503)]


def test_compacting_frees_the_space_of_erased_articles(path: Path) -> None:
    chance = random.Random(1)  # noqa: S311
    with connect(path) as db:
        texts = ["".join(chance.choices(CHARACTERS, k=20_000)) for _ in range(40)]
        upsert(db, *(article(number, text) for number, text in enumerate(texts)))
    with connect(path) as db, transaction(db):
        erasure.erase(db, source="finews")

    done = compact.compact(path)

    assert done.bytes_after < done.bytes_before / 2


def test_compacting_that_fails_leaves_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(path) as db:
        upsert(db, article())
    sums = iter([{"contents": (1, "a")}, {"contents": (1, "b")}])
    monkeypatch.setattr(compact, "fingerprint", lambda *_: next(sums))

    with pytest.raises(WarehouseError, match="the old file stays"):
        compact.compact(path)

    assert not path.with_name(path.name + ".compacting").exists()
    with connect(path) as db:
        assert rows_of(db, "SELECT article_id FROM articles") == [("finews:1",)]


def test_compacting_is_refused_while_this_process_has_the_file_open(path: Path) -> None:
    with connect(path), pytest.raises(WarehouseBusy, match="has it open twice"):
        compact.compact(path)
