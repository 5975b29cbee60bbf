"""Checks of the installation and what it runs on: the work behind ``copydesk doctor``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from flows.fetch import ArchiveError, verify
from flows.run import policy_of
from flows.settings import Settings
from warehouse import connect_read_only, current_snapshot
from warehouse.errors import WarehouseBusy, WarehouseError, WarehouseMissing

Level = Literal["ok", "attention", "broken"]

TRIED = {"duckdb": "1.5.5", "prefect": "3.8.8"}
FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: The thing.
        level: ``ok``, ``attention`` (it works, but look) or ``broken``.
        says: What was found and, if it is not well, what to do.
    """

    what: str
    level: Level
    says: str

    @property
    def exit_code(self) -> int:
        """Broken things weigh more than those that need attention."""
        return {"ok": 0, "attention": 3, "broken": 1}[self.level]

    def as_json(self) -> dict[str, Any]:
        """The finding's part of the JSON document."""
        return {"what": self.what, "level": self.level, "says": self.says}

    def words(self) -> str:
        """One line."""
        mark = {"ok": "ok  ", "attention": "look", "broken": "BAD "}[self.level]
        return f"{mark}  {self.what}: {self.says}"


def examine(settings: Settings, *, deep: bool = False) -> list[Finding]:
    """Every finding, in the order of the way of an article.

    Args:
        settings: What to look at.
        deep: Read every block of the warehouse and every record of the archive.
    """
    looks: list[Callable[[], Iterator[Finding]]] = [
        _versions,
        lambda: _politeness(settings),
        lambda: _sources(settings),
        lambda: _disk(settings),
        lambda: _archive(settings, deep=deep),
        lambda: _warehouse(settings, deep=deep),
        lambda: _snapshot(settings),
        _server,
    ]
    return [finding for look in looks for finding in look()]


def _versions() -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    for package, tried in TRIED.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Finding(package, "broken", "not installed; run `make install`")
            continue
        if found == tried:
            yield Finding(package, "ok", found)
        else:
            yield Finding(package, "attention", f"{found}; this copydesk was tried with {tried}")
    try:
        version("pytz")
    except PackageNotFoundError:
        yield Finding("pytz", "broken", "not installed; DuckDB needs it to return times")


def _politeness(settings: Settings) -> Iterator[Finding]:
    complaints = policy_of(settings.fetch, ()).complaints()
    for complaint in complaints:
        yield Finding("politeness", "attention", complaint)
    if not complaints:
        yield Finding("politeness", "ok", settings.fetch.user_agent)


def _sources(settings: Settings) -> Iterator[Finding]:
    slugs = ", ".join(settings.sources)
    if slugs:
        yield Finding("sources", "ok", f"{slugs} (`copydesk sources check` asks them)")
    else:
        yield Finding("sources", "attention", "none; add a [sources.<name>] section")


def _disk(settings: Settings) -> Iterator[Finding]:
    for folder in dict.fromkeys(
        _existing(path.parent)
        for path in (settings.warehouse.path, settings.warehouse.snapshot, settings.archive.path)
    ):
        free = shutil.disk_usage(folder).free
        if not os.access(folder, os.W_OK):
            yield Finding("disk", "broken", f"{folder} may not be written; change its owner")
        elif free < FREE_BYTES:
            yield Finding("disk", "attention", f"{folder} has only {free / 1e9:.1f} GB free")
        else:
            yield Finding("disk", "ok", f"{folder} has {free / 1e9:.0f} GB free")


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _archive(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    path = settings.archive.path
    if not path.exists():
        yield Finding("archive", "ok", f"{path}: nothing fetched yet")
        return
    if not deep:
        yield Finding("archive", "ok", f"{path} (`--deep` reads every record)")
        return
    try:
        found = verify(path)
    except ArchiveError as error:
        yield Finding("archive", "broken", str(error))
        return
    if found.damaged:
        yield Finding("archive", "broken", f"{path}: {'; '.join(found.damaged)}")
    elif found.cut:
        cut = ", ".join(f"{file} at {offset}" for file, offset in found.cut)
        yield Finding(
            "archive", "attention", f"{path}: a killed process left the end of {cut} unfinished"
        )
    else:
        yield Finding(
            "archive", "ok", f"{path}: {found.records} records in {found.files} files are whole"
        )


def _warehouse(settings: Settings, *, deep: bool) -> Iterator[Finding]:
    path = settings.warehouse.path
    try:
        with connect_read_only(path) as db:
            (count,) = db.execute("SELECT count(*) FROM articles").fetchall()[0]
            if deep:
                yield from _every_block(path, db)
            yield Finding("warehouse", "ok", f"{path}: {count} articles")
    except WarehouseMissing:
        yield Finding("warehouse", "ok", f"{path}: not there yet; the first run makes it")
    except WarehouseBusy as error:
        yield Finding("warehouse", "attention", f"{error}")
    except WarehouseError as error:
        yield Finding("warehouse", "broken", str(error))


def _every_block(path: Path, db: Any) -> Iterator[Finding]:
    """Read every column of every table: DuckDB checks each block's checksum on the way."""
    tables = db.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    for schema, table in tables:
        db.execute(f'SELECT count(*), sum(hash(t)) FROM "{schema}"."{table}" t').fetchall()  # noqa: S608
    yield Finding("warehouse", "ok", f"{path}: every block of {len(tables)} tables is readable")


def _snapshot(settings: Settings) -> Iterator[Finding]:
    try:
        snapshot = current_snapshot(settings.warehouse.snapshot)
    except WarehouseMissing:
        yield Finding("snapshot", "ok", "none yet; the first run publishes it")
        return
    minutes = snapshot.age().total_seconds() / 60
    yield Finding("snapshot", "ok", f"{settings.warehouse.snapshot}: {minutes:.0f} minutes old")


def _server() -> Iterator[Finding]:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        yield Finding("server", "ok", "no PREFECT_API_URL: each run starts Prefect for itself")
        return
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=5)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        yield Finding(
            "server",
            "broken",
            f"{url} does not answer ({error}); start it or unset PREFECT_API_URL",
        )
    else:
        yield Finding("server", "ok", f"{url} answers")
