"""The archive read again: one page by its place, or every record to verify it."""

from __future__ import annotations

import io
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from flows.archive.warc import sha1
from flows.fetch.body import inflate_all

_PIECE = 4096
_LONGEST_HEAD = 64 * 1024
_MOST_OPEN = 8


class ArchiveError(Exception):
    """The archive cannot be written or read; says which file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedResponse:
    """One page out of the archive.

    Attributes:
        url: The address that answered.
        status: The HTTP status.
        headers: Header fields in order, as received.
        wire: The body as it came, compressed if it came so.
        fetched_at: Aware UTC.
        is_revisit: True when the body comes from an earlier record.
    """

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    wire: bytes
    body: bytes
    fetched_at: datetime
    is_revisit: bool


def _open(path: str | Path, file: str) -> IO[bytes]:
    if Path(file).name != file:
        raise ArchiveError(f"expected the name of a file in {path}, found {file!r}")
    try:
        return (Path(path) / file).open("rb")
    except OSError as error:
        raise ArchiveError(
            f"the archive file {Path(path) / file} cannot be read: {error.strerror}"
        ) from error


def _record_at(stream: IO[bytes], path: str | Path, file: str, offset: int) -> Any:
    try:
        stream.seek(offset)
        # Elsewhere in a compressed file any bytes can look like some old kind of record.
        if file.endswith(".gz") and stream.read(2) not in (b"\x1f\x8b", b""):
            raise ArchiveError(f"{Path(path) / file} holds no record that begins at {offset}")
        stream.seek(offset)
        record = next(iter(ArchiveIterator(stream)), None)
    except (ArchiveLoadFailed, zlib.error, OSError, ValueError) as error:
        raise ArchiveError(
            f"{Path(path) / file} holds no readable record at {offset}: {error}"
        ) from error
    if record is None:
        raise ArchiveError(f"{Path(path) / file} ends before {offset}")
    if record.rec_headers.get_header("WARC-Date") is None:
        raise ArchiveError(f"{Path(path) / file} holds no dated record at {offset}")
    return record


def read_warc_headers(path: str | Path, file: str, offset: int) -> dict[str, str]:
    """The WARC fields of a record.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    with closing(WarcHeaderReader(path)) as heads:
        return heads.read(file, offset)


class WarcHeaderReader:
    """The WARC fields of records by their places; for one thread at a time.

    The files that were read last stay open, and are believed as long as their names lead to
    them: an archived page costs three short system calls.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._open: OrderedDict[str, IO[bytes]] = OrderedDict()

    def read(self, file: str, offset: int) -> dict[str, str]:
        """The fields of the record at a place.

        Raises:
            ArchiveError: There is no such record, or it is damaged.
        """
        plain = self._beginning(file, offset)
        version, *lines = plain.split("\r\n")
        head = dict(line.split(": ", 1) for line in lines if ": " in line)
        if not version.startswith("WARC/1.") or "WARC-Date" not in head:
            raise ArchiveError(f"{Path(self._path) / file} holds no dated record at {offset}")
        return head

    def _beginning(self, file: str, offset: int) -> str:
        """What stands before the first empty line."""
        number = self._file(file).fileno()
        unpacker = zlib.decompressobj(31)
        plain, at = b"", offset
        try:
            while (end := plain.find(b"\r\n\r\n")) < 0:
                piece = os.pread(number, _PIECE, at)
                if not piece or unpacker.eof or len(plain) > _LONGEST_HEAD:
                    raise ArchiveError(f"{Path(self._path) / file} ends in the record at {offset}")
                plain += unpacker.decompress(piece, _PIECE)
                at += len(piece) - len(unpacker.unconsumed_tail)
        except (OSError, zlib.error) as error:
            raise ArchiveError(
                f"{Path(self._path) / file} holds no readable record at {offset}: {error}"
            ) from error
        return plain[:end].decode("utf-8", "replace")

    def _file(self, file: str) -> IO[bytes]:
        if file in self._open and not self._is_there(file):
            self._open.pop(file).close()  # moved away or replaced: what it held counts no more
        if file in self._open:
            self._open.move_to_end(file)
        else:
            self._open[file] = _open(self._path, file)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[file]

    def _is_there(self, file: str) -> bool:
        """Whether the name still leads to the file that is open."""
        try:
            named = (Path(self._path) / file).stat()
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self._open[file].fileno()))

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()


def read_record(path: str | Path, file: str, offset: int) -> ArchivedResponse:
    """One page by the place that ``Archive.write`` returned.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    with _open(path, file) as stream:
        record = _record_at(stream, path, file, offset)
        if record.rec_type == "metadata":
            raise ArchiveError(f"the page at {offset} of {Path(path) / file} was erased on request")
        head = record.rec_headers
        wire = record.raw_stream.read()
        fields = tuple(record.http_headers.headers) if record.http_headers else ()
        status = int(record.http_headers.get_statuscode()) if record.http_headers else 0
    is_revisit = record.rec_type == "revisit"
    if is_revisit:
        first, at = (
            head.get_header("WARC-Refers-To-Filename"),
            head.get_header("WARC-Refers-To-File-Offset"),
        )
        if not first or not at:
            raise ArchiveError(
                f"the record at {offset} of {file} says that nothing changed, and names no "
                "earlier record"
            )
        origin = read_record(path, first, int(at))
        wire = origin.wire
        body = origin.body if status == 304 else inflate_all(wire, fields)
    else:
        _check_digest(head.get_header("WARC-Payload-Digest"), wire, f"{file} at {offset}")
        body = inflate_all(wire, fields)
    return ArchivedResponse(
        url=head.get_header("WARC-Target-URI"),
        status=status,
        headers=fields,
        wire=wire,
        body=body,
        fetched_at=datetime.fromisoformat(head.get_header("WARC-Date")),
        is_revisit=is_revisit,
    )


def _check_digest(named: str | None, wire: bytes, where: str) -> None:
    if named and named.startswith("sha1:") and named != sha1(wire):
        raise ArchiveError(
            f"the record in {where} is damaged: expected {named}, found {sha1(wire)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What ``verify`` found.

    Attributes:
        files: Archive files read.
        records: Records whose digests are right.
        cut: Files that end in the middle of a record, with the offset it begins at; the
            trace of a killed process, and no loss of what was reported as kept.
        damaged: One line per record or file that is not as it was written.
    """

    files: int
    records: int
    cut: tuple[tuple[str, int], ...]
    damaged: tuple[str, ...]


def verify(path: str | Path) -> Verified:
    """Every record of every file read and its digests compared."""
    files = records = 0
    cut: list[tuple[str, int]] = []
    damaged: list[str] = []
    for file in sorted(Path(path).glob("*.warc.gz")):
        files += 1
        good, end, trouble = _verify_file(file)
        records += good
        damaged += trouble
        if end is not None:
            cut.append((file.name, end))
    return Verified(files=files, records=records, cut=tuple(cut), damaged=tuple(damaged))


def _members(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Offset and plain bytes of each gzip member; ``None`` for one that is cut."""
    offset = 0
    buffer = b""
    while True:
        unpacker = zlib.decompressobj(31)
        plain: list[bytes] = []
        size = 0
        while not unpacker.eof:
            piece = buffer or stream.read(1 << 16)
            buffer = b""
            if not piece:
                if size:
                    yield offset, None
                return
            size += len(piece)
            plain.append(unpacker.decompress(piece))
        buffer = unpacker.unused_data
        yield offset, b"".join(plain)
        offset += size - len(buffer)


def _verify_file(file: Path) -> tuple[int, int | None, list[str]]:
    good = 0
    at = 0
    damaged: list[str] = []
    try:
        with file.open("rb") as stream:
            for at, plain in _members(stream):
                if plain is None:
                    return good, at, damaged
                wrong = _verify_member(plain)
                if wrong:
                    damaged.append(f"{file.name} at {at}: {wrong}")
                else:
                    good += 1
    except (OSError, zlib.error) as error:
        damaged.append(f"{file.name} after {at}: {error}")
    return good, None, damaged


def _verify_member(plain: bytes) -> str:
    try:
        iterator = ArchiveIterator(io.BytesIO(plain), check_digests=True)
        for record in iterator:
            record.content_stream().read() if record.rec_type == "response" else record.raw_stream.read()
            if record.digest_checker.passed is False:
                return "; ".join(record.digest_checker.problems)
    except (ArchiveLoadFailed, ValueError) as error:
        return str(error)
    return ""
