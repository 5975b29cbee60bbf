"""The snapshot: a copy of the warehouse for readers, behind a symbolic link.

Readers and a writer exclude each other across processes, so readers get a file of their own.
Each publication has a new name: a process that has an old one open would get the old one again
under the same name. The content behind a name never changes. The name also holds the path and
the id of the warehouse, so that two warehouses with one snapshot path are noticed instead of
replacing each other's.
"""

from __future__ import annotations

import fcntl
import glob
import os
import re
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Lock

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import lock, wal
from warehouse.block_file import BlockFile
from warehouse.care import macros
from warehouse.care.snapshot_blocks import (
    BlockComparison,
    NotPatchable,
    compare_blocks,
    is_alone,
    patch,
)
from warehouse.checkpoint_log import CheckpointLog
from warehouse.db import location_of, read_sequence, resolve_path
from warehouse.duckdb_errors import missing_error, translate_error, translate_errors
from warehouse.errors import WarehouseError, WrongSnapshot
from warehouse.lake.version import newest_of, newest_version
from warehouse.location import Lake, Location

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"\.(?:([0-9a-f]{8})-([0-9a-f]{8})\.)?(\d{8}T\d{6}\.\d{6}Z)")
_PART = ".part"
_KEPT_SECONDS = 10.0
_SPARES = 3
_SPARE_SECONDS = 2 * 3600.0
_RETRY_SECONDS = 0.01

_publishing = Lock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published snapshot.

    Attributes:
        path: The file itself, not the link; for a lake, one of its versions.
        published_at: Aware UTC: nothing committed later is in it.
        copy_of: The beginning of a hash of the warehouse's path; empty when unknown.
        warehouse: The beginning of the warehouse's id; empty when unknown.
        written_bytes: What its publication wrote; ``None`` when unknown, or nothing changed.
    """

    path: Location
    published_at: datetime
    copy_of: str = ""
    warehouse: str = ""
    written_bytes: int | None = field(default=None, compare=False)

    def age(self, now: datetime | None = None) -> timedelta:
        """Return how old it is."""
        return (now or datetime.now(UTC)) - self.published_at


def publish(
    db: DuckDBPyConnection, snapshot: Path | str, *, wait_seconds: float = 30.0
) -> Snapshot:
    """Publish a snapshot of the warehouse of ``db`` behind the link ``snapshot``.

    It costs what changed: an older snapshot that no process has open gets the blocks that
    changed and a new name. Where there is none, or its difference is not known, the whole file
    is copied. If nothing changed, the current snapshot stays.

    Other threads wait for the checkpoint only: until the end their commits go to the
    write-ahead log. Old snapshots that no process has open are removed, except the last one and
    two others of the last hours: several runs may end at the same time.

    A lake has its newest version already, which is returned.

    Raises:
        WrongSnapshot: The snapshot there belongs to another warehouse; it stays.
        WarehouseFull: No space for the copy; the previous snapshot stays.
        WarehouseError: It could not be copied; the previous snapshot stays.
    """
    link = Path(snapshot).absolute()
    live = location_of(db)
    if live is None:
        raise WarehouseError("expected a warehouse in a file, found one in memory")
    if isinstance(live, Lake):
        return _version(live, *newest_of(db))
    tag = _short(str(live)), str(read_sequence(db).warehouse_id)[:8]
    with _publishing, translate_errors(link):
        _check_ours(link, live, tag)
        link.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(link)
        macros.set_home(db, _database_name(link), _database_name(live))
        with wal.no_checkpoints(db):
            _checkpoint(db, live, wait_seconds)
            log, at, current = lock.checkpoints_of(live), datetime.now(UTC), link.resolve()
            found = log.record() if log else None
            if log and found and log.iteration_of(current) == found.header.iteration:
                _remove_old(link, keep=current)
                return _parse_name(link, current)
            final = _named(link, tag, at)
            written = _written(live, link, final, log, found)
        _swap(link, final, log)
        _remove_old(link, keep=final)
    return Snapshot(final, at, *tag, written_bytes=written)


def current_snapshot(snapshot: Path | str, *, of: Location | str | None = None) -> Snapshot:
    """Return the snapshot behind the link, or the newest version of a lake.

    Args:
        snapshot: The link.
        of: The warehouse that it has to belong to, if that is to be checked; or the lake.

    Raises:
        WarehouseMissing: None was published yet.
        WarehouseUnreachable: The server of the lake's catalog does not answer.
        WrongSnapshot: It belongs to another warehouse.
    """
    if isinstance(of, Lake):
        return _version(of, *newest_version(of))
    link = Path(snapshot).absolute()
    if not link.exists():
        raise missing_error(link)
    found = _parse_name(link, link.resolve())
    if of is not None:
        _check_of(link, found, Path(of))
    return found


def compare(snapshot: Path | str, of: Path | str) -> BlockComparison:
    """Compare the blocks of the current snapshot with the warehouse's; writers wait.

    Raises:
        UnknownLayout: They cannot be compared.
        WarehouseError: There is no snapshot, or a process writes the warehouse.
    """
    live = resolve_path(of)
    current_snapshot(snapshot, of=live)
    current = Path(snapshot).resolve()
    with lock.shared_lock(live), translate_errors(live):
        return compare_blocks(live, current)


def remove_other_snapshots(snapshot: Path | str, keep: Location) -> list[Path]:
    """Remove every other snapshot now; return those that readers still have open.

    For snapshots that hold deleted articles. It takes seconds, because a reader may have
    followed the link and not opened the file yet.
    """
    link = Path(snapshot).absolute()
    others = [old for old in list_snapshots(link) if old not in (keep, link.resolve())]
    end = time.monotonic() + _KEPT_SECONDS + 1
    while any(_is_fresh(old) for old in others) and time.monotonic() < end:
        time.sleep(_RETRY_SECONDS)
    _remove_old(link, keep=keep, spares=0)
    return [old for old in others if old.exists()]


def _version(lake: Lake, version: int, at: datetime) -> Snapshot:
    return Snapshot(replace(lake, version=version), at)


def _remove_unfinished(link: Path) -> None:
    """Remove what killed publications left; for a caller that holds the warehouse."""
    for part in _unfinished(link):
        part.unlink(missing_ok=True)


def other_files(snapshot: Path | str) -> list[Path]:
    """Return the files beside the current snapshot: older ones, and what kills left."""
    link = Path(snapshot).absolute()
    return [one for one in (*list_snapshots(link), *_unfinished(link)) if one != link.resolve()]


def list_snapshots(link: Path) -> list[Path]:
    """Return every snapshot that is still there, the oldest first."""
    found = link.parent.glob(f"{glob.escape(link.name)}.*Z")
    named = [one for one in found if _NAME.fullmatch(one.name.removeprefix(link.name))]
    return sorted(named, key=lambda one: _parse_name(link, one).published_at)


def _unfinished(link: Path) -> list[Path]:
    found = link.parent.glob(f"{glob.escape(link.name)}.*{_PART}")
    return [
        one
        for one in found
        if _NAME.fullmatch(one.name.removeprefix(link.name).removesuffix(_PART))
    ]


def _parse_name(link: Path, path: Path) -> Snapshot:
    """Return what the name of a snapshot holds; the file's own time where it holds none."""
    name = _NAME.fullmatch(path.name.removeprefix(link.name))
    if not name:
        return Snapshot(path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    at = datetime.strptime(name[3], _STAMP).replace(tzinfo=UTC)
    return Snapshot(path, at, name[1] or "", name[2] or "")


def _named(link: Path, tag: tuple[str, str], at: datetime) -> Path:
    return link.with_name(f"{link.name}.{tag[0]}-{tag[1]}.{at.strftime(_STAMP)}")


def _database_name(path: Path) -> str:
    """Return the name that DuckDB gives the database in a file."""
    return path.name.partition(".")[0]


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _check_ours(link: Path, live: Path, tag: tuple[str, str]) -> None:
    """Refuse to replace another warehouse's snapshot.

    A moved file keeps its id, and a new warehouse in its place the path: there are two
    warehouses only where both differ.
    """
    if not link.is_symlink() or not link.exists():
        return
    found = _parse_name(link, link.resolve())
    if found.warehouse and found.warehouse != tag[1] and found.copy_of != tag[0]:
        raise WrongSnapshot(
            f"{link}: the snapshot of another warehouse than {live}; it was not replaced. Give "
            "each warehouse its own [warehouse] snapshot, or move this link away"
        )


def _check_of(link: Path, found: Snapshot, live: Path) -> None:
    known = lock.warehouse_of(live)
    if found.warehouse and known and known[:8] != found.warehouse:
        raise WrongSnapshot(
            f"{link}: the snapshot of another warehouse than {live}: check [warehouse] path and "
            "snapshot. A run (`copydesk sync`) publishes the snapshot of a new warehouse; "
            "`copydesk query --live` reads the warehouse itself"
        )


def _checkpoint(db: DuckDBPyConnection, live: Path, wait_seconds: float) -> None:
    """Write everything committed to the file, once no other thread is in a transaction."""
    end = time.monotonic() + wait_seconds
    while True:
        try:
            db.execute("CHECKPOINT")
        except duckdb.TransactionException as error:
            if "CHECKPOINT" not in str(error) or time.monotonic() >= end:
                raise translate_error(error, live) from error
        else:
            return
        time.sleep(_RETRY_SECONDS)


def _written(
    live: Path, link: Path, final: Path, log: CheckpointLog | None, found: BlockFile | None
) -> int:
    """Write the file of a new snapshot; return the number of bytes written."""
    written = _patched(link, final, log, found) if log and found else None
    if written is None:
        # No idle snapshot is of use: its space is for the copy.
        _remove_old(link, keep=link.resolve(), spares=0)
        written = _copied(live, final, link)
    if log and found:
        log.record_publication(final, found.header.iteration)
    return written


def _patched(link: Path, final: Path, log: CheckpointLog, found: BlockFile) -> int | None:
    """Make an older snapshot the new one; return the number of bytes written.

    Returns ``None`` where the whole file has to be copied. The older snapshot gets a private
    name first: no reader can open it any more, and a kill leaves no half snapshot.
    """
    part = final.with_name(final.name + _PART)
    for old in reversed(list_snapshots(link)):
        rewritten = log.rewritten_since(old)
        if rewritten is None or not _is_spare(link, old):
            continue
        old.rename(part)
        try:
            if not is_alone(part):
                part.rename(old)
                continue
            part.chmod(0o644)
            written = patch(part, log.fd, found, rewritten)
            _finish(part, final)
        except NotPatchable:
            return None
        finally:
            part.unlink(missing_ok=True)
        return written
    return None


def _is_spare(link: Path, path: Path) -> bool:
    """Return whether no reader needs a snapshot, as far as its name and its lock show."""
    try:
        return path != link.resolve() and not _is_fresh(path) and not _is_open(path)
    except OSError:
        return False


def _copied(live: Path, final: Path, link: Path) -> int:
    """Copy the file to its final name; return the number of bytes."""
    part = final.with_name(final.name + _PART)
    try:
        # A child copies: opening the file here would drop DuckDB's lock on it (see lock).
        done = subprocess.run(  # noqa: S603
            ["cp", "--", str(live), str(part)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise translate_error(duckdb.IOException(done.stderr.strip()), link)
        with part.open("rb") as copy:
            os.fsync(copy.fileno())
        _finish(part, final)
    finally:
        part.unlink(missing_ok=True)
    return final.stat().st_size


def _finish(part: Path, final: Path) -> None:
    """Give a synced file its mode and its name."""
    part.chmod(0o444)  # a DuckDB that opens it for writing would lock out every reader
    part.rename(final)


def _swap(link: Path, published: Path, log: CheckpointLog | None) -> None:
    """Point the link at the new snapshot in one step; the old one's retention starts now."""
    with suppress(OSError):
        old = link.resolve(strict=True)
        iteration = log.iteration_of(old) if log else None
        os.utime(old)
        if log and iteration is not None:
            log.record_publication(old, iteration)
    fresh = link.with_name(f"{link.name}.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(published.name)
    fresh.replace(link)
    # A program that wrote to the old snapshot by mistake may have left a log that DuckDB would
    # refuse together with the new one.
    link.with_name(f"{link.name}.wal").unlink(missing_ok=True)
    folder = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_old(link: Path, *, keep: Location, spares: int = _SPARES) -> None:
    """Remove the snapshots that no process has open, except some for the next publications.

    The one that was current stays for a moment, for readers that have followed the link and
    not opened the file yet: its modification time is when it was replaced.
    """
    kept = 0
    for old in reversed(list_snapshots(link)):
        with suppress(OSError):
            if old == keep or _is_fresh(old) or _is_open(old):
                continue
            if kept < spares and (not kept or _is_fresh(old, _SPARE_SECONDS)):
                kept += 1
            else:
                old.unlink()


def _is_fresh(path: Path, seconds: float | None = None) -> bool:
    """Return whether a snapshot was replaced so many seconds ago or less."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    # A time in the future is that of a clock that was ahead.
    return abs(age) < (_KEPT_SECONDS if seconds is None else seconds)


def _is_open(path: Path) -> bool:
    """Return whether any process has the file open: each DuckDB holds a POSIX lock on it."""
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    get_lock = getattr(fcntl, "F_OFD_GETLK", None)
    if get_lock is None:
        return True
    with path.open("rb") as file:
        answer = fcntl.fcntl(file.fileno(), get_lock, question)
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
