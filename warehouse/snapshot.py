"""The read copy: published whole, behind a symbolic link, never changed afterwards.

Readers and a writer exclude each other across processes, so readers get a file of their
own. Each publication is a new file, because a process that still has an old one open
would be given the old one again under the same name.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import duckdb
from duckdb import DuckDBPyConnection

from warehouse.errors import WarehouseError
from warehouse.faults import missing, translate, translated

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_KEPT_SECONDS = 10.0
_RETRY_SECONDS = 0.01

_publishing = Lock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A published read copy.

    Attributes:
        path: The file itself, not the link.
        published_at: Aware UTC: nothing committed later is in it.
    """

    path: Path
    published_at: datetime

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
        WarehouseFull: No room for the copy; the previous one stays.
        WarehouseError: It could not be copied; the previous one stays.
    """
    link = Path(snapshot).absolute()
    live = _file_of(db)
    with _publishing, translated(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        threshold = db.execute("SELECT current_setting('checkpoint_threshold')").fetchall()[0][0]
        db.execute("SET GLOBAL checkpoint_threshold = '1TB'")
        try:
            _checkpoint(db, live, wait_seconds)
            at = datetime.now(UTC)
            published = _copied(live, link, at)
        finally:
            db.execute(f"SET GLOBAL checkpoint_threshold = '{threshold}'")
        _swap(link, published)
        _remove_old(link, keep=published)
    return Snapshot(published, at)


def current_snapshot(snapshot: Path | str) -> Snapshot:
    """The copy behind the link.

    Raises:
        WarehouseMissing: Nothing was published yet.
    """
    link = Path(snapshot).absolute()
    if not link.exists():
        raise missing(link)
    path = link.resolve()
    stamp = path.name.removeprefix(link.name + ".")
    try:
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Snapshot(path, at)


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
                raise translate(error, live) from error
        else:
            return
        time.sleep(_RETRY_SECONDS)


def _copied(live: Path, link: Path, at: datetime) -> Path:
    """A copy of the file under its final name, on the disk for good."""
    final = link.with_name(f"{link.name}.{at.strftime(_STAMP)}")
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
            raise translate(duckdb.IOException(done.stderr.strip()), link)
        with part.open("rb") as copy:
            os.fsync(copy.fileno())
        part.rename(final)
    finally:
        part.unlink(missing_ok=True)
    return final


def _swap(link: Path, published: Path) -> None:
    """Points the link at the copy, in one step."""
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

    The last ones are left for a moment, for readers that have followed the link but not
    opened the file yet.
    """
    for old in link.parent.glob(f"{link.name}.*Z"):
        if old == keep:
            continue
        with suppress(OSError):
            is_fresh = time.time() - old.stat().st_mtime < _KEPT_SECONDS
            if not is_fresh and not _is_open(old):
                old.unlink()


def _is_open(path: Path) -> bool:
    """Whether a DuckDB of any process has the file open: each holds a POSIX lock on it."""
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    get_lock = getattr(fcntl, "F_OFD_GETLK", None)
    if get_lock is None:
        return True
    with path.open("rb+") as file:
        answer = fcntl.fcntl(file.fileno(), get_lock, question)
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
