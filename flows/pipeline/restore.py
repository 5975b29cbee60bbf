"""A warehouse that is missing or damaged: what is left of it, and how to restore it."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.archive import ArchiveError, open_store
from flows.archive.files import archive_files
from flows.errors import ConfigurationError
from flows.settings import ArchiveSettings, Settings
from flows.warehouse_settings import WarehouseSettings
from warehouse import connect, connect_read_only, migrate
from warehouse.care.snapshot import list_snapshots
from warehouse.duckdb_errors import missing_error
from warehouse.errors import WarehouseError, WarehouseLost
from warehouse.file_size import missing_bytes
from warehouse.lake.version import exists
from warehouse.location import Lake, Location


def restore_steps(settings: Settings) -> str:
    """Return how to restore the warehouse; empty if there is nothing left of an earlier one."""
    warehouse, archive = settings.warehouse, settings.archive
    new = "`--new-warehouse` (sync, import, backfill) starts an empty one and keeps all files"
    if isinstance(warehouse.location, Lake):
        step = "To restore it: load the backup of its catalog (SCALE.md, Backup)"
        return f"{step}. {new}" if _has_files(archive) else ""
    snapshots = _snapshot_files(warehouse.snapshot)
    if not snapshots and not _has_files(archive):
        return ""
    found = _sound_snapshot(warehouse.snapshot)
    old = shlex.join(map(str, _warehouse_files(warehouse.path)))
    aside = shlex.quote(str(warehouse.folder / "before-restore"))
    steps = [f"`mkdir -p {aside} && mv {old} {aside}`"] if old else []
    if found:
        steps.append(f"`{shlex.join(['install', '-m', '644', str(found), str(warehouse.path)])}`")
    else:
        steps.append("copy a backup there (RUNBOOK, Restore)")
    return f"To restore it: {', then '.join(steps)}. {new}"


def require_warehouse(settings: Settings) -> None:
    """Check that there is a warehouse.

    Raises:
        WarehouseMissing: There is none.
        WarehouseLost: There is none, but files of an earlier one are there.
        WarehouseUnreachable: The server of a lake's catalog does not answer.
    """
    path = settings.warehouse.location
    if exists(path):
        return
    if steps := restore_steps(settings):
        raise WarehouseLost(f"{path}: the warehouse is missing, but files of it are there. {steps}")
    raise missing_error(path)


def start_new_warehouse(settings: Settings) -> Path | None:
    """Start an empty warehouse; return the folder that earlier files were moved to.

    The archive stays: its pages can be read with ``copydesk backfill --archive``.

    Raises:
        ConfigurationError: There is a sound warehouse.
    """
    warehouse = settings.warehouse
    location = warehouse.location
    if exists(location) and _is_sound(location):
        raise ConfigurationError(
            f"{location}: a sound warehouse, so --new-warehouse would leave it behind: run "
            "the same command without it, or change [warehouse]"
        )
    files = [] if isinstance(location, Lake) else _files(warehouse)
    folder = warehouse.folder / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if files:
        folder.mkdir(parents=True)
        for file in files:
            file.rename(folder / file.name)
    with connect(location, wait_seconds=warehouse.lock_timeout_seconds):
        return folder if files else None


def _files(warehouse: WarehouseSettings) -> list[Path]:
    return [*_warehouse_files(warehouse.path), *_snapshot_files(warehouse.snapshot)]


def _sound_snapshot(link: Path) -> Path | None:
    """Return the newest snapshot that can be read."""
    files = [link, *reversed(list_snapshots(link))] if link.exists() else list_snapshots(link)[::-1]
    return next(filter(_is_sound, files), None)


def _is_sound(path: Location) -> bool:
    with suppress(WarehouseError, duckdb.Error, OSError), connect_read_only(path) as db:
        is_whole = isinstance(path, Lake) or not missing_bytes(db, path)
        return migrate.version(db) > 0 and is_whole
    return False


def _warehouse_files(path: Path) -> list[Path]:
    return [
        one
        for end in ("", ".wal", ".lock", ".checkpoints")
        if (one := path.with_name(path.name + end)).exists()
    ]


def _snapshot_files(link: Path) -> list[Path]:
    return [*([link] if link.is_symlink() or link.exists() else []), *list_snapshots(link)]


def _has_files(archive: ArchiveSettings) -> bool:
    """Whether the archive has files; a bucket that does not answer is taken for an empty one."""
    if archive_files(archive.path):
        return True
    with suppress(ArchiveError):
        return bool(archive.url) and bool(open_store(archive).names())
    return False
