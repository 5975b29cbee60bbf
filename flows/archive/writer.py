"""Write every fetched page as received to WARC 1.1 files, which other tools read too.

Each writer makes a file of its own with O_EXCL, so that several processes can share a folder.
A page is one write of whole gzip members at the end of the file. A killed process leaves at
most one cut member there; everything before it can be read.

A body that is archived already becomes a revisit record with the file and offset of the first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.archive.errors import ArchiveError, BucketUnreachable
from flows.archive.reader import WarcHeaderReader, referred_to
from flows.archive.stores import ArchiveLocation, store_of
from flows.archive.warc import StoredBody, page_records, sha1, warcinfo_record
from flows.fetch.client import HttpResponse

MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_REMEMBERED = 20_000
_BUCKET_PAUSE_SECONDS = 300.0


class ArchiveWriter:
    """A folder of WARC files, open for writing; safe for threads.

    Args:
        where: The folder, made when missing; or a store, whose folder it is.
        max_bytes: A file that exceeds this is closed, and a new one begins.
        now: Time of day, aware UTC; a new day begins a new file.

    Raises:
        ArchiveError: The folder cannot be written.
    """

    def __init__(
        self,
        where: ArchiveLocation,
        *,
        max_bytes: int = MAX_FILE_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        store = store_of(where)
        self._path = store.folder
        self._max_bytes = max_bytes
        self._now = now
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._name = ""
        self._day = ""
        self._size = 0
        self._bodies: OrderedDict[str, StoredBody] = OrderedDict()
        self._headers = WarcHeaderReader(store)
        self._look_up_at = 0.0
        self._headers_lock = threading.Lock()
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(
                f"expected a folder for the archive at {self._path}, it cannot be made: "
                f"{error.strerror}; set archive.path to one that can"
            ) from error
        if not os.access(self._path, os.W_OK):
            raise ArchiveError(
                f"the archive folder {self._path} cannot be written: give this user write "
                "permission, or set archive.path to another folder"
            )

    def write(
        self, response: HttpResponse, *, known: tuple[str, int] | None = None
    ) -> tuple[str, int]:
        """Write a response; return file name and offset of its record.

        Args:
            response: A complete response.
            known: ``(file, offset)`` of the record of an earlier copy, if there is one.

        Raises:
            ArchiveError: The disk is full or the file cannot be written.
        """
        digest = sha1(response.body.wire)
        earlier = self._earlier(digest, response, known)
        date = response.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        records = page_records(response, digest, date, earlier)
        with self._lock:
            self._rotate()
            offset = self._append(records)
            name = self._name
            if earlier is None and response.kind == "page":
                self._bodies[digest] = StoredBody(
                    file=name,
                    offset=offset,
                    url=response.target.url,
                    date=date,
                    length=len(response.body.wire),
                )
                if len(self._bodies) > _MAX_REMEMBERED:
                    self._bodies.popitem(last=False)
        return name, offset

    def _earlier(
        self, digest: str, response: HttpResponse, known: tuple[str, int] | None
    ) -> StoredBody | None:
        if response.kind == "not_modified":
            return self._look_up(known, None) if known else None
        if response.kind == "redirect" or not response.body.wire:
            return None
        with self._lock:
            found = self._bodies.get(digest)
        if found is None and known is not None:
            found = self._look_up(known, digest)
        return found if found and found.length == len(response.body.wire) else None

    def _look_up(self, known: tuple[str, int], digest: str | None) -> StoredBody | None:
        """The body of an earlier record, if it has the digest.

        A body whose record cannot be read is stored again.
        """
        if time.monotonic() < self._look_up_at:
            return None
        try:
            with self._headers_lock:
                headers = self._headers.read(*known)
        except BucketUnreachable:
            self._look_up_at = time.monotonic() + _BUCKET_PAUSE_SECONDS
            return None
        except ArchiveError:
            return None
        if headers.get("WARC-Type") == "metadata":
            return None  # erased on request
        if headers.get("WARC-Type") == "revisit":
            earlier = referred_to(headers.get)
            return self._look_up(earlier, digest) if earlier else None
        if digest is not None and headers.get("WARC-Payload-Digest") != digest:
            return None
        return StoredBody(
            file=known[0],
            offset=known[1],
            url=headers.get("WARC-Target-URI", ""),
            date=headers.get("WARC-Date", ""),
            length=int(headers.get("X-Payload-Length", "-1")),
        )

    def _rotate(self) -> None:
        now = self._now()
        day = f"{now:%Y%m%d}"
        if self._file is not None and (self._size >= self._max_bytes or day != self._day):
            self._close()
        if self._file is None:
            self._day = day
            self._size = 0
            try:
                while self._file is None:
                    self._name = f"copydesk-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}.warc.gz"
                    self._file = _open_new(self._path / self._name)
            except OSError as error:
                raise self._write_error(error) from error
            self._append(warcinfo_record(self._name))

    def _append(self, data: bytes) -> int:
        """Write to the end of the file and return the offset; a failed write is undone."""
        assert self._file is not None  # noqa: S101 - _rotate opened it
        offset = self._size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(offset)
            self._file.seek(offset)
            raise self._write_error(error) from error
        self._size += len(data)
        return offset

    def _write_error(self, error: OSError) -> ArchiveError:
        advice = (
            "free some space or set archive.path to another disk"
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            else "check its permissions and its disk"
        )
        return ArchiveError(
            f"the archive file {self._path / self._name} cannot be written: {error.strerror}; "
            f"every earlier record is whole; {advice}"
        )

    def sync(self) -> None:
        """Flush to the disk, so that every record survives a power cut."""
        with self._lock:
            if self._file is not None:
                os.fsync(self._file.fileno())

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.fsync(file.fileno())
            file.close()

    def close(self) -> None:
        """Close the file; another ``write`` begins a new one."""
        with self._lock:
            self._close()
        with self._headers_lock:
            self._headers.close()

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _open_new(path: Path) -> IO[bytes] | None:
    """A new file that is not uploaded before it is closed; ``None`` if an upload was faster."""
    file: IO[bytes] = path.open("xb", buffering=0)
    with suppress(OSError):  # not every network folder has locks; a spool needs them
        fcntl.flock(file, fcntl.LOCK_SH)
    if path.exists():
        return file
    file.close()
    return None
