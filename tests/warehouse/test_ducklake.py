"""The same schema, upsert and checks on DuckLake, where its extension wheel is installed.

pip install duckdb-extension-ducklake==1.5.5
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.warehouse.made import HOUR, NOON, article, everything, rows_of, upsert
from warehouse import Upserted, connect, migrate, pages, quarantine, runs, transaction, watermarks
from warehouse.rows import PageRow
from warehouse.verify import verify

wheel = pytest.importorskip(
    "duckdb_extension_ducklake", reason="needs the wheel duckdb-extension-ducklake"
)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[DuckDBPyConnection]:
    name = f"extensions/v{duckdb.__version__}/ducklake.duckdb_extension"
    extension = Path(wheel.__file__).parent / name
    if not extension.exists():
        pytest.skip(f"the wheel has no extension for DuckDB {duckdb.__version__}")
    with duckdb.connect(config={"python_enable_replacements": "false"}) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute(f"LOAD '{extension}'")
        db.execute(
            f"ATTACH 'ducklake:{tmp_path}/catalog.ducklake' AS lake (DATA_PATH '{tmp_path}/data')"
        )
        db.execute("USE lake")
        todo = migrate.pending(db, "lake", migrate.migrations())
        migrate.apply(db, todo, is_lake=True)
        yield db


def tell(db: DuckDBPyConnection) -> list[Upserted]:
    return [
        upsert(db, article(), article(2), article(3, "加息")),
        upsert(db, article(1, "降准了", fetched_at=NOON + HOUR)),
        upsert(db, article(1, fetched_at=NOON + 2 * HOUR)),
        upsert(db, article(1, "传降准", fetched_at=NOON - HOUR)),
        upsert(db, article(), article(2)),
    ]


def test_a_lake_and_a_file_tell_the_same(lake: DuckDBPyConnection, path: Path) -> None:
    with connect(path) as db:
        assert tell(lake) == tell(db)
        assert everything(lake) == everything(db)
    assert verify(lake, is_deep=True).problems == ()
    assert migrate.pending(lake, "lake", migrate.migrations()) == ()


def test_the_books_are_kept_in_a_lake_too(lake: DuckDBPyConnection) -> None:
    page = PageRow(source="s", channel="c", url="u", status=200, fetched_at=NOON, etag='"1"')
    with transaction(lake):
        run_id = runs.start_run(lake, flow="sync", sources=["finews"], code_version="0")
        pages.record(lake, [page], run_id=run_id)
        watermarks.advance(lake, "finews", "emnews", at=NOON, value="1", run_id=run_id)
        runs.finish_run(lake, run_id, "finews")

    assert [one.state for one in runs.list_runs(lake)] == ["completed"]
    assert list(pages.validators(lake, ["u"])) == ["u"]
    assert quarantine.open_failures(lake) == []
    assert rows_of(lake, "SELECT comment FROM duckdb_views() WHERE view_name = 'articles'") == [
        ("One row per article: its current revision",)
    ]
