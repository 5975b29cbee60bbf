"""A warehouse that is missing or damaged: what is left of it, and how to restore it."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.archive.files import archive_files
from flows.errors import ConfigurationError
from flows.settings import Settings
from warehouse import connect, connect_read_only, migrate
from warehouse.care.snapshot import list_snapshots
from warehouse.duckdb_errors import missing_error
from warehouse.errors import WarehouseError, WarehouseLost
from warehouse.file_size import missing_bytes


def restore_steps(settings: Settings) -> str:
    """Return how to restore the warehouse; empty if there is nothing left of an earlier one."""
    warehouse, archive = settings.warehouse, settings.archive.path
    snapshots = _snapshot_files(warehouse.snapshot)
    if not snapshots and not _has_files(archive):
        return ""
    found = _sound_snapshot(warehouse.snapshot)
    old = shlex.join(map(str, _warehouse_files(warehouse.path)))
    aside = shlex.quote(str(warehouse.path.parent / "before-restore"))
    steps = [f"`mkdir -p {aside} && mv {old} {aside}`"] if old else []
    if found:
        steps.append(f"`{shlex.join(['install', '-m', '644', str(found), str(warehouse.path)])}`")
    else:
        steps.append("copy a backup there (RUNBOOK, Restore)")
    new = "`--new-warehouse` (sync, import, backfill) starts an empty one and keeps all files"
    return f"To restore it: {', then '.join(steps)}. {new}"


def require_warehouse(settings: Settings) -> None:
    """Check that there is a file.

    Raises:
        WarehouseMissing: There is none.
        WarehouseLost: There is none, but files of an earlier one are there.
    """
    path = settings.warehouse.path
    if path.exists():
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
    if warehouse.path.exists() and _is_sound(warehouse.path):
        raise ConfigurationError(
            f"{warehouse.path}: a sound warehouse, so --new-warehouse would leave it behind: run "
            "the same command without it, or change [warehouse] path"
        )
    files = [*_warehouse_files(warehouse.path), *_snapshot_files(warehouse.snapshot)]
    folder = warehouse.path.parent / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if files:
        folder.mkdir(parents=True)
        for file in files:
            file.rename(folder / file.name)
    with connect(warehouse.path, wait_seconds=warehouse.lock_timeout_seconds):
        return folder if files else None


def _sound_snapshot(link: Path) -> Path | None:
    """Return the newest snapshot that can be read."""
    files = [link, *reversed(list_snapshots(link))] if link.exists() else list_snapshots(link)[::-1]
    return next(filter(_is_sound, files), None)


def _is_sound(path: Path) -> bool:
    with suppress(WarehouseError, duckdb.Error, OSError), connect_read_only(path) as db:
        return migrate.version(db) > 0 and not missing_bytes(db, path)
    return False


def _warehouse_files(path: Path) -> list[Path]:
    return [
        one
        for end in ("", ".wal", ".lock", ".checkpoints")
        if (one := path.with_name(path.name + end)).exists()
    ]


def _snapshot_files(link: Path) -> list[Path]:
    return [*([link] if link.is_symlink() or link.exists() else []), *list_snapshots(link)]


def _has_files(archive: Path) -> bool:
    return bool(archive_files(archive))
