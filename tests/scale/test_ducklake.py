"""The same schema, upsert and checks on DuckLake, with a catalog in PostgreSQL.

Needs ``make scale`` and Debian's package postgresql. What is missing is skipped and named; in CI
(``CI=true``) nothing may be missing. ``test_lake_suite.py`` has more, nightly.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from flows.admin.sql_worker import SqlWorker
from tests.scale import buckets
from tests.unit.warehouse.factories import HOUR, NOON, article, everything, rows_of, upsert

# The history of an article is the same in a lake: these tests run again, on the `db` below.
from tests.unit.warehouse.test_history import (  # noqa: F401
    test_a_content_that_returns_gets_its_own_revision,
    test_an_older_page_becomes_a_past_revision,
    test_the_corpus_as_of_a_time_knows_nothing_later,
)
from tests.unit.warehouse.test_lookups import test_known_new_and_repeated_rows_mixed_in_one_batch  # noqa: F401
from tests.unit.warehouse.test_syndication import (  # noqa: F401
    test_a_correction_is_no_pair_with_its_own_article,
)
from tests.unit.warehouse.test_syndication_index import (  # noqa: F401
    test_an_erased_article_leaves_no_fingerprint_and_no_pair,
)
from tests.unit.warehouse.test_upsert import (  # noqa: F401
    test_the_file_of_an_imported_article_is_kept_once_byte_for_byte,
)
from warehouse import (
    UpsertCounts,
    connect,
    connect_for_queries,
    connect_read_only,
    current_snapshot,
    migrate,
    publish,
    run_query,
    transaction,
)
from warehouse.care import erasure
from warehouse.care.compact import merge_sightings
from warehouse.care.integrity import verify
from warehouse.errors import BadQuery, WarehouseBusy, WarehouseMissing, WarehouseUnreachable
from warehouse.lake.attach import attach
from warehouse.lake.version import exists
from warehouse.location import Lake
from warehouse.records import fetches, quarantine, runs, watermarks
from warehouse.rows import FetchRow

_REFUSED = (
    "SELECT * FROM postgres_query('__ducklake_metadata_copydesk', 'SELECT 1')",
    "EXPLAIN ANALYZE FROM postgres_scan('host=db.example', 'public', 't')",
    "SELECT (SELECT count(*) FROM \"POSTGRES_SCAN\"('a', 'b', 'c'))",
    "FROM query('FROM postgres_' || 'query(1, 2)')",
    "FROM ducklake_cleanup_old_files('copydesk')",
    "FROM copydesk.snapshots()",
    "FROM __DUCKLAKE_metadata_copydesk.ducklake_snapshot",
    "SUMMARIZE __ducklake_metadata_copydesk.public.ducklake_snapshot",
    "FROM read_text('/etc/hostname')",
    "FROM '/etc/hostname'",
)


def tell(db: DuckDBPyConnection) -> list[UpsertCounts]:
    return [
        upsert(db, article(), article(2), article(3, "加息")),
        upsert(db, article(1, "降准了", fetched_at=NOON + HOUR)),
        upsert(db, article(1, fetched_at=NOON + 2 * HOUR)),
        upsert(db, article(1, "传降准", fetched_at=NOON - HOUR)),
        upsert(db, article(), article(2)),
    ]


def test_a_lake_and_a_file_hold_the_same_history(lake: DuckDBPyConnection, tmp_path: Path) -> None:
    with connect(tmp_path / "copydesk.duckdb") as db:
        assert tell(lake) == tell(db)
        assert everything(lake) == everything(db)
    assert verify(lake, is_deep=True).problems == ()
    assert migrate.pending(lake, "lake", migrate.migrations()) == ()


def test_the_books_are_kept_in_a_lake_too(lake: DuckDBPyConnection) -> None:
    page = FetchRow(source="s", channel="c", url="u", status=200, fetched_at=NOON, etag='"1"')
    with transaction(lake):
        run_id = runs.start_run(lake, flow="sync", sources=["finews"], code_version="0")
        fetches.record(lake, [page], run_id=run_id)
        watermarks.advance(lake, {("finews", "emnews"): (NOON, "1")}, run_id=run_id)
        runs.finish_run(lake, run_id, "finews")

    assert [one.state for one in runs.list_runs(lake)] == ["completed"]
    assert list(fetches.validators(lake, ["u"])) == ["u"]
    assert quarantine.open_failures(lake) == []
    assert rows_of(lake, "SELECT comment FROM duckdb_views() WHERE view_name = 'articles'") == [
        ("One row per article: its current revision",)
    ]


def test_erasure_and_merging_work_in_a_lake_too(lake: DuckDBPyConnection) -> None:
    upsert(lake, article(1), article(2, "加息"))
    upsert(lake, article(2, "加息", fetched_at=NOON + HOUR))
    with transaction(lake):
        assert erasure.erase(lake, ["finews:1"]).articles == 1
        assert merge_sightings(lake) == (2, 1)

    assert upsert(lake, article(1)) == UpsertCounts(suppressed=1)
    assert rows_of(lake, "SELECT article_id FROM articles") == [("finews:2",)]
    assert verify(lake, is_deep=True).problems == ()


def test_a_reader_keeps_its_version_and_the_next_one_sees_more(
    lake: DuckDBPyConnection, place: Lake
) -> None:
    upsert(lake, article(1))
    snapshot = current_snapshot("unused", of=place)
    upsert(lake, article(2, "加息"))

    with connect_for_queries(snapshot.path) as db:
        assert run_query(db, "SELECT article_id FROM articles").rows == [("finews:1",)]
        assert run_query(db, "SELECT article_id FROM search('加息')").rows == []
    newer = publish(lake, "unused")
    assert newer == current_snapshot("unused", of=place)
    assert newer.published_at > snapshot.published_at
    with connect_for_queries(newer.path) as db:
        assert run_query(db, "SELECT article_id FROM search('加息')").rows == [("finews:2",)]
        assert run_query(db, "EXPLAIN FROM articles").rows
        assert run_query(db, "DESCRIBE articles").rows
        for sql in _REFUSED:
            with pytest.raises(BadQuery):
                run_query(db, sql)
    with duckdb.connect() as db:
        attach(db, place, "news", is_read_only=True)
        assert rows_of(db, "SELECT article_id FROM news.search('加息')") == [("finews:2",)]
    worker = SqlWorker()
    try:
        assert worker.run(newer.path, "SELECT count(*) AS n FROM articles").rows == [[2]]
    finally:
        worker.stop()


def test_a_lake_that_is_not_there_is_missing_and_one_without_a_server_unreachable(
    database: str, tmp_path: Path
) -> None:
    for lake, error in (
        (Lake(f"postgres:{database}", str(tmp_path)), WarehouseMissing),
        (Lake(str(tmp_path / "none.ducklake"), str(tmp_path)), WarehouseMissing),
        (Lake("postgres:host=/nowhere password=hunter2", str(tmp_path)), WarehouseUnreachable),
    ):
        for use in (lambda: current_snapshot("unused", of=lake), lambda: _open(lake)):  # noqa: B023
            with pytest.raises(error) as caught:
                use()
            assert "hunter2" not in str(caught.value)
    assert not exists(Lake(f"postgres:{database}", str(tmp_path)))


def test_a_catalog_in_a_file_is_open_in_one_process_at_a_time(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "catalog.ducklake"), str(tmp_path / "data"))
    with connect(lake) as db:
        upsert(db, article(1))
        with pytest.raises(WarehouseBusy):
            _open(lake)
    with connect_read_only(current_snapshot("unused", of=lake).path) as db:
        assert rows_of(db, "SELECT article_id FROM articles") == [("finews:1",)]


def _open(lake: Lake) -> None:
    with connect_read_only(lake):
        pass


def test_a_statement_on_a_lake_in_a_bucket_reads_neither_keys_nor_other_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with buckets.serving() as (endpoint, _faults):
        client = buckets.client(endpoint)
        client.create_bucket(Bucket=buckets.NAME)
        client.put_object(Bucket=buckets.NAME, Key="other.csv", Body=b"a\n1\n")
        for name, value in {**buckets.ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        lake = Lake(str(tmp_path / "catalog.ducklake"), f"s3://{buckets.NAME}/lake")
        with connect(lake) as db:
            upsert(db, *(article(number, f"text {number}") for number in range(20)))
            assert _settings_with_keys(db) == []

        with connect_for_queries(lake) as db:
            assert run_query(db, "SELECT count(text) FROM articles").rows == [(20,)]
            with pytest.raises(BadQuery, match="disabled by configuration"):
                run_query(db, f"FROM 's3://{buckets.NAME}/other.csv'")
            assert _settings_with_keys(db) == []


def _settings_with_keys(db: DuckDBPyConnection) -> list[tuple[object, ...]]:
    keys = [buckets.ENVIRONMENT[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    return rows_of(db, "SELECT name FROM duckdb_settings() WHERE value IN (?, ?)", *keys)
