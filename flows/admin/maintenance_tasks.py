"""The things that maintenance does, each a plain function that says what it did in words.

Each can be cut at any moment and leaves nothing half done: what it did not come to is done
by the next one. Those that go from piece to piece look at ``stopping`` before each.
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
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.archive import ArchiveError, verify
from flows.errors import Interrupted, RunFailed
from flows.serving.deployments import TAG
from flows.serving.installation import is_others
from flows.settings import ConfigurationError, Settings
from flows.text import pluralize
from warehouse import db
from warehouse.care import compact, snapshot
from warehouse.errors import WarehouseBusy, WarehouseError
from warehouse.records import backfill_chunks

EXPECTED = (
    WarehouseError,
    ArchiveError,
    ConfigurationError,
    RunFailed,
    OSError,
    httpx.HTTPError,
    PrefectHTTPStatusError,
)
"""What a thing may end with and leave the others to be done."""

FLOWS = ("sync", "backfill", "import", "reparse", "maintenance")
"""Our flows, as Prefect calls them."""

Stopping = Callable[[], bool]
"""Whether somebody asked to end."""

_PAGE = 200
_LEFT_OVER_SECONDS = 3600.0
_NOTE_SECONDS = 5.0
_WORTH_BYTES = 64 * 1024 * 1024
_WORTH_SHARE = 0.3
_COMPACT_WAIT_SECONDS = 60.0
_ENDED = [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED]


def go_on() -> bool:
    """Nobody asks to end."""
    return False


def prune_prefect(
    *, days: int, most: int, installed: str | None = None, stopping: Stopping = go_on
) -> str:
    """Delete copydesk's own ended flow runs that are older, with their task runs; at most some.

    A server may be a team's: the runs of other flows, and those without our tag, stay, and so
    do those that bear the tag of another installation than ``installed``.

    Raises:
        Interrupted: ``stopping`` said so; what was deleted is.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    old = FlowRunFilter(
        end_time=FlowRunFilterEndTime(before_=cast(Any, before)),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ENDED)),
        tags=FlowRunFilterTags(all_=[TAG]),
    )
    ours = FlowFilter(name=FlowFilterName(any_=[*FLOWS]))
    deleted = left = 0
    with get_client(sync_client=True) as client:
        while deleted < most:
            page = client.read_flow_runs(
                flow_filter=ours,
                flow_run_filter=old,
                limit=_PAGE,
                offset=left,
                sort=FlowRunSort.END_TIME_DESC,
            )
            own = [run for run in page if not (installed and is_others(run.tags, installed))]
            left += len(page) - len(own)
            for run in own[: most - deleted]:
                if stopping():
                    raise Interrupted(f"{deleted} older than {days} days deleted")
                _delete_run(client, run.id)
                deleted += 1
            if len(page) < _PAGE:
                break
    more = ", and there are more for the next time" if deleted >= most else ""
    return f"{deleted} older than {days} days deleted{more}"


def _delete_run(client: Any, run_id: UUID) -> None:
    with suppress(ObjectNotFound):
        client.delete_flow_run(run_id)


def clean_snapshots(settings: Settings) -> str:
    """Publish a fresh read copy, which removes old ones, and what killed processes left."""
    warehouse = settings.warehouse
    if not warehouse.path.exists():
        return "there is no warehouse yet"
    before = set(_copies(warehouse.snapshot))
    with db.connect(warehouse.path, wait_seconds=warehouse.lock_timeout_seconds) as store:
        snapshot.publish(store, warehouse.snapshot)
    gone = len(before - set(_copies(warehouse.snapshot)))
    leftovers = [
        *warehouse.snapshot.parent.glob(f"{warehouse.snapshot.name}.*.part"),
        *warehouse.path.parent.glob(f"{warehouse.path.name}.compacting*"),
        *warehouse.path.parent.glob("backfills/*.urls"),
    ]
    removed = sum(_removed_if_old(file) for file in leftovers)
    return f"{gone} old copies and {removed} leftovers removed"


def _copies(link: Path) -> list[Path]:
    return list(link.parent.glob(f"{link.name}.*Z"))


def _removed_if_old(file: Path) -> bool:
    days = 30 if file.suffix == ".urls" else 0
    with suppress(OSError):
        if time.time() - file.stat().st_mtime > max(_LEFT_OVER_SECONDS, days * 86_400):
            file.unlink()
            return True
    return False


def compact_warehouse(settings: Settings, run_id: str, *, pages_days: int | None) -> str:
    """Rewrite the warehouse without its holes, if they are many; not while sources are read."""
    path = settings.warehouse.path
    if not path.exists():
        return "there is no warehouse yet"
    size = path.stat().st_size
    with db.connect(path, wait_seconds=settings.warehouse.lock_timeout_seconds) as store:
        share = unused_share(store)
    if pages_days is None and (size < _WORTH_BYTES or share < _WORTH_SHARE):
        return f"{_megabytes(size)}, {share:.0%} of it unused: not worth rewriting"
    before = datetime.now(UTC) - timedelta(days=pages_days) if pages_days else None
    try:
        done = compact.compact(path, fetches_before=before, wait_seconds=_COMPACT_WAIT_SECONDS)
    except WarehouseBusy as error:
        return f"in use, left for the next time: {error}"
    return (
        f"{_megabytes(done.bytes_before)} became {_megabytes(done.bytes_after)}; sightings "
        f"{done.sightings_before} became {done.sightings_after}, {done.fetches_removed} fetches removed"
    )


def unused_share(store: Any) -> float:
    """How much of the file deletions left empty, from 0 to 1."""
    store.execute("CHECKPOINT")
    total, free = store.execute(
        "SELECT total_blocks, free_blocks FROM pragma_database_size() "
        "WHERE database_name = current_database()"
    ).fetchall()[0]
    return float(free / total) if total else 0.0


def delete_old_checkpoints(settings: Settings, *, days: int) -> str:
    """Forget what backfills did that nobody has asked for again for a long time."""
    warehouse = settings.warehouse
    if not warehouse.path.exists():
        return "there is no warehouse yet"
    before = datetime.now(UTC) - timedelta(days=days)
    with (
        db.connect(warehouse.path, wait_seconds=warehouse.lock_timeout_seconds) as store,
        db.transaction(store, wait_seconds=warehouse.lock_timeout_seconds),
    ):
        count = backfill_chunks.delete_old_plans(store, before=before)
    return f"{count} chunks of backfills older than {days} days forgotten"


def verify_archive(settings: Settings, *, stopping: Stopping = go_on) -> str:
    """Read the archive files that changed since they were last found whole.

    Raises:
        ArchiveError: A file is damaged; the message names it and what to do.
        Interrupted: ``stopping`` said so; files found whole are not read again.
    """
    folder = settings.archive.path
    files = [file for file in sorted(folder.glob("*.warc.gz")) if _is_closed(file)]
    known = _known(folder)
    fresh = {file.name: _state(file) for file in files if known.get(file.name) != _state(file)}
    if not fresh:
        return f"{pluralize(len(files), 'closed file')}, all verified before"
    records, damaged = 0, []
    read, known = 0, {one: known[one] for one in known if (folder / one).exists()}
    next_note = time.monotonic() + _NOTE_SECONDS
    try:
        for name in fresh:
            if stopping():
                break
            found = _verify_one(folder, name)
            read += 1
            records += found.records
            damaged += found.damaged
            if not found.damaged:
                known[name] = fresh[name]
            if time.monotonic() > next_note:
                _remember(folder, known)
                next_note = time.monotonic() + _NOTE_SECONDS
    finally:
        _remember(folder, known)
    if damaged:
        raise ArchiveError(
            f"{pluralize(len(damaged), 'record is', 'records are')} not as written "
            f"({'; '.join(damaged[:3])}): put "
            "the file back from a backup; `copydesk doctor --deep` lists all"
        )
    if read < len(fresh):
        raise Interrupted(f"{read} of {pluralize(len(fresh), 'file')} verified")
    verified = f"{pluralize(records, 'record')} in {pluralize(len(fresh), 'file')} verified"
    return f"{verified}, {len(files) - len(fresh)} before"


def _verify_one(folder: Path, name: str) -> Any:
    """Verify one file of a folder: alone, in a folder of links."""
    alone = folder / ".verifying"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    try:
        (alone / name).symlink_to((folder / name).resolve())
        return verify(alone)
    finally:
        shutil.rmtree(alone, ignore_errors=True)


def _is_closed(file: Path) -> bool:
    """Whether nobody writes it any more: writers begin a new file every day."""
    return file.stat().st_mtime < time.time() - 60


def _state(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def _known(folder: Path) -> dict[str, list[int]]:
    with suppress(OSError, ValueError):
        found = json.loads((folder / "verified.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _remember(folder: Path, known: dict[str, list[int]]) -> None:
    draft = folder / "verified.json.part"
    draft.write_text(json.dumps(known, indent=1), encoding="utf-8")
    draft.replace(folder / "verified.json")


def move_archive(settings: Settings, target: Path, *, days: int, stopping: Stopping = go_on) -> str:
    """Move old archive files away and leave links, so that every page can still be read.

    Raises:
        Interrupted: ``stopping`` said so, between two files.
    """
    target.mkdir(parents=True, exist_ok=True)
    before = time.time() - days * 86_400
    moved = 0
    for file in sorted(settings.archive.path.glob("*.warc.gz")):
        if not file.is_symlink() and file.stat().st_mtime < before:
            if stopping():
                raise Interrupted(
                    f"{pluralize(moved, 'file')} older than {pluralize(days, 'day')} moved to {target}"
                )
            _move(file, target / file.name)
            moved += 1
    return f"{pluralize(moved, 'file')} older than {pluralize(days, 'day')} moved to {target}"


def _move(file: Path, to: Path) -> None:
    """Copy, compare, then put a link in the file's place in one step."""
    part = to.with_name(to.name + ".part")
    shutil.copy2(file, part)
    with part.open("rb") as copied:
        os.fsync(copied.fileno())
    if part.stat().st_size != file.stat().st_size:
        raise OSError(f"{part}: not as long as {file}; the file stays where it is")
    part.replace(to)
    link = file.with_name(file.name + ".link")
    link.unlink(missing_ok=True)
    link.symlink_to(to.resolve())
    link.replace(file)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
