"""The checks of ``copydesk doctor``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb

from flows import prefect_api
from flows.admin.check import CheckResult
from flows.admin.integrity import check_archive, check_blocks, check_hashes, check_snapshot
from flows.admin.lake_checks import check_lake
from flows.alert_settings import FROM_ENVIRONMENT
from flows.archive import ArchiveError, BucketStore, FolderStore, open_store
from flows.callbacks import OnProgress, no_progress
from flows.pipeline.restore import restore_steps
from flows.pipeline.run import fetch_policy
from flows.pipeline.snapshot import current_snapshot
from flows.secrets.redact import redact_url
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from warehouse import connect_read_only, migrate
from warehouse.care.snapshot import other_files
from warehouse.checkpoint_log import log_file
from warehouse.db import check_size
from warehouse.duckdb_errors import translate_error
from warehouse.errors import (
    WarehouseBusy,
    WarehouseError,
    WarehouseIncomplete,
    WarehouseMissing,
    WarehouseTooOld,
    WarehouseUnreachable,
    WrongSnapshot,
)
from warehouse.lake.version import exists
from warehouse.location import Lake, Location

TESTED_VERSIONS = {"duckdb": ("1.5.5", "2.0.1"), "prefect": ("3.9.1",)}
MIN_FREE_BYTES = 2_000_000_000
_ARCHIVE_FILES = """
    SELECT archive_file, count(*) FROM fetches WHERE archive_file IS NOT NULL GROUP BY archive_file
"""
_COMPLETED = "SELECT count(*) FROM runs WHERE state IN ('completed', 'completed_with_warnings')"
_PUBLISH = (
    "If the warehouse is sound, `copydesk compact` or the next run publishes it again; otherwise "
    "restore a backup (RUNBOOK, Restore)"
)
_OPEN_COUNTS = {
    "quarantine list": "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL",
    "gaps": "SELECT count(*) FROM gaps WHERE closed_by IS NULL",
}


def check_installation(
    settings: Settings, *, verify: bool = False, on_progress: OnProgress = no_progress
) -> list[CheckResult]:
    """Check versions, configuration, files, locks, disk and server.

    Args:
        settings: The configuration to check.
        verify: Read every block of the warehouse and every record of the archive, and compare.
        on_progress: Receives the progress of ``verify``.
    """
    checks: list[Callable[[], Iterator[CheckResult]]] = [
        _check_versions,
        lambda: _check_fetch_policy(settings),
        lambda: _check_sources(settings),
        lambda: _check_alerts(settings),
        lambda: _check_disk(settings),
        lambda: _check_archive(settings, verify=verify),
        lambda: check_lake(settings),
        lambda: _check_warehouse(settings, verify=verify),
        lambda: _check_snapshot(settings),
        *([lambda: _compare(settings, on_progress)] if verify else []),
        lambda: _check_server(settings),
    ]
    return [result for check in checks for result in check()]


def _check_versions() -> Iterator[CheckResult]:
    yield CheckResult("python", "ok", sys.version.split()[0])
    for package, tested in TESTED_VERSIONS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            yield CheckResult(package, "error", "not installed; run `make install`")
            continue
        if found in tested:
            yield CheckResult(package, "ok", found)
        else:
            message = f"{found}; this copydesk is tested with {' and '.join(tested)}"
            yield CheckResult(package, "warning", message)
    try:
        version("pytz")
    except PackageNotFoundError:
        yield CheckResult("pytz", "error", "not installed; DuckDB needs it to return times")


def _check_alerts(settings: Settings) -> Iterator[CheckResult]:
    """Check that the environment has the addresses of alerts; send nothing."""
    names = [one.removeprefix(FROM_ENVIRONMENT) for one in settings.alerts.to if _is_variable(one)]
    if unset := [name for name in names if not os.environ.get(name)]:
        message = (
            f"{', '.join(unset)} of [alerts] is not set in this environment: set it for the runs, "
            "then `copydesk alerts test`"
        )
        yield CheckResult("alerts", "warning", message)
    elif settings.alerts.to:
        count = pluralize(len(settings.alerts.to), "address", "addresses")
        yield CheckResult("alerts", "ok", f"{count}; `copydesk alerts test` sends a message")


def _is_variable(address: str) -> bool:
    return address.startswith(FROM_ENVIRONMENT)


def _check_fetch_policy(settings: Settings) -> Iterator[CheckResult]:
    warnings = fetch_policy(settings, ()).policy_warnings()
    for warning in warnings:
        yield CheckResult("politeness", "warning", warning)
    if not warnings:
        yield CheckResult("politeness", "ok", settings.fetch.user_agent)


def _check_sources(settings: Settings) -> Iterator[CheckResult]:
    if settings.sources:
        message = f"{', '.join(settings.sources)} (`copydesk sources check` fetches them)"
        yield CheckResult("sources", "ok", message)
    else:
        yield CheckResult("sources", "warning", "none; add a [sources.<name>] section")
    for name, message in registry.plugin_problems().items():
        yield CheckResult(f"parser {name}", "error", message)


def _check_disk(settings: Settings) -> Iterator[CheckResult]:
    for folder in dict.fromkeys(_existing(file.parent) for file in _places(settings)):
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            yield CheckResult("disk", "error", f"{folder} is not writable; change its owner")
        elif free < MIN_FREE_BYTES:
            yield CheckResult("disk", "warning", f"{folder} has only {free / 1e9:.1f} GB free")
        else:
            yield CheckResult("disk", "ok", f"{folder} has {free / 1e9:.0f} GB free")
    for path in filter(Path.exists, _written_files(settings)):
        if not os.access(path, os.W_OK):
            message = f"this user cannot write {path}; change its owner or its permissions"
            yield CheckResult("permissions", "error", message)


def _places(settings: Settings) -> list[Path]:
    """The files and folders whose disks need space."""
    warehouse, lake = settings.warehouse, settings.warehouse.location
    if not isinstance(lake, Lake):
        return [warehouse.path, warehouse.snapshot, settings.archive.path]
    data = [] if lake.is_in_bucket else [Path(lake.data) / "main"]
    return [warehouse.path, *data, settings.archive.path, *([lake.file] if lake.file else [])]


def _written_files(settings: Settings) -> list[Path]:
    """The files and folders that a run writes, where they exist."""
    warehouse = settings.warehouse.path
    locks = warehouse.parent / "locks"
    lock = warehouse.with_name(f"{warehouse.name}.lock")
    return [
        warehouse,
        lock,
        log_file(warehouse),
        settings.archive.path,
        locks,
        *sorted(locks.glob("*.lock")),
    ]


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _check_archive(settings: Settings, *, verify: bool) -> Iterator[CheckResult]:
    try:
        archive = open_store(settings.archive)
        if isinstance(archive, BucketStore):
            yield _check_waiting(archive)
        if not (verify and _has_archive(settings)):  # ``check_archive`` reads it
            yield _check_files(settings, archive)
    except ArchiveError as error:
        yield CheckResult("archive", "error", str(error))


def _has_archive(settings: Settings) -> bool:
    return bool(settings.archive.url) or settings.archive.path.exists()


def _check_files(settings: Settings, archive: FolderStore) -> CheckResult:
    """Whether every file is there that a fetch names."""
    named, names = _archive_files(settings), set(archive.names())
    missing = {
        name: count
        for name, count in named.items()
        if name not in names and archive.locate(name, 0)[0] not in names
    }
    if missing:
        pages = pluralize(sum(missing.values()), "fetch names", "fetches name")
        where = "the bucket" if settings.archive.url else "the folder"
        return CheckResult(
            "archive",
            "error",
            f"{archive}: {pluralize(len(missing), 'file')} that {pages} are missing, such as "
            f"{min(missing)}: restore {where} from a backup (RUNBOOK, Restore); until then these "
            "pages cannot be parsed again",
        )
    if not names:
        return CheckResult("archive", "ok", f"{archive}: nothing was fetched yet")
    return CheckResult("archive", "ok", f"{archive} (`--verify` reads every record)")


def _check_waiting(archive: BucketStore) -> CheckResult:
    """How many closed files wait for their upload."""
    found = archive.waiting()
    if not found.files:
        return CheckResult("archive upload", "ok", f"no file waits in {archive.folder}")
    return CheckResult(
        "archive upload",
        "warning",
        f"{found.message(archive.folder)}: the next run or `copydesk maintenance` uploads them",
    )


def _archive_files(settings: Settings) -> dict[str, int]:
    """The archive files that fetches name, with their number; empty if no file can be read."""
    warehouse = settings.warehouse
    is_lake = isinstance(warehouse.location, Lake)
    for file in (warehouse.location,) if is_lake else (warehouse.snapshot, warehouse.path):
        with suppress(WarehouseError, duckdb.Error), connect_read_only(file) as db:
            return dict(db.execute(_ARCHIVE_FILES).fetchall())
    return {}


def _check_warehouse(settings: Settings, *, verify: bool) -> Iterator[CheckResult]:
    path = settings.warehouse.location
    try:
        with connect_read_only(path) as db:
            if not migrate.version(db):
                raise WarehouseMissing(f"{path}: has no tables of copydesk")
            if isinstance(path, Path):
                check_size(db, path)
            if count := len(migrate.pending(db, str(path), migrate.migrations())):
                pending = pluralize(count, "pending migration")
                yield CheckResult(
                    "warehouse", "warning", f"{path}: {pending}; the next run migrates"
                )
                return
            if verify:
                yield from check_blocks(path, db)
            (count,) = db.execute("SELECT count(*) FROM articles").fetchall()[0]
            yield CheckResult("warehouse", "ok", f"{path}: {pluralize(count, 'article')}")
            for command, sql in _OPEN_COUNTS.items():
                (count,) = db.execute(sql).fetchall()[0]
                message = f"{count} open: `copydesk {command}`" if count else "nothing is open"
                yield CheckResult(command.split()[0], "ok", message)
    except WarehouseBusy as error:
        yield CheckResult("warehouse", "warning", str(error))
    except (WarehouseIncomplete, WarehouseUnreachable) as error:
        yield CheckResult("warehouse", "error", str(error))
    except (WarehouseError, duckdb.Error) as error:
        steps = restore_steps(settings)
        is_missing = not exists(path)
        if is_missing and not steps:
            yield CheckResult(
                "warehouse", "ok", f"{path} does not exist yet; the first run creates it"
            )
            return
        found = translate_error(error, path) if isinstance(error, duckdb.Error) else error
        message = f"{path} is missing, but files of it are there" if is_missing else str(found)
        yield CheckResult("warehouse", "error", f"{message}. {steps}".rstrip(". "))


def _check_snapshot(settings: Settings) -> Iterator[CheckResult]:
    warehouse = settings.warehouse
    if isinstance(warehouse.location, Lake):
        return
    try:
        snapshot = current_snapshot(settings)
        with connect_read_only(snapshot.path) as db:
            check_size(db, warehouse.snapshot)
            db.execute("SELECT count(*) FROM articles").fetchall()
    except (WarehouseError, duckdb.Error) as error:
        link = warehouse.snapshot
        if not link.is_symlink() and not link.exists() and not _has_run(warehouse.path):
            yield CheckResult("snapshot", "ok", "none yet; the first run publishes it")
        elif isinstance(error, WrongSnapshot | WarehouseTooOld):
            yield CheckResult("snapshot", "error", str(error))
        else:
            yield CheckResult("snapshot", "error", f"{link}: {_snapshot_state(link)}. {_PUBLISH}")
    else:
        minutes = snapshot.age().total_seconds() / 60
        message = f"{warehouse.snapshot}: {minutes:.0f} minutes old{_beside(warehouse.snapshot)}"
        yield CheckResult("snapshot", "ok", message)


def _beside(link: Path) -> str:
    """Count the older snapshots, which take as much space as the current one."""
    sizes = [file.stat().st_size for file in other_files(link)]
    if not sizes:
        return ""
    older = pluralize(len(sizes), "other file", "other files")
    return f"; {older} beside it, {sum(sizes) / 1e6:,.0f} MB, for the next run and for readers"


def _snapshot_state(link: Path) -> str:
    if link.exists():
        return "cut or damaged"
    return "leads to a file that is missing" if link.is_symlink() else "missing"


def _has_run(path: Path) -> bool:
    """Whether a run of the warehouse completed, and so published a snapshot."""
    with suppress(WarehouseError, duckdb.Error), connect_read_only(path) as db:
        return bool(db.execute(_COMPLETED).fetchall()[0][0])
    return False


def _compare(settings: Settings, on_progress: OnProgress) -> Iterator[CheckResult]:
    """Compare the snapshot with the warehouse, and stored text and archive with the snapshot."""
    path: Location | None = None
    with suppress(WarehouseMissing, WrongSnapshot):
        path = current_snapshot(settings).path
    try:
        if path is not None:
            with connect_read_only(path) as db:
                is_older = bool(migrate.pending(db, str(path), migrate.migrations()))
            path = None if is_older else path
        if path is not None:
            if not isinstance(path, Lake):
                yield from check_snapshot(settings.warehouse.snapshot, settings.warehouse.path)
            yield from check_hashes(path, on_progress)
        if _has_archive(settings):
            yield from check_archive(open_store(settings.archive), path, on_progress)
    except ArchiveError as error:
        yield CheckResult("archive", "error", str(error))
    except WarehouseError as error:
        yield CheckResult("snapshot", "error", str(error))
    except duckdb.Error as error:
        yield CheckResult("snapshot", "error", str(translate_error(error, path or "the snapshot")))


def _check_server(settings: Settings) -> Iterator[CheckResult]:
    server = prefect_api.find_run_server(os.environ, settings)
    if not server:
        yield CheckResult(
            "server",
            "ok",
            "no PREFECT_API_URL: a sync runs without Prefect; backfill and reparse start a server for "
            "their run",
        )
        return
    url, serve = server.api_url, server.serve
    prefect_api.prepare_client(os.environ, settings, url, is_own=server.is_own)
    if problem := prefect_api.server_problem(url):
        advice = (
            f"if it stays so, restart `copydesk serve` (process {serve.pid})"
            if serve
            else "start it, or unset PREFECT_API_URL"
        )
        yield CheckResult("server", "error", f"{redact_url(url)} {problem}; {advice}")
    else:
        yield CheckResult("server", "ok", f"{redact_url(url)} answers")
