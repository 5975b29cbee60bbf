"""The archive from end to end: every record of a file, checked, in one pass."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from flows.archive.reader import ArchiveError
from flows.archive.warc import sha1
from flows.fetch.body import inflate_all
from flows.fetch.errors import FetchError

CUT = "cut"
_PIECE = 1 << 16
_MAGIC = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """One record of an archive file.

    Attributes:
        offset: Where it begins.
        kind: ``response``, ``revisit``, ``request``, ``metadata`` (a page that was erased),
            ``warcinfo``; empty when it cannot be read, ``cut`` when a killed process left
            the end of the file unfinished.
        url: The address that answered.
        status: The HTTP status; 0 when there is none.
        digest: SHA-256 of the decoded body, in hex; of responses only.
        origin: File and offset of the record a revisit takes its body from.
        wrong: What is not as it was written; empty when all is well.
    """

    offset: int
    kind: str = ""
    url: str = ""
    status: int = 0
    digest: str | None = None
    origin: tuple[str, int] | None = None
    wrong: str = ""


def scan_records(file: Path) -> Iterator[ArchiveRecord]:
    """Every record of a file in order, one in memory at a time.

    Behind a damaged record the next one that can be read is looked for.
    """
    at: int | None = 0
    try:
        with file.open("rb") as stream:
            while at is not None:
                plain, end, wrong = _member(stream, at)
                if wrong:
                    yield ArchiveRecord(offset=at, wrong=wrong)
                    at = _next(stream, at + 1)
                elif end is None:
                    if plain is not None:
                        yield ArchiveRecord(offset=at, kind=CUT)
                    return
                else:
                    yield _read(at, plain or b"")
                    at = end
    except OSError as error:
        yield ArchiveRecord(offset=at or 0, wrong=f"the file cannot be read: {error.strerror}")


def _member(stream: IO[bytes], at: int) -> tuple[bytes | None, int | None, str]:
    """The gzip member at a place: its plain bytes, where it ends, what is wrong with it.

    At the end of the file there are neither bytes nor an end; a cut one has bytes alone.
    """
    stream.seek(at)
    unpacker = zlib.decompressobj(31)
    plain: list[bytes] = []
    size = 0
    while not unpacker.eof:
        piece = stream.read(_PIECE)
        if not piece:
            return (b"".join(plain) if size else None), None, ""
        size += len(piece)
        try:
            plain.append(unpacker.decompress(piece))
        except zlib.error as error:
            return None, None, str(error)
    return b"".join(plain), at + size - len(unpacker.unused_data), ""


def _next(stream: IO[bytes], at: int) -> int | None:
    """Where the next record begins that looks like one."""
    stream.seek(at)
    kept = b""
    while piece := stream.read(_PIECE):
        kept += piece
        place = -1
        while (place := kept.find(_MAGIC, place + 1)) >= 0:
            with suppress(zlib.error):
                if zlib.decompressobj(31).decompress(kept[place : place + 4096], 5) == b"WARC/":
                    return at + place
        cut = max(0, len(kept) - 4096)
        kept, at = kept[cut:], at + cut
    return None


def _read(at: int, plain: bytes) -> ArchiveRecord:
    try:
        record = next(iter(ArchiveIterator(io.BytesIO(plain))), None)
        if record is None:
            return ArchiveRecord(offset=at, wrong="empty")
        head, wire = record.rec_headers, record.raw_stream.read()
        first = head.get_header("WARC-Refers-To-Filename")
        place = head.get_header("WARC-Refers-To-File-Offset")
        status = record.http_headers.get_statuscode() if record.http_headers else ""
        digest, wrong = None, ""
        if record.rec_type == "response":
            named = head.get_header("WARC-Payload-Digest")
            if named and named.startswith("sha1:") and named != (is_now := sha1(wire)):
                wrong = f"its digest was {named} and is {is_now}"
            fields = tuple(record.http_headers.headers) if record.http_headers else ()
            digest = sha256(inflate_all(wire, fields)).hexdigest()
        return ArchiveRecord(
            offset=at,
            kind=record.rec_type,
            url=head.get_header("WARC-Target-URI") or "",
            status=int(status) if status.isdigit() else 0,
            digest=digest,
            origin=(first, int(place)) if first and place else None,
            wrong=wrong,
        )
    except (ArchiveLoadFailed, ArchiveError, FetchError, zlib.error, ValueError) as error:
        return ArchiveRecord(offset=at, wrong=str(error))
