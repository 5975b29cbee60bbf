"""The same schema, upsert and checks on DuckLake, with a DuckDB and a PostgreSQL catalog.

Needs the wheels duckdb-extension-ducklake and duckdb-extension-postgres-scanner (``make
install`` brings them on Linux) and, for the second catalog, Debian's package postgresql.
What is missing is skipped and named; in CI (``CI=true``) nothing may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from duckdb import DuckDBPyConnection

from tests.scale import lakes, postgres
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
    test_keys_repeated_inside_a_batch,
    test_second_upsert,
    test_the_file_of_an_imported_article_is_kept_once_byte_for_byte,
)
from warehouse import UpsertCounts, connect, migrate, transaction
from warehouse.care import erasure
from warehouse.care.compact import merge_sightings
from warehouse.care.integrity import TABLES, verify
from warehouse.location import Lake
from warehouse.records import fetches, quarantine, runs, watermarks
from warehouse.rows import FetchRow

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Where a new lake may be."""
    folder = tmp_path_factory.mktemp("lake")
    catalog = str(folder / "catalog.ducklake")
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        catalog = f"postgres:{postgres.new_database(server, f'news_{uuid4().hex}')}"
    lake = Lake(catalog, str(folder / "data"))
    if lakes.missing(lake):
        postgres.missing("the extra lake (`make scale`)")
    return lake


@pytest.fixture(scope="module")
def opened(place: Lake) -> Iterator[DuckDBPyConnection]:
    with connect(place) as db:
        yield db


@pytest.fixture
def lake(opened: DuckDBPyConnection) -> DuckDBPyConnection:
    """An empty lake; making one takes seconds, emptying it does not."""
    for table in set(TABLES) - {"write_sequence", "migrations"}:
        opened.execute(f"DELETE FROM _store.{table}")
    return opened


@pytest.fixture
def db(lake: DuckDBPyConnection) -> DuckDBPyConnection:
    return lake


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
