"""Read archived records by file and offset."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from flows.archive.errors import ArchiveError
from flows.archive.stores import ArchiveLocation, store_of
from flows.archive.warc import sha1
from flows.fetch.body import inflate_all
from flows.fetch.errors import FetchError

_BLOCK_BYTES = 4096
_MAX_HEADER_BYTES = 64 * 1024
_MAX_OPEN_FILES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedResponse:
    """An archived response.

    Attributes:
        url: URL that responded.
        status: HTTP status.
        headers: Header fields in order, as received.
        wire: Body as received, compressed if it came so.
        body: Decompressed.
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


def _record_at(stream: IO[bytes], name: str, offset: int) -> Any:
    try:
        stream.seek(offset)
        # warcio takes any bytes inside a compressed file for an old ARC record.
        if name.endswith(".gz") and stream.read(2) not in (b"\x1f\x8b", b""):
            raise ArchiveError(f"{name} holds no record that begins at {offset}")
        stream.seek(offset)
        record = next(iter(ArchiveIterator(stream)), None)
    except (ArchiveLoadFailed, zlib.error, OSError, ValueError) as error:
        raise ArchiveError(f"{name} holds no readable record at {offset}: {error}") from error
    if record is None:
        raise ArchiveError(f"{name} ends before {offset}")
    if record.rec_headers.get_header("WARC-Date") is None:
        raise ArchiveError(f"{name} holds no dated record at {offset}")
    return record


def read_record(where: ArchiveLocation, file: str, offset: int) -> ArchivedResponse:
    """Read a response by the file and offset that ``ArchiveWriter.write`` returned.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    store = store_of(where)
    file, offset = store.locate(file, offset)
    with store.open(file) as stream:
        record = _record_at(stream, store.place(file), offset)
        if record.rec_type == "metadata":
            raise ArchiveError(f"the page at {offset} of {store.place(file)} was erased on request")
        headers, http = record.rec_headers, record.http_headers
        wire = record.raw_stream.read()
    fields = tuple(http.headers) if http else ()
    status = int(http.get_statuscode()) if http else 0
    is_revisit = record.rec_type == "revisit"
    body = b""
    if is_revisit:
        earlier = referred_to(headers.get_header)
        if earlier is None:
            raise ArchiveError(f"the revisit record at {offset} of {file} names no earlier record")
        response = read_record(store, *earlier)
        wire, body = response.wire, response.body
    elif problem := digest_problem(headers.get_header("WARC-Payload-Digest"), wire):
        raise ArchiveError(f"the record in {file} at {offset} is damaged: {problem}")
    if status != 304:
        try:
            body = inflate_all(wire, fields)
        except FetchError as error:
            raise ArchiveError(f"the record in {file} at {offset} is damaged: {error}") from error
    return ArchivedResponse(
        url=headers.get_header("WARC-Target-URI"),
        status=status,
        headers=fields,
        wire=wire,
        body=body,
        fetched_at=datetime.fromisoformat(headers.get_header("WARC-Date")),
        is_revisit=is_revisit,
    )


def referred_to(header: Any) -> tuple[str, int] | None:
    """File and offset of the record that a revisit record takes its body from."""
    file, offset = header("WARC-Refers-To-Filename"), header("WARC-Refers-To-File-Offset")
    return (file, int(offset)) if file and offset else None


def digest_problem(expected: str | None, wire: bytes) -> str:
    """A message if a body does not have the payload digest of its record; else empty."""
    if not expected or not expected.startswith("sha1:") or expected == (found := sha1(wire)):
        return ""
    return f"expected the digest {expected}, found {found}"


def read_warc_headers(where: ArchiveLocation, file: str, offset: int) -> dict[str, str]:
    """Read the WARC headers of a record.

    Raises:
        ArchiveError: There is no such record, or it is damaged.
    """
    with closing(WarcHeaderReader(where)) as reader:
        return reader.read(file, offset)


class WarcHeaderReader:
    """Reads the WARC headers of many records without their bodies; for one thread at a time.

    The files that were read last stay open as long as their names lead to them, so that a
    record costs few short system calls.
    """

    def __init__(self, where: ArchiveLocation) -> None:
        self._store = store_of(where)
        self._open: OrderedDict[str, IO[bytes]] = OrderedDict()

    def read(self, file: str, offset: int) -> dict[str, str]:
        """The WARC headers of the record at an offset.

        Raises:
            ArchiveError: There is no such record, or it is damaged.
        """
        file, offset = self._store.locate(file, offset)
        version, *lines = self._header_block(file, offset).split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        if not version.startswith("WARC/1.") or "WARC-Date" not in headers:
            raise ArchiveError(f"{self._store.place(file)} holds no dated record at {offset}")
        return headers

    def _header_block(self, file: str, offset: int) -> str:
        stream = self._file(file)
        inflater = zlib.decompressobj(31)
        plain, at = b"", offset
        try:
            while (end := plain.find(b"\r\n\r\n")) < 0:
                stream.seek(at)
                piece = stream.read(_BLOCK_BYTES)
                if not piece or inflater.eof or len(plain) > _MAX_HEADER_BYTES:
                    raise ArchiveError(f"{self._store.place(file)} ends in the record at {offset}")
                plain += inflater.decompress(piece, _BLOCK_BYTES)
                at += len(piece) - len(inflater.unconsumed_tail)
        except (OSError, zlib.error) as error:
            raise ArchiveError(
                f"{self._store.place(file)} holds no readable record at {offset}: {error}"
            ) from error
        return plain[:end].decode("utf-8", "replace")

    def _file(self, file: str) -> IO[bytes]:
        if file in self._open and not self._store.is_current(file, self._open[file]):
            self._open.pop(file).close()  # it was moved away or replaced
        if file in self._open:
            self._open.move_to_end(file)
        else:
            self._open[file] = self._store.open(file)
            if len(self._open) > _MAX_OPEN_FILES:
                self._open.popitem(last=False)[1].close()
        return self._open[file]

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()
