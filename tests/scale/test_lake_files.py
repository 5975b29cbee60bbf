"""The files of a lake: merged, expired, deleted; and an erasure that leaves no text behind."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from flows import settings
from flows.admin.compact import compact_warehouse
from flows.admin.erasure import ErasureRequest, erase
from flows.admin.lake_checks import check_lake
from flows.admin.maintenance_tasks import compact_if_worth
from flows.pipeline import locks
from tests.scale import buckets, lakes, postgres
from tests.unit.warehouse.factories import HOUR, NOON, article, everything, rows_of, upsert
from warehouse import connect, connect_read_only
from warehouse.care.copy_warehouse import copy_warehouse
from warehouse.care.integrity import verify
from warehouse.duckdb_errors import translate_errors
from warehouse.errors import VersionExpired, WarehouseError, WarehouseExists
from warehouse.lake.catalog_space import overwrite_deleted_rows
from warehouse.lake.compact_files import compact_files, list_orphans
from warehouse.lake.version import newest_version
from warehouse.location import Lake

SECRET = "Zzwithdrawn"
TITLES = "SELECT title FROM articles ORDER BY 1"
DAY = timedelta(days=1)


@pytest.fixture(
    scope="module", params=["postgres", pytest.param("duckdb", marks=pytest.mark.nightly)]
)
def lake(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    catalog = str(folder / "catalog.ducklake")
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        catalog = f"postgres:{postgres.new_database(server, 'files')}"
    place = Lake(catalog, str(folder / "data"))
    if lakes.missing(place):
        postgres.missing("the extra lake (`make scale`)")
    with connect(place) as db:
        upsert(db, *[article(n, f"f{n}") for n in range(100, 130)])
    return place


@pytest.fixture(scope="module")
def config(lake, tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "copydesk.toml"
    file.write_text(f'[warehouse]\nurl = "{lake}"\ndata = "{lake.data}"\n')
    return settings.load(file)


def places_of(text, lake):
    """Where a text is: in values of data files, in rows of the catalog, in its bytes on the disk."""
    with duckdb.connect() as db:
        for file in Path(lake.data).rglob("*.parquet"):
            rows = db.execute("SELECT * FROM read_parquet(?)", [str(file)]).fetchall()
            if text in str(rows) or text.encode() in file.read_bytes():
                yield file.name
    yield from in_server(text, lake) if lake.postgres else in_file(text, lake)


def in_file(text, lake):
    with duckdb.connect(str(lake.file), read_only=True) as db:
        for (table,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            if text in str(db.execute(f'SELECT * FROM "{table}"').fetchall()):
                yield table
    yield from (
        file.name
        for file in lake.file.parent.glob("catalog*")
        if text.encode() in file.read_bytes()
    )


def psycopg_of(lake):
    import psycopg

    return psycopg.connect(lake.postgres, autocommit=True)


def in_server(text, lake):
    # Inlined texts are stored as bytes.
    forms = text, text.encode().hex()
    with psycopg_of(lake) as db:
        tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            rows = str(db.execute(f'SELECT t::text FROM public."{table}" t').fetchall())
            if any(form in rows for form in forms):
                yield table
        db.execute("CHECKPOINT")
        (folder,) = db.execute("SHOW data_directory").fetchone()
    for file in Path(folder, "base").rglob("*"):
        if file.is_file() and text.encode() in file.read_bytes():
            yield f"base/{file.name}"


def test_an_erased_text_is_nowhere_in_a_lake(lake, config):
    with connect(lake) as db:
        for hour in range(3):  # a small commit is in the catalog, a large one in a file
            titles = [f"{SECRET} {hour}" if n == 3 else f"t{n} {hour}" for n in range(8)]
            upsert(
                db, *[article(n, t, fetched_at=NOON + hour * HOUR) for n, t in enumerate(titles)]
            )
        many = [f"{SECRET} large" if n == 33 else f"t{n}" for n in range(30, 60)]
        upsert(db, *[article(n, t) for n, t in enumerate(many, 30)])
        upsert(db, *[article(n, f"{SECRET} {n}") for n in range(300, 330)])  # all of its file
    if lake.postgres:
        with psycopg_of(lake) as server:
            server.execute("ANALYZE")
    before = list(places_of(SECRET, lake))
    assert [place for place in before if place.startswith("ducklake-")]
    assert [place for place in before if place.startswith("ducklake_inlined_data")]

    numbers = 3, 33, *range(300, 330)
    request = ErasureRequest(article_ids=tuple(f"finews:{n}" for n in numbers))
    result = erase(
        config, request, reason="", notify=lambda _: None, on_progress=lambda *_: None
    )  # fmt: skip

    assert (result.removed.articles, result.remaining, result.exit_code) == (32, [], 0)
    assert list(places_of(SECRET, lake)) == []
    with connect(lake) as db:
        assert rows_of(db, "SELECT count(*) FROM articles") == [(66,)]
        assert verify(db, is_deep=True).problems == ()


def test_the_least_text_of_a_table_goes_with_its_article(lake, config):
    text = "Aawithdrawn"
    with connect(lake) as db:
        upsert(db, *[article(n, f"{text} {n}") for n in range(400, 430)])
    request = ErasureRequest(article_ids=tuple(f"finews:{n}" for n in range(400, 430)))

    erase(config, request, reason="", notify=lambda _: None, on_progress=lambda *_: None)

    assert list(places_of(text, lake)) == []
    with connect(lake) as db:
        assert upsert(db, article(400, "Abc")).new == 0
        assert upsert(db, article(431, "Abc")).new == 1
        assert rows_of(db, "SELECT article_id FROM articles WHERE title < 'Abd'") == [
            ("finews:431",)
        ]
        upsert(db, article(431, "t431"))


@pytest.mark.nightly
def test_an_erasure_by_another_user_than_the_owner_reports_what_stays(lake):
    if not lake.postgres:
        pytest.skip("a file has no users")
    with psycopg_of(lake) as server:
        server.execute("CREATE ROLE writer LOGIN")
        server.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO writer")
        server.execute("GRANT ALL ON SCHEMA public TO writer")
    other = Lake(lake.catalog.replace("user=project", "user=writer"), lake.data)

    with pytest.raises(WarehouseError, match="ducklake_"):
        overwrite_deleted_rows(other, wait_seconds=1)


def test_a_new_lake_takes_no_folder_of_another_one(lake, tmp_path):
    new = Lake(str(tmp_path / "new.ducklake"), lake.data)

    with pytest.raises(WarehouseExists), connect(new):
        pass


def test_small_files_are_merged_and_recent_versions_can_be_read(lake, config):
    version, _ = newest_version(lake)
    with connect_read_only(Lake(lake.catalog, lake.data, version)) as db:
        before = rows_of(db, TITLES)
    with connect(lake) as db:
        for hour in range(2):
            upsert(db, *[article(n, f"m{n} {hour}") for n in range(60 + 20 * hour, 80 + 20 * hour)])
        stored = everything(db)

    done = compact_warehouse(config, fetches_before=None, notify=lambda _: None).as_json()

    assert done["lake"]["files_after"] < done["lake"]["files_before"]
    assert (done["lake"]["versions_expired"], done["lake"]["files_deleted"]) == (0, 0)
    assert done["warehouse"] == str(lake)
    with connect_read_only(Lake(lake.catalog, lake.data, version)) as db:
        assert rows_of(db, TITLES) == before
    with connect(lake) as db:
        assert everything(db) == stored


@pytest.mark.nightly
def test_an_expired_version_is_a_clear_error(lake):
    version, _ = newest_version(lake)
    with connect(lake) as db:
        upsert(db, article(1, "newer"))
    compact_files(lake, retention=timedelta(0))
    with (
        pytest.raises(VersionExpired),
        connect_read_only(Lake(lake.catalog, lake.data, version)) as db,
    ):
        rows_of(db, TITLES)


def test_a_statement_whose_file_is_deleted_meanwhile_is_a_clear_error(lake):
    with connect(lake) as db:
        upsert(db, *[article(n, f"r{n}") for n in range(200, 230)])
    contents = Path(lake.data, "_store", "contents")
    with connect_read_only(lake) as db:
        contents.rename(contents.with_name("away"))
        try:
            with pytest.raises(VersionExpired), translate_errors(lake):
                rows_of(db, "SELECT sum(length(body_html)) FROM articles")
        finally:
            contents.with_name("away").rename(contents)


def test_maintenance_deletes_old_orphans_and_leaves_new_ones(lake, config):
    old, new, foreign = (
        Path(lake.data, name) for name in ("ducklake-1.parquet", "ducklake-2.parquet", "notes.txt")
    )
    for file in (old, new, foreign):
        file.write_bytes(b"left by a killed writer")
    two_days_ago = time.time() - 2 * DAY.total_seconds()
    for file in (old, foreign):
        os.utime(file, (two_days_ago, two_days_ago))

    assert "1 orphans" in compact_if_worth(config, fetch_retention_days=None)

    assert [file.exists() for file in (old, new, foreign)] == [False, True, True]
    new.unlink()


@pytest.mark.nightly
def test_files_of_another_lake_in_the_same_folder_are_not_deleted(lake):
    files = [Path(lake.data, f"ducklake-{number}.parquet") for number in range(250)]
    for file in files:
        file.write_bytes(b"of another lake")

    with pytest.raises(WarehouseError, match="folder of its own"):
        compact_files(lake, retention=None)

    assert all(file.exists() for file in files)
    for file in files:
        file.unlink()


def test_doctor_reports_the_server_its_locks_and_its_files(lake, config):
    orphan = Path(lake.data, "ducklake-1.parquet")
    orphan.write_bytes(b"left by a killed writer")
    two_days_ago = time.time() - 2 * DAY.total_seconds()
    os.utime(orphan, (two_days_ago, two_days_ago))
    with locks.acquire(config, "finews", flow="backfill", run_id="7"):
        found = {check.name: check for check in check_lake(config)}
    orphan.unlink()
    sound = {check.name: check for check in check_lake(config)}

    assert (found["lake files"].status, sound["lake files"].status) == ("warning", "ok")
    assert orphan.name in found["lake files"].message
    assert "ducklake" in found["extensions"].message
    if lake.postgres:
        assert "backfill run 7" in found["locks"].message
        assert "backfill run 7" not in sound["locks"].message
        assert found["catalog"].status == "ok"


@pytest.mark.nightly
def test_a_lake_in_a_bucket_is_filled_compacted_and_its_prefix_belongs_to_it(
    database, tmp_path, monkeypatch
):
    file = tmp_path / "copydesk.duckdb"
    with connect(file) as db:
        upsert(db, *[article(n, f"b{n}") for n in range(40)])
    with buckets.serving() as (endpoint, _):
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        store = buckets.client(endpoint)
        store.create_bucket(Bucket="lakes")
        lake = Lake(f"postgres:{database}", "s3://lakes/news")
        copy_warehouse(file, lake)
        store.put_object(Bucket="lakes", Key="news/ducklake-1.parquet", Body=b"left")
        with connect_read_only(lake) as db:
            assert list_orphans(db, lake, age=timedelta(0)) == [
                "s3://lakes/news/ducklake-1.parquet"
            ]
            stored = everything(db)

        done = compact_files(lake, retention=None)

        assert (done.orphans_deleted, done.versions_expired > 0) == (1, True)
        found = store.list_objects_v2(Bucket="lakes")["Contents"]
        assert len(found) == done.files_after
        with connect_read_only(lake) as db:
            assert everything(db) == stored
        other = Lake(str(tmp_path / "catalog.ducklake"), lake.data)
        with pytest.raises(WarehouseExists):
            copy_warehouse(file, other)
