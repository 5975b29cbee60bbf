"""One page taken out of the archive, in its place: every other record stays where it is.

A record is a gzip member of its own, and rows and other records name it by its offset. So
it is overwritten with a member of the very same length: a small record that says what
happened, padded in the comment field that every gzip header may have.
"""

from __future__ import annotations

import os
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.archive.reader import ArchiveError, read_warc_headers

_CHUNK = 1 << 16
_HAS_COMMENT = 0x10


def redact_record(path: str | Path, file: str, offset: int) -> bool:
    """Overwrite the record at a place; False when it was erased before.

    Safe while another process appends to the file. The bytes are on the disk for good
    when this returns.

    Raises:
        ArchiveError: There is no such record, it is damaged, or the file may not be written.
    """
    head = read_warc_headers(path, file, offset)
    if head.get("WARC-Type") == "metadata":
        return False
    place = Path(path) / file
    try:
        with place.open("rb+", buffering=0) as stream:
            length = _length(stream, offset)
            os.pwrite(stream.fileno(), _notice(head.get("WARC-Date", ""), length, place), offset)
            os.fsync(stream.fileno())
    except OSError as error:
        raise ArchiveError(
            f"the archive file {place} cannot be written: {error.strerror}; the record at "
            f"{offset} is as it was"
        ) from error
    return True


def _length(stream: IO[bytes], offset: int) -> int:
    """How many bytes the gzip member at an offset takes."""
    stream.seek(offset)
    unpacker = zlib.decompressobj(31)
    length = 0
    while not unpacker.eof:
        piece = stream.read(_CHUNK)
        if not piece:
            raise ArchiveError(f"the record at {offset} of {stream.name} is cut")
        unpacker.decompress(piece)
        length += len(piece)
    return length - len(unpacker.unused_data)


def _notice(date: str, length: int, place: Path) -> bytes:
    """A gzip member of exactly this length with a record that says what happened."""
    words = f"erased on request, {datetime.now(UTC):%Y-%m-%d}\r\n".encode()
    record = (
        f"WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: <urn:uuid:{uuid.uuid4()}>\r\n"
        f"WARC-Date: {date}\r\nContent-Type: text/plain\r\nContent-Length: {len(words)}\r\n\r\n"
    ).encode() + words + b"\r\n\r\n"  # fmt: skip
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(record) + packer.flush()
    tail = packed + zlib.crc32(record).to_bytes(4, "little") + len(record).to_bytes(4, "little")
    head = bytes([0x1F, 0x8B, 8, _HAS_COMMENT, 0, 0, 0, 0, 0, 255])
    room = length - len(head) - len(tail) - 1
    if room < 0:
        raise ArchiveError(f"a record of {place} is too short to be overwritten")
    return head + b" " * room + b"\0" + tail
