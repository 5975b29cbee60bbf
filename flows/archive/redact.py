"""Redact one archived page in its place; every other record keeps its offset.

A record is a gzip member of its own, and rows and other records refer to it by its offset. So
a member of the same length overwrites it: a small record that names the reason, padded in the
comment field of the gzip header.
"""

from __future__ import annotations

import os
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flows.archive.errors import ArchiveError
from flows.archive.reader import read_warc_headers
from flows.archive.stores import ArchiveLocation, store_of

_BLOCK_BYTES = 1 << 16
_HAS_COMMENT = 0x10


def redact_record(where: ArchiveLocation, file: str, offset: int) -> bool:
    """Overwrite the record at an offset; False when it was erased before.

    Raises:
        ArchiveError: There is no such record, it is damaged, or the file may not be written.
    """
    store = store_of(where)
    file, offset = store.locate(file, offset)
    with store.editable(file) as path:
        return overwrite_record(path, offset)


def overwrite_record(name: Path, offset: int) -> bool:
    """Overwrite the record at an offset of a file; False when it was erased before.

    Safe while another process appends to the file. The change is on disk on return.

    Raises:
        ArchiveError: There is no such record, it is damaged, or the file may not be written.
    """
    headers = read_warc_headers(name.parent, name.name, offset)
    if headers.get("WARC-Type") == "metadata":
        return False
    try:
        with name.open("rb+", buffering=0) as stream:
            notice = _notice(headers.get("WARC-Date", ""), _length(stream, offset), name)
            os.pwrite(stream.fileno(), notice, offset)
            os.fsync(stream.fileno())
    except OSError as error:
        raise ArchiveError(
            f"the archive file {name} cannot be written: {error.strerror}; the record at "
            f"{offset} is unchanged"
        ) from error
    return True


def _length(stream: IO[bytes], offset: int) -> int:
    """The size of the gzip member at an offset, in bytes."""
    stream.seek(offset)
    inflater = zlib.decompressobj(31)
    length = 0
    while not inflater.eof:
        piece = stream.read(_BLOCK_BYTES)
        if not piece:
            raise ArchiveError(f"the record at {offset} of {stream.name} is cut")
        inflater.decompress(piece)
        length += len(piece)
    return length - len(inflater.unused_data)


def _notice(date: str, length: int, name: Path) -> bytes:
    """A gzip member of exactly this length with a record that names the reason."""
    text = f"erased on request, {datetime.now(UTC):%Y-%m-%d}\r\n".encode()
    record = (
        f"WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: <urn:uuid:{uuid.uuid4()}>\r\n"
        f"WARC-Date: {date}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
    ).encode() + text + b"\r\n\r\n"  # fmt: skip
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(record) + packer.flush()
    tail = packed + zlib.crc32(record).to_bytes(4, "little") + len(record).to_bytes(4, "little")
    head = bytes([0x1F, 0x8B, 8, _HAS_COMMENT, 0, 0, 0, 0, 0, 255])
    padding = length - len(head) - len(tail) - 1
    if padding < 0:
        raise ArchiveError(f"a record of {name} is too short to be overwritten")
    return head + b" " * padding + b"\0" + tail
