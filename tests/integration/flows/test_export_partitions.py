"""``copydesk export --format parquet --partition``: a file for each source and month."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow.dataset
import pytest

from flows.import_export.export_partitions import export_partitions
from flows.import_export.export_tables import TABLES
from warehouse import connect, publish

pytestmark = pytest.mark.e2e

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def files_of(folder):
    return {
        one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*.parquet")
    }


def without(stored, condition):
    """A snapshot without the articles of a condition on their records."""
    with connect(stored.settings.warehouse.path) as db:
        for table in ("article_versions", "sightings"):
            db.execute(
                f"DELETE FROM _store.{table} WHERE article_key IN "
                f"(SELECT article_key FROM _store.article_records WHERE {condition})"
            )
        publish(db, stored.settings.warehouse.snapshot)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_in_the_file_of_its_source_and_month(stored, tmp_path, table):
    export_partitions(stored.settings, tmp_path / "out")
    columns = ", ".join(name for (name, *_) in stored.rows(f"DESCRIBE {table}"))

    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        files = f"read_parquet('{tmp_path}/out/{table}/**/*.parquet', hive_partitioning = true)"
        found = db.execute(f"SELECT {columns} FROM {files} ORDER BY ALL").fetchall()
        months = db.execute(f"SELECT DISTINCT article_id, month FROM {files} ORDER BY 1").fetchall()
    expected = stored.rows(
        "SELECT article_id, coalesce(strftime(published_at AT TIME ZONE 'UTC', '%Y-%m'), "
        "strftime(published_on, '%Y-%m'), 'unknown') FROM articles ORDER BY 1"
    )
    assert len(found) == stored.rows(f"SELECT count(*) FROM {table}")[0][0] > 40
    assert months == expected
    assert len({month for _, month in months}) > 1


def test_pyarrow_reads_the_folder_as_one_dataset(stored, tmp_path):
    export_partitions(stored.settings, tmp_path)

    found = pyarrow.dataset.dataset(tmp_path / "articles", partitioning="hive").to_table()

    assert found.num_rows == stored.rows("SELECT count(*) FROM articles")[0][0]
    assert set(found["source"].to_pylist()) == {
        name for (name,) in stored.rows("SELECT DISTINCT source FROM articles")
    }


def test_rows_of_a_file_are_sorted_and_a_second_export_changes_no_byte(stored, tmp_path):
    export_partitions(stored.settings, tmp_path / "first")
    export_partitions(stored.settings, tmp_path / "second")
    before = files_of(tmp_path / "first")
    again = export_partitions(stored.settings, tmp_path / "first")

    assert before == files_of(tmp_path / "first") == files_of(tmp_path / "second")
    assert again.exported.counts()["identical"] == len(before) > 3
    for name in before:
        order = TABLES[name.partition("/")[0]]
        with duckdb.connect() as db:
            keys = db.execute(f"SELECT {order} FROM '{tmp_path}/first/{name}'").fetchall()
            sql = f"SELECT {order} FROM '{tmp_path}/first/{name}' ORDER BY {order}"
            assert keys == db.execute(sql).fetchall()


def test_since_writes_whole_months_and_leaves_the_earlier_ones(stored, tmp_path):
    export_partitions(stored.settings, tmp_path / "all")
    since = datetime(2022, 3, 31, 23, tzinfo=UTC)
    done = export_partitions(stored.settings, tmp_path / "some", since=since)
    some, full = files_of(tmp_path / "some"), files_of(tmp_path / "all")
    earlier = next(name for name in sorted(full) if name not in some)
    (tmp_path / "all" / earlier).write_bytes(b"PAR1 old")

    again = export_partitions(stored.settings, tmp_path / "all", since=since)

    assert some.items() <= full.items()
    assert done.articles > 0
    assert {name.split("/")[2] for name in some} >= {"month=2022-03"}
    assert all(name.split("/")[2] >= "month=2022-03" for name in some)
    assert (again.exit_code, again.exported.identical) == (0, sorted(some))


def test_file_whose_articles_left_the_warehouse_is_removed(stored, tmp_path):
    export_partitions(stored.settings, tmp_path)
    gone = "articles/source=finews/month=2022-03/articles.parquet"
    assert (tmp_path / gone).exists()
    without(stored, "source = 'finews' AND strftime(published_at, '%Y-%m') = '2022-03'")

    checked = export_partitions(stored.settings, tmp_path, check=True)
    assert (checked.exit_code, gone in checked.exported.changed) == (4, True)
    done = export_partitions(stored.settings, tmp_path)

    assert (done.exit_code, gone in done.exported.removed) == (0, True)
    assert not (tmp_path / gone).exists()
    assert export_partitions(stored.settings, tmp_path, check=True).exit_code == 0


def test_empty_selection_removes_files_only_when_allowed(stored, tmp_path):
    export_partitions(stored.settings, tmp_path)
    before = files_of(tmp_path)
    without(stored, "true")

    refused = export_partitions(stored.settings, tmp_path)

    assert files_of(tmp_path) == before
    assert (refused.exit_code, refused.articles) == (3, 0)
    assert len(refused.exported.changed) == len(before)

    allowed = export_partitions(stored.settings, tmp_path, allow_empty=True)
    assert (allowed.exit_code, len(allowed.exported.removed)) == (0, len(before))


def test_file_that_copydesk_did_not_write_is_left_alone(stored, tmp_path):
    name = "articles/source=finews/month=2022-03/articles.parquet"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"mine")

    done = export_partitions(stored.settings, tmp_path)

    assert (tmp_path / name).read_bytes() == b"mine"
    assert (done.exit_code, done.exported.changed) == (3, [name])


def test_failed_export_leaves_the_files_before_and_no_others(stored, tmp_path, monkeypatch):
    export_partitions(stored.settings, tmp_path, source="finews")
    before = files_of(tmp_path)

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.import_export.export_partitions.os.fsync", full)
    with pytest.raises(Exception, match="no space left"):
        export_partitions(stored.settings, tmp_path)

    assert files_of(tmp_path) == before
    assert not list(tmp_path.glob(".copydesk-export-*"))


def test_partition_of_another_format_exits_2(stored, run_cli, tmp_path):
    arguments = ["export", tmp_path, "--partition", "--config", stored.config, "--format"]

    assert run_cli(*arguments, "csv")[0] == 2
    assert run_cli(*arguments, "parquet", "--source", "finew")[0] == 2
    code, out, _ = run_cli(*arguments, "parquet", "--source", "finews")
    assert (code, "written" in out) == (0, True)
