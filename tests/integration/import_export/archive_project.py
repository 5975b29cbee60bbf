"""A warehouse and an imported archive, shared by the tests of the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows import settings as configuration
from flows.pipeline.stats import RunReport
from flows.serve import run_local
from flows.settings import Settings
from warehouse import connect_read_only

POSTS_IN_ARCHIVE = 330
ALL = (
    "SELECT * FROM articles ORDER BY article_id",
    "SELECT * EXCLUDE run_id FROM revisions ORDER BY article_id, revision",
    "SELECT * FROM sightings ORDER BY ALL",
    "SELECT content_hash, body_key FROM _store.contents ORDER BY content_hash",
    "SELECT post_key, record_key, path, first_seen_at FROM _store.posts ORDER BY post_key",
    "SELECT url, source, article_id, reason, message, attempts, resolved_at IS NULL "
    "FROM _store.quarantine ORDER BY url",
)


def settings_of(warehouse: Path) -> Settings:
    return configuration.load(
        None,
        {
            "COPYDESK_WAREHOUSE__PATH": str(warehouse),
            "COPYDESK_WAREHOUSE__SNAPSHOT": str(warehouse.with_suffix(".read.duckdb")),
        },
    )


def import_folder(warehouse: Path, *paths: Path, source: str | None = None) -> RunReport:
    return run_local.run_import(
        settings_of(warehouse),
        paths,
        source=source,
        notify=lambda _message: None,
        progress=lambda _source, _done, _total: None,
    )


def rows_of(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    with connect_read_only(warehouse) as db:
        return db.execute(sql).fetchall()


def everything(warehouse: Path) -> list[list[tuple[Any, ...]]]:
    return [rows_of(warehouse, sql) for sql in ALL]


def counted(report: RunReport) -> dict[str, int]:
    totals = report.totals()
    names = ("new", "updated", "unchanged", "duplicate", "quarantined", "failed")
    assert totals["discovered"] == sum(totals[name] for name in names)
    return {name: totals[name] for name in names}


def some_posts(tmp_path: Path, *, count: int = 100) -> Path:
    """A site of small posts."""
    (tmp_path / "site").mkdir()
    for at in range(count):
        (tmp_path / "site" / f"{at:03d}.md").write_text(f"---\ntitle: a {at}\n---\nx {at}\n")
    return tmp_path / "site"
