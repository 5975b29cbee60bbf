"""The tasks of maintenance: plain functions that return a summary of what they did.

Each can be killed at any moment; the next maintenance does the rest. Those that work on many
files check ``is_stopping`` before each.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.admin.join_archive import finish_joins
from flows.archive import ArchiveError, BucketStore, open_store
from flows.archive.files import archive_files
from flows.archive.scan import scan_records
from flows.errors import ConfigurationError, Interrupted, RunFailed
from flows.pipeline.restore import require_warehouse
from flows.settings import Settings
from flows.text import pluralize
from warehouse import db
from warehouse.care import compact, retention, snapshot
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseLost, WarehouseMissing
from warehouse.lake.compact_files import compact_files
from warehouse.location import Lake
from warehouse.records import backfill_chunks, health

EXPECTED_ERRORS = (WarehouseError, ArchiveError, ConfigurationError, RunFailed, OSError)
"""Errors of one task that do not stop the others."""

IsStopping = Callable[[], bool]

_LEFTOVER_SECONDS = 3600.0
_SAVE_SECONDS = 5.0
_KEPT_HEALTH_DAYS = 800
_MIN_COMPACT_BYTES = 64 * 1024 * 1024
_MIN_UNUSED_SHARE = 0.3
# Every search reads some row groups of each run; a segment holds about 30,000 articles.
_MOST_RUNS = 8
_COMPACT_WAIT_SECONDS = 60.0
# Other processes look for a free warehouse every 0.05 seconds.
_PAUSE_SECONDS = 0.1
_NO_WAREHOUSE = "there is no warehouse yet"


def clean_snapshots(settings: Settings) -> str:
    """Publish a new snapshot, delete old ones and the files of killed processes."""
    warehouse = settings.warehouse
    if not _has_warehouse(settings):
        return _NO_WAREHOUSE
    before = set(_snapshots(warehouse.snapshot))
    with db.connect(warehouse.location, wait_seconds=warehouse.lock_timeout_seconds) as store:
        snapshot.publish(store, warehouse.snapshot)
    deleted = len(before - set(_snapshots(warehouse.snapshot)))
    folder = warehouse.folder
    leftovers = folder.glob(f"{warehouse.path.name}.compacting*")
    removed = sum(_delete_if_older(file, _LEFTOVER_SECONDS) for file in leftovers)
    removed += sum(_delete_if_older(file, 30 * 86_400) for file in folder.glob("backfills/*.urls"))
    return f"{deleted} old snapshots and {removed} leftovers deleted"


def _has_warehouse(settings: Settings) -> bool:
    """Return whether there is a warehouse; raise if only its other files are there."""
    try:
        require_warehouse(settings)
    except WarehouseLost:
        raise
    except WarehouseMissing:
        return False
    return True


def _snapshots(link: Path) -> list[Path]:
    return list(link.parent.glob(f"{link.name}.*Z"))


def _delete_if_older(file: Path, seconds: float) -> bool:
    with suppress(OSError):
        if time.time() - file.stat().st_mtime > seconds:
            file.unlink()
            return True
    return False


def compact_if_worth(
    settings: Settings,
    *,
    fetch_retention_days: int | None,
    is_stopping: IsStopping = lambda: False,
) -> str:
    """Compact the warehouse if much of it is unused, or if old fetches are to be deleted.

    Merge the files of a lake in any case.

    Otherwise complete the search index and the comparison of texts, in parts.

    Raises:
        Interrupted: ``is_stopping`` was true between two parts.
    """
    path = settings.warehouse.location
    if not _has_warehouse(settings):
        return _NO_WAREHOUSE
    if isinstance(path, Lake):
        return _compact_files(settings, path, fetch_retention_days, is_stopping)
    size = path.stat().st_size
    with db.connect(path, wait_seconds=settings.warehouse.lock_timeout_seconds) as store:
        share = _unused_share(store)
    is_worth = size >= _MIN_COMPACT_BYTES and share >= _MIN_UNUSED_SHARE
    if fetch_retention_days is None and not is_worth:
        _complete(settings, is_stopping)
        return f"{_megabytes(size)}, {share:.0%} of it unused: not compacted"
    try:
        done = compact.compact(
            path, fetches_before=_before(fetch_retention_days), wait_seconds=_COMPACT_WAIT_SECONDS
        )
    except WarehouseBusy as error:
        return f"in use, not compacted: {error}"
    return (
        f"{_megabytes(done.bytes_before)} became {_megabytes(done.bytes_after)}; "
        f"{done.sightings_before} sightings became {done.sightings_after}, "
        f"{done.fetches_removed} fetches deleted"
    )


def _before(days: int | None) -> datetime | None:
    return datetime.now(UTC) - timedelta(days=days) if days else None


def _compact_files(
    settings: Settings, lake: Lake, fetch_retention_days: int | None, is_stopping: IsStopping
) -> str:
    """Merge the files of a lake, expire its old versions, delete what nothing needs."""
    retention = timedelta(hours=settings.retention.versions_hours)
    wait_seconds = settings.warehouse.lock_timeout_seconds
    if before := _before(fetch_retention_days):
        done = compact.compact(
            lake, fetches_before=before, retention=retention, wait_seconds=wait_seconds
        )
        removed = pluralize(done.fetches_removed, "fetch", "fetches")
        return f"{done.lake.message() if done.lake else ''}; {removed} deleted"
    _complete(settings, is_stopping)
    return compact_files(lake, retention=retention, wait_seconds=wait_seconds).message()


def _complete(settings: Settings, is_stopping: IsStopping) -> None:
    """Complete what searches and comparisons need; other processes get turns between parts."""
    has_more = True
    while has_more:
        with db.connect(
            settings.warehouse.location, wait_seconds=settings.warehouse.lock_timeout_seconds
        ) as store:
            has_more = compact.complete_part(store, most_runs=_MOST_RUNS)
        if has_more:
            if is_stopping():
                raise Interrupted("stopped between two parts of the search index")
            time.sleep(_PAUSE_SECONDS)


def _unused_share(store: Any) -> float:
    store.execute("CHECKPOINT")
    total, free = store.execute(
        "SELECT total_blocks, free_blocks FROM pragma_database_size() "
        "WHERE database_name = current_database()"
    ).fetchall()[0]
    return float(free / total) if total else 0.0


def delete_old_checkpoints(settings: Settings, *, days: int) -> str:
    """Delete the chunks of backfills that ended long ago, and the days beyond the past of health."""
    warehouse = settings.warehouse
    if not _has_warehouse(settings):
        return _NO_WAREHOUSE
    seconds = warehouse.lock_timeout_seconds
    with (
        db.connect(warehouse.location, wait_seconds=seconds) as store,
        db.transaction(store, wait_seconds=seconds),
    ):
        before = datetime.now(UTC) - timedelta(days=days)
        count = backfill_chunks.delete_old_plans(store, before=before)
        oldest = datetime.now(UTC).date() - timedelta(days=_KEPT_HEALTH_DAYS)
        rows = health.delete_old_days(store, before=oldest)
    text = f"{count} chunks of backfills older than {days} days deleted"
    return f"{text}; {rows} old days of channels deleted" if rows else text


def delete_old_rows(settings: Settings) -> str:
    """Delete fetches without a page and runs that are older than their retention."""
    warehouse, days = settings.warehouse, settings.retention
    if not _has_warehouse(settings):
        return _NO_WAREHOUSE
    seconds, now = warehouse.lock_timeout_seconds, datetime.now(UTC)
    with (
        db.connect(warehouse.location, wait_seconds=seconds) as store,
        db.transaction(store, wait_seconds=seconds),
    ):
        before = now - timedelta(days=days.fetches_days)
        fetch_count = retention.delete_old_fetches(store, before=before)
        before = now - timedelta(days=days.runs_days)
        run_count = retention.delete_old_runs(store, before=before)
    fetches = pluralize(fetch_count, "fetch without a page", "fetches without a page")
    return f"{fetches} and {pluralize(run_count, 'row')} of runs deleted"


def verify_archive(settings: Settings, *, is_stopping: IsStopping) -> str:
    """Read the archive files that changed since they were last verified.

    Raises:
        ArchiveError: A file is damaged; the message names it and what to do.
        Interrupted: ``is_stopping`` was true; verified files are not read again.
    """
    folder, archive = settings.archive.path, open_store(settings.archive)
    # No process writes a file for so long; writers begin a new one every day.
    names = [one for one in archive.names() if archive.modified_at(one) < time.time() - 60]
    known = set(names)
    verified = {name: state for name, state in _load(folder).items() if name in known}
    changed = [name for name in names if verified.get(name) != archive.state(name)]
    if not changed:
        return f"{pluralize(len(names), 'closed file')}, all verified before"
    records, read, damaged = 0, 0, []
    save_at = time.monotonic() + _SAVE_SECONDS
    try:
        for name in changed:
            if is_stopping():
                raise Interrupted(f"{read} of {pluralize(len(changed), 'file')} verified")
            state = archive.state(name)
            wrong = []
            for record in scan_records(archive, name):
                records += 1
                if record.wrong:
                    wrong.append(f"{archive.place(name)} at offset {record.offset}: {record.wrong}")
            damaged += wrong
            read += 1
            if not wrong:
                verified[name] = state
            if time.monotonic() > save_at:
                _save(folder, verified)
                save_at = time.monotonic() + _SAVE_SECONDS
    finally:
        _save(folder, verified)
    if damaged:
        raise ArchiveError(
            f"{pluralize(len(damaged), 'damaged record')} ({'; '.join(damaged[:3])}): restore the "
            "file from a backup; `copydesk doctor --verify` lists all"
        )
    return (
        f"{pluralize(records, 'record')} in {pluralize(len(changed), 'file')} verified, "
        f"{len(names) - len(changed)} before"
    )


def upload_archive(settings: Settings, *, is_stopping: IsStopping) -> str:
    """Upload the archive files that wait in the spool folder.

    Raises:
        ArchiveError: The bucket cannot be used; the files wait.
        Interrupted: ``is_stopping`` was true between two files.
    """
    archive = open_store(settings.archive)
    if not isinstance(archive, BucketStore):
        return "the archive has no bucket"
    finish_joins(settings)
    files, size = archive.upload_closed(is_stopping=is_stopping)
    summary = f"{pluralize(files, 'file')} ({_megabytes(size)}) uploaded to {archive}"
    if is_stopping():
        raise Interrupted(summary)
    return summary


def _load(folder: Path) -> dict[str, list[int | str]]:
    with suppress(OSError, ValueError):
        found = json.loads((folder / "verified.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _save(folder: Path, verified: dict[str, list[int | str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "verified.json.part"
    part.write_text(json.dumps(verified, indent=1), encoding="utf-8")
    part.replace(folder / "verified.json")


def move_archive(settings: Settings, target: Path, *, days: int, is_stopping: IsStopping) -> str:
    """Move old archive files to a folder and leave links, so that they stay readable.

    Raises:
        Interrupted: ``is_stopping`` was true between two files.
    """
    target.mkdir(parents=True, exist_ok=True)
    before = time.time() - days * 86_400
    moved = 0
    for name in archive_files(settings.archive.path):
        file = settings.archive.path / name
        if not file.is_symlink() and file.stat().st_mtime < before:
            if is_stopping():
                raise Interrupted(_moved(moved, days, target))
            _move(file, target / file.name)
            moved += 1
    return _moved(moved, days, target)


def _moved(count: int, days: int, target: Path) -> str:
    return f"{pluralize(count, 'file')} older than {pluralize(days, 'day')} moved to {target}"


def _move(file: Path, to: Path) -> None:
    """Copy a file, then replace it by a link in one step."""
    part = to.with_name(to.name + ".part")
    shutil.copy2(file, part)
    with part.open("rb") as copied:
        os.fsync(copied.fileno())
    if part.stat().st_size != file.stat().st_size:
        raise OSError(f"{part} is not as long as {file}; the file was not moved")
    part.replace(to)
    link = file.with_name(file.name + ".link")
    link.unlink(missing_ok=True)
    link.symlink_to(to.resolve())
    link.replace(file)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
