from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from tests.unit.warehouse.factories import NOON, article, rows_of, upsert
from warehouse import ArticleRow, Counters, connect, connect_read_only, migrate
from warehouse.care.integrity import TABLES
from warehouse.errors import (
    MigrationChanged,
    WarehouseMissing,
    WarehouseTooNew,
)
from warehouse.migrate import Migration, migrations
from warehouse.rows import ARTICLE_COLUMNS

# The documented columns, and the keys of the article JSON.
VIEWS = {
    "articles": (*ARTICLE_COLUMNS, "first_seen_at", "last_seen_at", "revision_count", "duplicate_count", "state"),
    "revisions": ("article_id", "content_hash", "valid_from", "valid_to"),
    "sightings": ("article_id", "content_hash", "source", "channels", "url", "first_seen_at", "last_seen_at"),
    "fetches": ("url", "final_url", "status", "attempt_count", "seconds", "bytes", "etag", "last_modified", "fetched_at", "archive_file", "archive_offset", "error"),
    "runs": ("run_id", "source", "started_at", "ended_at", "state", "messages", "code_version", "parser_version", *(one.name for one in fields(Counters))),
    "quarantine": ("reason", "expected", "found", "page", "listing_entry", "attempts", "alerted_at", "resolved_at"),
    "gaps": ("source", "channel", "from_at", "to_at", "detected_by", "detected_at", "closed_by"),
    "sources": ("source", "last_success_at", "last_new_article_at", "article_count", "open_quarantine_count", "open_gap_count", "health", "learning", "health_at", "normal_silence_hours", "new_articles_7_days", "normal_articles_7_days", "field_coverage", "open_finding_count"),
    "syndication": ("article_id", "other_article_id", "source", "other_source", "kind", "jaccard", "containment", "title", "other_title", "publisher", "other_publisher", "published_at", "other_published_at", "published_first", "first_seen_at", "other_first_seen_at", "seen_first", "declared_origin", "declared_by", "origin_article_id"),
    "search_index": ("content_count", "indexed_count"),
    "health_findings": ("finding_id", "source", "channel", "kind", "field", "expected", "found", "since", "opened_at", "run_id", "closed_at", "closed_by"),
    "channel_days": ("source", "channel", "day", "run_count", "read_count", "new_count", "parsed_count", "failed_count", "fields"),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_promised_columns(db: DuckDBPyConnection, view: str) -> None:
    found = [name for name, *_ in rows_of(db, f"DESCRIBE {view}")]

    if view == "articles":
        assert tuple(found) == VIEWS[view]
    else:
        assert set(VIEWS[view]) <= set(found)


def test_every_view_and_every_column_is_explained(db: DuckDBPyConnection) -> None:
    views = rows_of(db, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    columns = rows_of(
        db,
        "SELECT table_name || '.' || column_name FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name = 'main' AND comment IS NULL",
    )

    assert {name for name, _ in views} == set(VIEWS)
    assert all(comment for _, comment in views)
    assert columns == []


def test_the_leading_columns_of_articles_are_the_fields_of_a_row() -> None:
    names = [one.name for one in fields(ArticleRow)]

    assert [*ARTICLE_COLUMNS, "channel", "fetched_at", "post", "other_ids"] == names


def test_verify_knows_every_table(db: DuckDBPyConnection) -> None:
    found = rows_of(db, "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_store'")

    assert sorted(name for (name,) in found) == sorted(TABLES)


@pytest.mark.parametrize("one", migrations(), ids=lambda one: one.name)
def test_migrations_use_only_what_runs_on_ducklake(one: Migration) -> None:
    sql = re.sub(r"--.*", "", one.sql).upper()

    for word in ("PRIMARY KEY", "UNIQUE", "ON CONFLICT", "CREATE INDEX", "CREATE SEQUENCE", "NEXTVAL", "ENUM",
                 "CHECK (", "CHECK(", "RETURNING", "HUGEINT", "GENERATED"):  # fmt: skip
        assert word not in sql


def next_migration(name: str, sql: str) -> Migration:
    return Migration(version=migrations()[-1].version + 1, name=name, sql=sql, checksum=name)


# --- the ledger ----------------------------------------------------------------------------


def test_the_ledger_names_every_migration_with_its_checksum(path: Path) -> None:
    with connect(path) as db:
        found = rows_of(db, "SELECT version, name, checksum FROM _store.migrations ORDER BY 1")

    assert found == [(one.version, one.name, one.checksum) for one in migrations()]


def test_a_file_is_made_with_the_storage_version_that_both_duckdbs_read(new_path: Path) -> None:
    with connect(new_path) as db:
        tags = rows_of(
            db, "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
        )

    assert tags == [({"storage_version": "v1.5.0+"},)]


def test_a_warehouse_of_a_newer_copydesk_is_refused(path: Path) -> None:
    with connect(path) as db:
        db.execute("INSERT INTO _store.migrations VALUES (99, 'later', 'x', now())")

    with pytest.raises(WarehouseTooNew, match=r"project\.duckdb"):
        connect(path).__enter__()


def test_a_changed_migration_is_refused(path: Path) -> None:
    with connect(path) as db:
        db.execute("UPDATE _store.migrations SET checksum = 'other' WHERE version = 6")

    with pytest.raises(MigrationChanged, match=r"migration 6 \(tables\).*other"):
        connect(path).__enter__()


def test_an_older_warehouse_is_copied_and_then_migrated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        upsert(db, article())
    known = migrations()
    added = next_migration("note", "ALTER TABLE _store.gaps ADD COLUMN note VARCHAR")
    monkeypatch.setattr(migrate, "migrations", lambda: (*known, added))

    with connect(path) as db:
        assert rows_of(db, "SELECT note FROM _store.gaps") == []
        assert rows_of(db, "SELECT count(*) FROM articles") == [(1,)]

    copy = path.with_name(f"{path.name}.before-{added.version:04}")
    with duckdb.connect(str(copy), read_only=True) as old:
        assert rows_of(old, "SELECT count(*) FROM articles") == [(1,)]
        assert rows_of(old, "SELECT max(version) FROM _store.migrations") == [(known[-1].version,)]


def test_a_migration_that_fails_leaves_the_warehouse_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path) as db:
        upsert(db, article())
    known = migrations()
    broken = next_migration(
        "broken", "ALTER TABLE _store.gaps ADD COLUMN note VARCHAR; SELECT nothing"
    )
    monkeypatch.setattr(migrate, "migrations", lambda: (*known, broken))
    with pytest.raises(Exception, match="nothing"):
        connect(path).__enter__()
    monkeypatch.undo()

    with connect(path) as db:
        assert "note" not in [name for name, *_ in rows_of(db, "DESCRIBE _store.gaps")]
        assert rows_of(db, "SELECT count(*) FROM articles") == [(1,)]


def test_migrations_with_a_hole_are_a_broken_installation(tmp_path: Path) -> None:
    (tmp_path / "0006_one.sql").write_text("SELECT 1")
    (tmp_path / "0008_three.sql").write_text("SELECT 1")

    with pytest.raises(MigrationChanged):
        migrations(tmp_path)


def test_foreign_file_is_refused(new_path: Path) -> None:
    with duckdb.connect(str(new_path)) as other:
        other.execute("CREATE TABLE customers (n INTEGER)")

    with pytest.raises(WarehouseMissing, match=r"other tables \(customers\)"):
        connect(new_path).__enter__()


def test_a_file_that_is_no_database_is_refused(new_path: Path) -> None:
    new_path.write_text("notes\n" * 5000)

    with pytest.raises(WarehouseMissing, match="not a DuckDB file"):
        connect(new_path).__enter__()
    assert new_path.read_text().startswith("notes")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "a folder, expected a file"),
        (lambda path: path.write_bytes(b""), "not a DuckDB file"),
        (lambda path: path.write_bytes(bytes(30_000)), "not a DuckDB file"),
        (lambda path: sqlite(path), "a file of SQLite"),
    ],
    ids=["folder", "empty", "zeros", "sqlite"],
)
@pytest.mark.parametrize("opens", [connect, connect_read_only])
def test_a_file_that_is_no_warehouse_is_refused_and_left_unchanged(
    new_path: Path, make: Callable[[Path], object], problem: str, opens: Callable[[Path], Any]
) -> None:
    make(new_path)
    before = new_path.is_dir() or new_path.read_bytes()

    with pytest.raises(WarehouseMissing, match=rf"project\.duckdb: {problem}.*\[warehouse\] path"):
        opens(new_path).__enter__()
    assert (new_path.is_dir() or new_path.read_bytes()) == before


def sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE customers (n INTEGER)")
        other.commit()


@pytest.mark.parametrize("name", ["main.duckdb", "_store.duckdb", "_STORE.db", "articles.db", "copydesk.x.y", "桌 'n\".duckdb"])  # fmt: skip
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    with connect(tmp_path / name) as db:
        upsert(db, article())
    with connect(tmp_path / name) as db:
        assert rows_of(db, "SELECT first_seen_at FROM articles") == [(NOON,)]
