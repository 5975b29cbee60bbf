"""``copydesk export --format parquet``: the tables as other programs read them."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from flows import cli
from flows.import_export.export_tables import TABLES, export_tables
from warehouse import connect, connect_read_only, current_snapshot, publish
from warehouse.errors import WarehouseFull

pytestmark = pytest.mark.e2e


def rows_of(project, table):
    """The rows of a view as the snapshot gives them, in one order."""
    with connect_read_only(current_snapshot(project.settings.warehouse.snapshot).path) as db:
        return db.execute(f"FROM {table} ORDER BY ALL").fetchall()


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_back_every_row_with_its_types(stored, tmp_path, table):
    export_tables(stored.settings, tmp_path / "out")
    file = tmp_path / "out" / f"{table}.parquet"

    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.execute(f"FROM read_parquet('{file}') ORDER BY ALL").fetchall()
        types = db.execute(f"DESCRIBE FROM read_parquet('{file}')").fetchall()
    with connect_read_only(current_snapshot(stored.settings.warehouse.snapshot).path) as db:
        expected = db.execute(f"DESCRIBE {table}").fetchall()

    assert found == rows_of(stored, table)
    assert len(found) > 40
    assert [one[:2] for one in types] == [one[:2] for one in expected]


def test_pyarrow_reads_back_every_row_with_its_types(stored, tmp_path):
    export_tables(stored.settings, tmp_path)
    found = pyarrow.parquet.read_table(tmp_path / "articles.parquet")

    by_id = {row["article_id"]: row for row in found.to_pylist()}
    names = found.column_names
    assert [by_id[row[0]] for row in rows_of(stored, "articles")] == [
        dict(zip(names, row, strict=True)) for row in rows_of(stored, "articles")
    ]
    assert found.schema.field("published_at").type == pa.timestamp("us", tz="UTC")
    assert pa.types.is_list(found.schema.field("categories").type)


def test_same_export_again_changes_nothing_and_a_new_one_replaces(stored, tmp_path):
    first = export_tables(stored.settings, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    again = export_tables(stored.settings, tmp_path)

    assert (first.exported.counts()["written"], again.exported.counts()["identical"]) == (3, 3)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}

    stored.sync("woshipm")
    assert export_tables(stored.settings, tmp_path, check=True).exit_code == 4
    assert export_tables(stored.settings, tmp_path).exported.counts()["updated"] == 3
    assert export_tables(stored.settings, tmp_path, check=True).exit_code == 0


def test_source_and_time_choose_articles_with_their_revisions_and_sightings(stored, tmp_path):
    since = datetime(2022, 3, 14, 12, tzinfo=UTC)
    export_tables(stored.settings, tmp_path, source="finews", since=since)

    with duckdb.connect() as db:
        found = {
            table: db.execute(
                f"SELECT DISTINCT article_id FROM '{tmp_path}/{table}.parquet' ORDER BY 1"
            ).fetchall()
            for table in TABLES
        }
    wanted = stored.rows(
        "SELECT article_id FROM articles WHERE source = 'finews' "
        "AND published_at >= TIMESTAMPTZ '2022-03-14 12:00:00Z' ORDER BY 1"
    )
    assert 0 < len(wanted) < stored.rows("SELECT count(*) FROM articles")[0][0]
    assert list(found.values()) == [wanted] * 3


@pytest.mark.parametrize("other", ["mine", "parquet"])
def test_file_that_copydesk_did_not_write_is_left_alone(stored, tmp_path, other):
    file = tmp_path / "articles.parquet"
    if other == "mine":
        file.write_text("mine")
    else:
        pyarrow.parquet.write_table(pa.table({"a": [1]}), file)
    before = file.read_bytes()

    done = export_tables(stored.settings, tmp_path)

    assert file.read_bytes() == before
    assert (done.exit_code, done.exported.changed) == (3, ["articles.parquet"])
    assert done.exported.counts()["written"] == 2


def test_export_without_room_leaves_the_file_before(stored, tmp_path, monkeypatch):
    export_tables(stored.settings, tmp_path, source="finews")
    before = (tmp_path / "articles.parquet").read_bytes()

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.import_export.export_tables.os.fsync", full)
    with pytest.raises(WarehouseFull, match=r"articles\.parquet: no space left"):
        export_tables(stored.settings, tmp_path)

    assert (tmp_path / "articles.parquet").read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_export_of_an_empty_warehouse_has_columns_and_no_rows(project, tmp_path):
    with connect(project.settings.warehouse.path) as db:
        publish(db, project.settings.warehouse.snapshot)

    export_tables(project.settings, tmp_path)

    assert pyarrow.parquet.read_table(tmp_path / "articles.parquet").num_rows == 0


def test_parquet_as_typed(stored, tmp_path, capfd):
    arguments = [
        "--config",
        str(stored.config),
        "export",
        str(tmp_path / "out"),
        "--format",
        "parquet",
    ]

    assert cli.run(arguments) == 0
    assert "3 written" in capfd.readouterr().out
    assert cli.run([*arguments, "--check"]) == 0
    assert cli.run([*arguments, "--check", "--source", "ofweek"]) == 4
    assert "articles.parquet differs: its rows" in capfd.readouterr().out


def test_rows_are_sorted_and_a_second_export_has_the_same_bytes(stored, tmp_path):
    for folder in ("first", "second"):
        export_tables(stored.settings, tmp_path / folder)

    for table, order in TABLES.items():
        one, other = (tmp_path / name / f"{table}.parquet" for name in ("first", "second"))
        assert one.read_bytes() == other.read_bytes()
        with duckdb.connect() as db:
            keys = db.execute(f"SELECT {order} FROM read_parquet('{one}')").fetchall()
            ordered = db.execute(f"SELECT {order} FROM '{one}' ORDER BY {order}").fetchall()
        assert keys == ordered
        assert len(set(keys)) == len(keys)


def test_empty_selection_replaces_a_full_file_only_when_allowed(stored, tmp_path):
    export_tables(stored.settings, tmp_path)
    before = (tmp_path / "articles.parquet").read_bytes()
    future = datetime(2100, 1, 1, tzinfo=UTC)

    refused = export_tables(stored.settings, tmp_path, since=future)

    assert (tmp_path / "articles.parquet").read_bytes() == before
    assert (refused.exit_code, len(refused.exported.changed), refused.articles) == (3, 3, 0)
    assert "no article is selected: check --source and --since" in refused.message()
    assert "--allow-empty replaces it" in refused.message()

    allowed = export_tables(stored.settings, tmp_path, since=future, allow_empty=True)
    assert (allowed.exit_code, len(allowed.exported.updated)) == (0, 3)
    assert pyarrow.parquet.read_table(tmp_path / "articles.parquet").num_rows == 0
