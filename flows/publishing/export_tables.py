"""Export tables as typed Parquet files: ``copydesk export DIR --format parquet``.

One file for each of articles, revisions and sightings. DuckDB writes them directly from the
snapshot, so that memory does not grow with the corpus. A file appears when it is complete.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.publishing.export_posts import NOT_OURS, ExportReport, count_selected, in_utc, no_folder
from flows.publishing.write_files import ExportResult
from flows.settings import Settings
from warehouse import connect_read_only, current_snapshot
from warehouse.duckdb_errors import translate_errors

TABLES = ("articles", "revisions", "sightings")
_MARK = "copydesk"

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
) -> ExportReport:
    """Write the tables, or with ``check`` compare the files in the folder row by row.

    Args:
        settings: Configuration of the warehouse.
        directory: Folder of ``articles.parquet``, ``revisions.parquet`` and
            ``sightings.parquet``.
        source: Only articles of this source.
        since: Only articles published then or later; without zone it is UTC.
        check: Compare, write nothing.

    Raises:
        WarehouseError: There is no snapshot yet, or there is no room.
        ConfigurationError: A check of a folder that does not exist, or an unknown source.
    """
    if check and not directory.exists():
        raise no_folder(directory)
    since = in_utc(since)
    snapshot = current_snapshot(settings.warehouse.snapshot, of=settings.warehouse.path)
    exported = ExportResult()
    with connect_read_only(snapshot.path) as db:
        count = count_selected(db, settings, source=source, since=since)
        is_all = source is None and since is None
        if not is_all:
            db.execute(_CHOSEN, {"source": source, "since": since})
        for table in TABLES:
            rows = f"FROM {table}" + ("" if is_all else " SEMI JOIN chosen USING (article_id)")
            with translate_errors(directory / f"{table}.parquet"):
                _one(db, rows, directory / f"{table}.parquet", exported, check=check)
    return ExportReport(articles=count, exported=exported, directory=directory, is_check=check)


def _one(
    db: DuckDBPyConnection, rows: str, file: Path, exported: ExportResult, *, check: bool
) -> None:
    if not file.exists():
        if check:
            exported.missing.append(file.name)
        else:
            _write(db, rows, file)
            exported.written.append(file.name)
    elif not _is_ours(db, file):
        exported.changed.append(file.name)
        exported.differences[file.name] = NOT_OURS
    elif _sum(db, rows) == _sum(db, f"FROM read_parquet({_quoted(file)})"):
        exported.identical.append(file.name)
    elif check:
        exported.changed.append(file.name)
        exported.differences[file.name] = "its rows differ from the snapshot"
    else:
        _write(db, rows, file)
        exported.updated.append(file.name)


def _write(db: DuckDBPyConnection, rows: str, file: Path) -> None:
    """Write a temporary file, then rename it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    try:
        db.execute(
            f"COPY ({rows}) TO {_quoted(part)} "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{_MARK}: '{file.stem}'}})"
        )
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _is_ours(db: DuckDBPyConnection, file: Path) -> bool:
    """Whether copydesk wrote a Parquet file, by its metadata."""
    with file.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return False
    found = db.execute(
        f"SELECT count(*) FROM parquet_kv_metadata({_quoted(file)}) "  # noqa: S608
        f"WHERE decode(key) = '{_MARK}' AND decode(value) = '{file.stem}'"
    ).fetchall()
    return bool(found[0][0])


def _sum(db: DuckDBPyConnection, rows: str) -> tuple[int, str]:
    count, total = db.execute(_SUM.format(rows)).fetchall()[0]
    return int(count), str(total)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
