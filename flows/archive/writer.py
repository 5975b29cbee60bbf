"""Every fetched page, kept as it came: WARC 1.1 files that other tools read too.

One file per writer, made with O_EXCL, so that several processes can share a folder. A page
is one write of whole gzip members at the end of the file: a killed process leaves at most
one cut member there, and everything before it can be read.

A body that is archived already becomes a revisit record, which names the file and offset of
the first one.
"""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.archive.reader import ArchiveError, WarcHeaderReader
from flows.archive.warc import Place, file_head, page_records, sha1
from flows.fetch.client import HttpResponse

MAX_FILE_BYTES = 256 * 1024 * 1024
_KNOWN = 20_000


class ArchiveWriter:
    """A folder of WARC files, open for writing; safe for threads.

    Args:
        path: The folder; made when missing.
        max_bytes: A file that has grown past this is closed and another begun.
        now: The time of day, aware UTC; a new day begins a new file.

    Raises:
        ArchiveError: The folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_bytes: int = MAX_FILE_BYTES,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._now = now
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._name = ""
        self._day = ""
        self._size = 0
        self._known: OrderedDict[str, Place] = OrderedDict()
        self._heads = WarcHeaderReader(self._path)
        self._reading = threading.Lock()
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveError(
                f"expected a folder for the archive at {self._path}, it cannot be made: "
                f"{error.strerror}; set archive.path to one that can"
            ) from error
        if not os.access(self._path, os.W_OK):
            raise ArchiveError(
                f"the archive folder {self._path} cannot be written; set archive.path to one "
                "that can"
            )

    def write(
        self, answer: HttpResponse, *, known: tuple[str, int] | None = None
    ) -> tuple[str, int]:
        """The file name and offset at which the answer is now kept.

        Args:
            answer: A whole answer.
            known: ``(file, offset)`` of the record of an earlier copy, if there is one.

        Raises:
            ArchiveError: The disk is full or the file cannot be written.
        """
        digest = sha1(answer.body.wire)
        earlier = self._earlier(digest, answer, known)
        date = answer.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        response, request = page_records(answer, digest, date, earlier)
        with self._lock:
            self._rotate()
            offset = self._append(response + request)
            name = self._name
            if earlier is None and answer.kind == "page":
                self._known[digest] = Place(
                    file=name,
                    offset=offset,
                    url=answer.target.url,
                    date=date,
                    length=len(answer.body.wire),
                )
                if len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
        return name, offset

    def _earlier(
        self, digest: str, answer: HttpResponse, known: tuple[str, int] | None
    ) -> Place | None:
        if answer.kind == "redirect" or (answer.kind == "page" and not answer.body.wire):
            return None
        with self._lock:
            place = self._known.get(digest) if answer.kind == "page" else None
        if place is None and known is not None:
            place = self._look_up(known, digest if answer.kind == "page" else None)
        if place is not None and answer.kind == "page" and place.length != len(answer.body.wire):
            return None
        return place

    def _look_up(self, known: tuple[str, int], digest: str | None) -> Place | None:
        """The place of an earlier record, if its body is the same one."""
        try:
            with self._reading:
                head = self._heads.read(*known)
        except ArchiveError:
            return None
        if head.get("WARC-Type") == "metadata":
            return None  # erased on request
        if head.get("WARC-Type") == "revisit":
            file, at = head.get("WARC-Refers-To-Filename"), head.get("WARC-Refers-To-File-Offset")
            return self._look_up((file, int(at)), digest) if file and at else None
        if digest is not None and head.get("WARC-Payload-Digest") != digest:
            return None
        return Place(
            file=known[0],
            offset=known[1],
            url=head.get("WARC-Target-URI", ""),
            date=head.get("WARC-Date", ""),
            length=int(head.get("X-Payload-Length", "-1")),
        )

    def _rotate(self) -> None:
        now = self._now()
        day = f"{now:%Y%m%d}"
        if self._file is not None and (self._size >= self._max_bytes or day != self._day):
            self._close()
        if self._file is None:
            self._name = f"copydesk-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}.warc.gz"
            self._day = day
            self._size = 0
            try:
                self._file = (self._path / self._name).open("xb", buffering=0)
            except OSError as error:
                raise self._trouble(error) from error
            self._append(file_head(self._name))

    def _append(self, data: bytes) -> int:
        """The offset of what was written; a failed write leaves no trace."""
        if self._file is None:
            raise ArchiveError("the archive is closed")
        offset = self._size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(offset)
            self._file.seek(offset)
            raise self._trouble(error) from error
        self._size += len(data)
        return offset

    def _trouble(self, error: OSError) -> ArchiveError:
        advice = (
            "free some space or set archive.path to another disk"
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            else "look at its permissions and its disk"
        )
        return ArchiveError(
            f"the archive file {self._path / self._name} cannot be written: {error.strerror}; "
            f"what was written before is whole; {advice}"
        )

    def sync(self) -> None:
        """Make sure that everything written so far survives a power cut."""
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
        with self._reading:
            self._heads.close()

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
