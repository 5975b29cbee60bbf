"""Export tables as Parquet files by source and month: ``export DIR --format parquet --partition``.

A file is ``TABLE/source=SOURCE/month=YYYY-MM/TABLE.parquet``, which DuckDB, pyarrow and Spark read as
one table. Revisions and sightings are beside their article. Equal rows give equal bytes, so that only
files with changes are replaced.
"""

from __future__ import annotations

import filecmp
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
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
from flows.import_export.export_tables import MARK, TABLES, is_ours
from flows.import_export.write_files import ExportResult
from flows.pipeline.snapshot import current_snapshot
from flows.settings import Settings
from warehouse import connect_read_only
from warehouse.duckdb_errors import translate_errors
from warehouse.quote import literal

NO_MONTH = "unknown"

# The month of publication, UTC; of an article with a day alone, the month of that day.
_CHOSEN = f"""
    CREATE TEMP TABLE chosen AS
    SELECT article_id, month FROM (
        SELECT article_id, source, coalesce(
            strftime(published_at AT TIME ZONE 'UTC', '%Y-%m'), strftime(published_on, '%Y-%m'),
            '{NO_MONTH}') AS month
        FROM articles
    )
    WHERE ($source IS NULL OR source = $source)
      AND ($first IS NULL OR (month >= $first AND month <> '{NO_MONTH}'))
"""  # noqa: S608


def export_partitions(
    settings: Settings,
    directory: Path,
    *,
    source: str | None = None,
    since: datetime | None = None,
    check: bool = False,
    allow_empty: bool = False,
) -> ExportReport:
    """Write the tables by source and month, or with ``check`` compare the files.

    A file whose articles left the snapshot is removed, if copydesk wrote it.

    Args:
        settings: Configuration of the warehouse.
        directory: Folder of ``articles``, ``revisions`` and ``sightings``.
        source: Only articles of this source.
        since: Only whole months, from the one of this time on; without zone it is UTC.
        check: Compare, write nothing.
        allow_empty: Remove files although no article is selected.

    Raises:
        WarehouseError: There is no snapshot yet, or there is no room.
        ConfigurationError: A check of a folder that does not exist, or an unknown source.
    """
    if check and not directory.exists():
        raise no_folder(directory)
    since = in_utc(since)
    first = f"{since.astimezone(UTC):%Y-%m}" if since else None
    exported = ExportResult()
    with connect_read_only(current_snapshot(settings).path) as db:
        count_selected(db, settings, source=source, since=None)  # refuses an unknown source
        db.execute(_CHOSEN, {"source": source, "first": first})
        ((count,),) = db.execute("SELECT count(*) FROM chosen").fetchall()
        db.execute("SET threads = 1")  # several threads write several files for a month
        for table in TABLES:
            with translate_errors(directory / table), _scratch(directory, check=check) as scratch:
                made = _write(db, table, Path(scratch))
                old = set(_existing(directory, table, source=source, first=first))
                for name in sorted(made.keys() | old):
                    _one(
                        db, made.get(name), directory / name, name, exported,
                        may_remove=bool(count) or allow_empty, check=check,
                    )  # fmt: skip
    return ExportReport(articles=count, exported=exported, directory=directory, is_check=check)


def _scratch(directory: Path, *, check: bool) -> tempfile.TemporaryDirectory[str]:
    """A folder for new files; in the same file system, so that they can be renamed."""
    if check:
        return tempfile.TemporaryDirectory()
    directory.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=directory, prefix=".copydesk-export-")


def _write(db: DuckDBPyConnection, table: str, scratch: Path) -> dict[str, Path]:
    """Write the files of a table below a folder; return them by their final path."""
    out = scratch / table
    db.execute(
        f"COPY (SELECT t.*, c.month FROM {table} t JOIN chosen c USING (article_id) "  # noqa: S608
        f"ORDER BY t.source, c.month, {_order(table)}) TO {literal(out)} "
        "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (source, month), "
        f"WRITE_PARTITION_COLUMNS true, KV_METADATA {{{MARK}: '{table}'}})"
    )
    made = {}
    for file in out.rglob("*.parquet"):
        name = file.parent.relative_to(scratch).as_posix() + f"/{table}.parquet"
        assert name not in made, "one thread writes one file for a month"  # noqa: S101
        made[name] = file
    return made


def _order(table: str) -> str:
    return ", ".join(f"t.{name.strip()}" for name in TABLES[table].split(","))


def _existing(
    directory: Path, table: str, *, source: str | None, first: str | None
) -> Iterator[str]:
    """The files of an earlier export that this one would write, by path below ``directory``."""
    for file in directory.glob(f"{table}/source=*/month=*/{table}.parquet"):
        month = file.parent.name.removeprefix("month=")
        is_recent = first is None or (month != NO_MONTH and month >= first)
        if is_recent and source in (None, file.parent.parent.name.removeprefix("source=")):
            yield file.relative_to(directory).as_posix()


def _one(
    db: DuckDBPyConnection,
    made: Path | None,
    file: Path,
    name: str,
    exported: ExportResult,
    *,
    may_remove: bool,
    check: bool,
) -> None:
    """Put a new file in its place, or compare it; without a new file remove the old one."""
    if not file.exists():
        if check:
            exported.missing.append(name)
        elif made:
            _replace(made, file)
            exported.written.append(name)
    elif made and filecmp.cmp(made, file, shallow=False):
        exported.identical.append(name)
    elif reason := _reason_to_keep(db, made, file, may_remove=may_remove, check=check):
        exported.changed.append(name)
        exported.differences[name] = reason
    elif made:
        _replace(made, file)
        exported.updated.append(name)
    else:
        file.unlink()
        exported.removed.append(name)


def _reason_to_keep(
    db: DuckDBPyConnection, made: Path | None, file: Path, *, may_remove: bool, check: bool
) -> str:
    if not is_ours(db, file):
        return NOT_OURS
    if check:
        return "its rows differ from the snapshot"
    return "" if made or may_remove else NOT_EMPTIED


def _replace(made: Path, file: Path) -> None:
    with made.open("rb") as written:
        os.fsync(written.fileno())
    file.parent.mkdir(parents=True, exist_ok=True)
    made.replace(file)
