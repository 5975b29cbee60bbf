"""The read copy: published whole, behind a symbolic link, never changed afterwards.

Readers and a writer exclude each other across processes, so readers get a file of their
own. Each publication is a new file, because a process that still has an old one open
would be given the old one again under the same name. The name also says which file it is
a copy of and which warehouse that was, so that two warehouses that were given one place
for their snapshots are told, instead of taking turns in it.
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Lock

import duckdb
from duckdb import DuckDBPyConnection

from warehouse import lock, wal
from warehouse.duckdb_errors import missing_error, translate_error, translate_errors
from warehouse.errors import WarehouseError, WrongSnapshot
from warehouse.upsert.write_lock import read_sequence

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"\.(?:([0-9a-f]{8})-([0-9a-f]{8})\.)?(\d{8}T\d{6}\.\d{6}Z)")
_KEPT_SECONDS = 10.0
_RETRY_SECONDS = 0.01

_publishing = Lock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published read copy.

    Attributes:
        path: The file itself, not the link.
        published_at: Aware UTC: nothing committed later is in it.
        copy_of: The file it is a copy of, as the beginning of a hash; empty when unknown.
        warehouse: The beginning of the warehouse's id; empty when unknown.
    """

    path: Path
    published_at: datetime
    copy_of: str = ""
    warehouse: str = ""

    def age(self, now: datetime | None = None) -> timedelta:
        """How old it is."""
        return (now or datetime.now(UTC)) - self.published_at


def publish(
    db: DuckDBPyConnection, snapshot: Path | str, *, wait_seconds: float = 30.0
) -> Snapshot:
    """A new read copy of the warehouse ``db`` is connected to, behind the link ``snapshot``.

    Other threads wait for the checkpoint only: while the file is copied their commits go
    to the write-ahead log, which is not. Old copies that nobody has open are removed.

    Raises:
        WrongSnapshot: Another warehouse publishes there; its copy stays.
        WarehouseFull: No room for the copy; the previous one stays.
        WarehouseError: It could not be copied; the previous one stays.
    """
    link = Path(snapshot).absolute()
    live = _file_of(db)
    tag = _short(str(live)), str(read_sequence(db).warehouse_id)[:8]
    with _publishing, translate_errors(link):
        _check_ours(link, live, tag)
        link.parent.mkdir(parents=True, exist_ok=True)
        with wal.no_checkpoints(db):
            _checkpoint(db, live, wait_seconds)
            at = datetime.now(UTC)
            published = _copied(live, _named(link, tag, at), link)
        _swap(link, published)
        _remove_old(link, keep=published)
    return Snapshot(published, at, *tag)


def current_snapshot(snapshot: Path | str, *, of: Path | str | None = None) -> Snapshot:
    """The copy behind the link.

    Args:
        snapshot: The link.
        of: The warehouse whose copy is meant, if it is to be checked.

    Raises:
        WarehouseMissing: Nothing was published yet.
        WrongSnapshot: It is a copy of another warehouse.
    """
    link = Path(snapshot).absolute()
    if not link.exists():
        raise missing_error(link)
    found = _told(link, link.resolve())
    if of is not None:
        _check_of(link, found, Path(of))
    return found


def remove_other_snapshots(snapshot: Path | str, keep: Path) -> list[Path]:
    """Removes every other copy now, which takes seconds; those that readers still have open.

    For copies that hold what must not be kept. A reader that has followed the link but not
    opened the file yet is waited for.
    """
    link = Path(snapshot).absolute()
    others = [old for old in list_snapshots(link) if old not in (keep, link.resolve())]
    end = time.monotonic() + _KEPT_SECONDS + 1
    while any(_is_fresh(old) for old in others) and time.monotonic() < end:
        time.sleep(_RETRY_SECONDS)
    _remove_old(link, keep=keep)
    return [old for old in others if old.exists()]


def remove_unfinished(snapshot: Path | str) -> None:
    """Removes what killed publications left; for a caller that holds the warehouse."""
    link = Path(snapshot).absolute()
    for part in link.parent.glob(f"{glob.escape(link.name)}.*.part"):
        part.unlink(missing_ok=True)


def list_snapshots(link: Path) -> list[Path]:
    """Every published copy that is still there, the oldest first."""
    found = link.parent.glob(f"{glob.escape(link.name)}.*Z")
    named = [one for one in found if _NAME.fullmatch(one.name.removeprefix(link.name))]
    return sorted(named, key=lambda one: _told(link, one).published_at)


def _told(link: Path, path: Path) -> Snapshot:
    """What the name of a copy says; the file's own time where it says nothing."""
    name = _NAME.fullmatch(path.name.removeprefix(link.name))
    if not name:
        return Snapshot(path, datetime.fromtimestamp(path.stat().st_mtime, UTC))
    at = datetime.strptime(name[3], _STAMP).replace(tzinfo=UTC)
    return Snapshot(path, at, name[1] or "", name[2] or "")


def _named(link: Path, tag: tuple[str, str], at: datetime) -> Path:
    return link.with_name(f"{link.name}.{tag[0]}-{tag[1]}.{at.strftime(_STAMP)}")


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _check_ours(link: Path, live: Path, tag: tuple[str, str]) -> None:
    """Refuses to publish over another warehouse's copy.

    A file that was moved keeps its id, and a warehouse that was begun anew its path: only
    where both differ are there two.
    """
    if not link.is_symlink() or not link.exists():
        return
    found = _told(link, link.resolve())
    if found.warehouse and found.warehouse != tag[1] and found.copy_of != tag[0]:
        raise WrongSnapshot(
            f"{link}: the read snapshot of another warehouse than {live}; it was not replaced. "
            "Give each warehouse a [warehouse] snapshot of its own; or, if the other one is no "
            "longer used, delete this link"
        )


def _check_of(link: Path, found: Snapshot, live: Path) -> None:
    known = lock.warehouse_of(live)
    if found.warehouse and known and known[:8] != found.warehouse:
        raise WrongSnapshot(
            f"{link}: the read snapshot of another warehouse than {live}: check [warehouse] path "
            "and snapshot. A run (`copydesk sync`) publishes the snapshot of a warehouse that "
            "was begun anew; `copydesk query --live` asks the warehouse itself"
        )


def _file_of(db: DuckDBPyConnection) -> Path:
    found = db.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    if not found or not found[0][0]:
        raise WarehouseError(
            "expected a warehouse in a file, found one in memory: nothing to publish"
        )
    return Path(found[0][0])


def _checkpoint(db: DuckDBPyConnection, live: Path, wait_seconds: float) -> None:
    """Writes everything committed to the file, once no other thread is in a transaction."""
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


def _copied(live: Path, final: Path, link: Path) -> Path:
    """A copy of the file under its final name, on the disk for good."""
    part = final.with_name(final.name + ".part")
    try:
        # A child copies: this process must not open and close the file it holds.
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
        part.rename(final)
    finally:
        part.unlink(missing_ok=True)
    return final


def _swap(link: Path, published: Path) -> None:
    """Points the link at the copy, in one step; the moment that the last copy is left begins."""
    with suppress(OSError):
        os.utime(link.resolve(strict=True))
    fresh = link.with_name(f"{link.name}.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(published.name)
    fresh.replace(link)
    folder = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_old(link: Path, *, keep: Path) -> None:
    """Removes the copies that nobody has open.

    What was current is left for a moment, for readers that have followed the link but not
    opened the file yet: its time is when it was replaced, not when it was published.
    """
    for old in list_snapshots(link):
        with suppress(OSError):
            if old != keep and not _is_fresh(old) and not _is_open(old):
                old.unlink()


def _is_fresh(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < _KEPT_SECONDS
    except OSError:
        return False


def _is_open(path: Path) -> bool:
    """Whether a DuckDB of any process has the file open: each holds a POSIX lock on it."""
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    get_lock = getattr(fcntl, "F_OFD_GETLK", None)
    if get_lock is None:
        return True
    with path.open("rb+") as file:
        answer = fcntl.fcntl(file.fileno(), get_lock, question)
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
