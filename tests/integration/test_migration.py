"""The migration of a warehouse of version 0.1.0: nothing stored gets lost or changes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from warehouse import connect_for_queries, observe, transaction, upsert_articles
from warehouse import db as warehouse_db
from warehouse.care.integrity import stored_records, verify
from warehouse.errors import MigrationChanged, WarehouseTooOld
from warehouse.read.articles import read_articles

FIXTURE = Path(__file__).parents[1] / "fixtures" / "warehouse_0_1"
EXPECTED = json.loads((FIXTURE / "expected.json").read_text(encoding="utf-8"))
# Expected columns that are computed from several columns of a view.
COMPUTED = {
    "contents": "sha256(body_html || chr(0) || text)",
    "provenance": "sha256(replace(provenance, 'published_timezone_source', 'published_zone_from'))",
    "state": "replace(state, '_with_warnings', '')",
    "page": "sha256(page)",
}
FETCHES = """
    SELECT source, count(*), sum(status), sum(bytes), sum(attempt_count), sum(archive_offset),
           count(etag), min(fetched_at), max(fetched_at)
    FROM fetches GROUP BY source"""


@pytest.fixture(scope="module", params=[5, 8])
def migrated(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[DuckDBPyConnection]:
    """The warehouse of the fixture, in schema 5 or 8, opened and thereby migrated."""
    path = tmp_path_factory.mktemp("migration") / "copydesk.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))
    if request.param == 8:
        known = [one for one in warehouse_db.migrate.migrations() if one.version <= 8]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warehouse_db.migrate, "migrations", lambda: known)
            with warehouse_db.connect(path):
                pass
    with warehouse_db.connect(path) as connection:
        yield connection


def plain(value: Any) -> Any:
    """A value as the JSON of the fixture has it."""
    return value if isinstance(value, int | float | str | list | None) else str(value)


def rows_of(connection: DuckDBPyConnection, sql: str) -> list[list[Any]]:
    rows = connection.execute(sql).fetchall()
    return sorted(([plain(value) for value in row] for row in rows), key=str)


@pytest.mark.parametrize(
    "view", ["articles", "revisions", "sightings", "quarantine", "gaps", "runs"]
)
def test_view_has_the_same_rows_after_the_migration(migrated, view):
    columns = list(EXPECTED[view][0])
    wanted = ", ".join(COMPUTED.get(column, column) for column in columns)

    found = rows_of(migrated, f"SELECT {wanted} FROM {view}")

    assert found == sorted((list(row.values()) for row in EXPECTED[view]), key=str)


def test_fetches_have_the_same_totals_after_the_migration(migrated):
    expected = sorted((list(row.values()) for row in EXPECTED["fetches"]), key=str)

    assert rows_of(migrated, FETCHES) == expected


def test_a_copy_of_the_old_file_stays_beside_the_migrated_one(tmp_path):
    path = tmp_path / "copydesk.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))
    before = path.read_bytes()

    with warehouse_db.connect(path):
        pass

    copies = [copy for copy in tmp_path.iterdir() if ".before-" in copy.name]
    assert [copy.read_bytes() for copy in copies] == [before]


def test_migrated_records_have_the_keys_that_new_observations_get(migrated):
    assert verify(migrated, is_deep=True).problems == ()
    assert {one.wrong for one in stored_records(migrated)} == {""}


def test_completed_runs_with_an_error_become_runs_with_warnings(migrated):
    found = migrated.execute(
        "SELECT DISTINCT state, len(messages) > 0 FROM runs WHERE state LIKE 'completed%'"
    ).fetchall()

    assert sorted(found) == [("completed", False), ("completed_with_warnings", True)]


def test_the_same_page_again_changes_nothing_in_a_migrated_warehouse(migrated):
    counts = "SELECT count(*) FROM _store.article_records"
    before = migrated.execute(counts).fetchall()
    rows = [one.row for one in stored_records(migrated)]
    current = {row.article_id: row for row in read_articles(migrated)}
    again = [row for row in rows if row.text == current[row.article_id].text]

    with transaction(migrated):
        done = upsert_articles(migrated, map(observe, again), run_id="again")

    assert {
        name for one in done.values() for name in ("new", "updated") if getattr(one, name)
    } == set()
    assert migrated.execute(counts).fetchall() == before


def test_the_same_page_in_its_time_zone_is_the_record_that_was_migrated(migrated):
    rows = [one.row for one in stored_records(migrated)]
    plain = [
        replace(row, published_on=None, published_timezone=None, completeness="full")
        for row in rows
    ]

    assert any(row.published_on for row in rows)
    assert [observe(row).record_key for row in plain] == [observe(row).record_key for row in rows]


def test_migrated_articles_are_full_and_have_the_day_in_shanghai(migrated):
    found = migrated.execute(
        "SELECT DISTINCT published_on = (published_at + INTERVAL 8 HOURS)::DATE, "
        "published_timezone, completeness, state FROM articles"
    ).fetchall()

    assert set(found) <= {(True, "Asia/Shanghai", "full", "live"), (None, None, "full", "live")}
    assert (True, "Asia/Shanghai", "full", "live") in found


def test_upgraded_tables_have_the_columns_of_new_ones(migrated):
    columns = (
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE schema_name IN ('_store', 'main') AND NOT internal ORDER BY ALL"
    )
    with warehouse_db.connect(":memory:") as new:
        assert migrated.execute(columns).fetchall() == new.execute(columns).fetchall()


@pytest.mark.parametrize("moment", ["connect", "apply", "link", "replace"])
def test_a_failed_upgrade_leaves_the_old_file_and_the_next_one_succeeds(
    tmp_path, monkeypatch, moment
):
    path = tmp_path / "copydesk.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))
    before = path.read_bytes()

    def fail(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    places = {
        "connect": (warehouse_db, "_copy"),
        "apply": (warehouse_db.migrate, "apply"),
        "link": (warehouse_db.os, "link"),
        "replace": (Path, "replace"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*places[moment], fail)
        with pytest.raises(KeyboardInterrupt), warehouse_db.connect(path):
            pass

    assert path.read_bytes() == before
    messages: list[str] = []
    with warehouse_db.connect(path, notify=messages.append) as connection:
        assert len(rows_of(connection, "SELECT article_id FROM articles")) == len(
            EXPECTED["articles"]
        )
    assert len(messages) == 1


def test_a_snapshot_of_the_old_schema_is_refused_until_the_next_run(tmp_path):
    path = tmp_path / "copydesk.read.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))

    with pytest.raises(WarehouseTooOld, match="copydesk sync"), connect_for_queries(path):
        pass


def test_a_schema_before_5_is_refused(tmp_path):
    path = tmp_path / "copydesk.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path)) as old:
        old.execute("DELETE FROM _store.migrations WHERE version = 5")

    with pytest.raises(WarehouseTooOld, match="schema 4"), warehouse_db.connect(path):
        pass


def test_another_schema_5_is_refused(tmp_path):
    path = tmp_path / "copydesk.duckdb"
    path.write_bytes(gzip.decompress((FIXTURE / "copydesk.duckdb.gz").read_bytes()))
    with duckdb.connect(str(path)) as old:
        old.execute("UPDATE _store.migrations SET checksum = 'other' WHERE version = 2")

    with pytest.raises(MigrationChanged), warehouse_db.connect(path):
        pass
