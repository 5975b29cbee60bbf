"""Export tables as typed Parquet files: ``copydesk export DIR --format parquet``.

One sorted file for each of articles, revisions and sightings; equal rows give equal bytes. DuckDB writes them directly from the
snapshot, so that memory does not grow with the corpus. A file appears when it is complete.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.import_export.export_posts import (
    NOT_EMPTIED,
    NOT_OURS,
    ExportReport,
    count_selected,
    in_utc,
    no_folder,
)
from flows.import_export.write_files import ExportResult
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from warehouse import connect_read_only
from warehouse.duckdb_errors import translate_errors
from warehouse.quote import literal

# The order of the rows of each table. Its columns make a key, so that equal rows give equal bytes.
TABLES = {
    "articles": "source, published_at, article_id",
    "revisions": "source, article_id, revision",
    "sightings": "source, article_id, content_hash",
}
MARK = "copydesk"

# Which articles; revisions and sightings are those of the chosen articles.
_CHOSEN = """
    CREATE TEMP TABLE chosen AS
    SELECT article_id FROM articles
    WHERE ($source IS NULL OR source = $source)
      AND ($since IS NULL OR published_at >= $since)
"""
# Number of rows and a sum over all values, independent of their order.
_SUM = "SELECT count(*), CAST(sum(hash(t)) AS VARCHAR) FROM ({}) t"


def export_tables(
    settings: Settings,
    directory: Path,
    *,
    source: str | None = None,
    since: datetime | None = None,
    check: bool = False,
    allow_empty: bool = False,
) -> ExportReport:
    """Write the tables, or with ``check`` compare the files in the folder row by row.

    Args:
        settings: Configuration of the warehouse.
        directory: Folder of ``articles.parquet``, ``revisions.parquet`` and
            ``sightings.parquet``.
        source: Only articles of this source.
        since: Only articles published then or later; without zone it is UTC.
        check: Compare, write nothing.
        allow_empty: Replace files with rows although no article is selected.

    Raises:
        WarehouseError: There is no snapshot yet, or there is no room.
        ConfigurationError: A check of a folder that does not exist, or an unknown source.
    """
    if check and not directory.exists():
        raise no_folder(directory)
    since = in_utc(since)
    exported = ExportResult()
    with connect_read_only(current_snapshot(settings).path) as db:
        count = count_selected(db, settings, source=source, since=since)
        is_all = source is None and since is None
        if not is_all:
            db.execute(_CHOSEN, {"source": source, "since": since})
        for table in TABLES:
            rows = f"FROM {table}" + ("" if is_all else " SEMI JOIN chosen USING (article_id)")
            with translate_errors(directory / f"{table}.parquet"):
                file = directory / f"{table}.parquet"
                _one(db, rows, file, exported, may_replace=bool(count) or allow_empty, check=check)
    return ExportReport(articles=count, exported=exported, directory=directory, is_check=check)


def _one(
    db: DuckDBPyConnection,
    rows: str,
    file: Path,
    exported: ExportResult,
    *,
    may_replace: bool,
    check: bool,
) -> None:
    if not file.exists():
        if check:
            exported.missing.append(file.name)
        else:
            _write(db, rows, file)
            exported.written.append(file.name)
    elif not is_ours(db, file):
        exported.changed.append(file.name)
        exported.differences[file.name] = NOT_OURS
    elif _sum(db, rows) == _sum(db, f"FROM read_parquet({literal(file)})"):
        exported.identical.append(file.name)
    elif check:
        exported.changed.append(file.name)
        exported.differences[file.name] = "its rows differ from the snapshot"
    elif not may_replace:
        exported.changed.append(file.name)
        exported.differences[file.name] = NOT_EMPTIED
    else:
        _write(db, rows, file)
        exported.updated.append(file.name)


def _write(db: DuckDBPyConnection, rows: str, file: Path) -> None:
    """Write a temporary file, then rename it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    try:
        db.execute(
            f"COPY ({rows} ORDER BY {TABLES[file.stem]}) TO {literal(part)} "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{MARK}: '{file.stem}'}})"
        )
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def is_ours(db: DuckDBPyConnection, file: Path) -> bool:
    """Whether copydesk wrote a Parquet file, by its metadata."""
    with file.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return False
    found = db.execute(
        f"SELECT count(*) FROM parquet_kv_metadata({literal(file)}) "  # noqa: S608
        f"WHERE decode(key) = '{MARK}' AND decode(value) = '{file.stem}'"
    ).fetchall()
    return bool(found[0][0])


def _sum(db: DuckDBPyConnection, rows: str) -> tuple[int, str]:
    count, total = db.execute(_SUM.format(rows)).fetchall()[0]
    return int(count), str(total)
