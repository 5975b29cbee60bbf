"""Scan archive files from end to end: every record of a file, checked, in one pass."""

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

from flows.archive.errors import ArchiveError, BucketUnreachable
from flows.archive.reader import digest_problem, referred_to
from flows.archive.stores import ArchiveLocation, FolderStore, store_of
from flows.fetch.body import inflate_all
from flows.fetch.errors import FetchError

CUT = "cut"
_BLOCK_BYTES = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b\x08"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """One record of an archive file.

    Attributes:
        offset: Offset of its first byte.
        kind: ``response``, ``revisit``, ``request``, ``metadata`` (an erased page) or
            ``warcinfo``; empty when it cannot be read; ``cut`` when a killed process left
            the last record of the file incomplete.
        url: URL that responded.
        status: HTTP status; 0 without one.
        digest: SHA-256 of the decoded body, in hex; of responses only.
        origin: File and offset of the record that a revisit takes its body from.
        wrong: How the record differs from what was written; empty when it does not.
    """

    offset: int
    kind: str = ""
    url: str = ""
    status: int = 0
    digest: str | None = None
    origin: tuple[str, int] | None = None
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """Result of ``verify``.

    Attributes:
        files: Archive files read.
        records: Records whose digests are right.
        cut: Files that end in the middle of a record, with its offset. A killed process
            leaves such a file; every record that it reported as stored is whole.
        damaged: One message per record or file that differs from what was written.
    """

    files: int
    records: int
    cut: tuple[tuple[str, int], ...]
    damaged: tuple[str, ...]


def verify(path: Path) -> VerifyResult:
    """Read every record of an archive file, or of a folder of them, and check its digest."""
    store = FolderStore(path.parent if path.is_file() else path)
    files = [path.name] if path.is_file() else store.names()
    count = 0
    cut: list[tuple[str, int]] = []
    damaged: list[str] = []
    for file in files:
        for record in scan_records(store, file):
            if record.wrong:
                damaged.append(f"{Path(file).name} at {record.offset}: {record.wrong}")
            elif record.kind == CUT:
                cut.append((Path(file).name, record.offset))
            else:
                count += 1
    return VerifyResult(files=len(files), records=count, cut=tuple(cut), damaged=tuple(damaged))


def scan_records(where: ArchiveLocation, file: str) -> Iterator[ArchiveRecord]:
    """Yield every record of an archive file in order; one is in memory at a time.

    After a damaged record the scan continues with the next readable one.
    """
    at: int | None = 0
    try:
        with store_of(where).open(file) as stream:
            while at is not None:
                plain, end, problem = _member(stream, at)
                if problem:
                    yield ArchiveRecord(offset=at, wrong=problem)
                    at = _next_record(stream, at + 1)
                elif end is None:
                    if plain is not None:
                        yield ArchiveRecord(offset=at, kind=CUT)
                    return
                else:
                    yield _parse(at, plain or b"")
                    at = end
    except BucketUnreachable:
        raise  # the file may be whole
    except (ArchiveError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        yield ArchiveRecord(offset=at or 0, wrong=f"the file cannot be read: {reason}")


def _member(stream: IO[bytes], at: int) -> tuple[bytes | None, int | None, str]:
    """The gzip member at an offset: its plain bytes, its end, its problem.

    The end of the file has neither bytes nor an end; a cut member has bytes but no end.
    """
    stream.seek(at)
    inflater = zlib.decompressobj(31)
    plain: list[bytes] = []
    size = 0
    while not inflater.eof:
        piece = stream.read(_BLOCK_BYTES)
        if not piece:
            return (b"".join(plain) if size else None), None, ""
        size += len(piece)
        try:
            plain.append(inflater.decompress(piece))
        except zlib.error as error:
            return None, None, str(error)
    return b"".join(plain), at + size - len(inflater.unused_data), ""


def _next_record(stream: IO[bytes], at: int) -> int | None:
    """The offset of the next gzip member that begins like a WARC record."""
    stream.seek(at)
    kept = b""
    while piece := stream.read(_BLOCK_BYTES):
        kept += piece
        found = -1
        while (found := kept.find(_GZIP_MAGIC, found + 1)) >= 0:
            with suppress(zlib.error):
                if zlib.decompressobj(31).decompress(kept[found : found + 4096], 5) == b"WARC/":
                    return at + found
        cut = max(0, len(kept) - 4096)
        kept, at = kept[cut:], at + cut
    return None


def _parse(at: int, plain: bytes) -> ArchiveRecord:
    try:
        record = next(iter(ArchiveIterator(io.BytesIO(plain))), None)
        if record is None:
            return ArchiveRecord(offset=at, wrong="empty")
        headers, http, wire = record.rec_headers, record.http_headers, record.raw_stream.read()
        status = http.get_statuscode() if http else ""
        digest, problem = None, ""
        if record.rec_type == "response":
            problem = digest_problem(headers.get_header("WARC-Payload-Digest"), wire)
            digest = sha256(inflate_all(wire, tuple(http.headers) if http else ())).hexdigest()
        return ArchiveRecord(
            offset=at,
            kind=record.rec_type,
            url=headers.get_header("WARC-Target-URI") or "",
            status=int(status) if status.isdigit() else 0,
            digest=digest,
            origin=referred_to(headers.get_header),
            wrong=problem,
        )
    except (ArchiveLoadFailed, FetchError, zlib.error, ValueError) as error:
        return ArchiveRecord(offset=at, wrong=str(error))
