"""Pages that were kept as gzip files."""

from __future__ import annotations

import zlib

_GZIP = b"\x1f\x8b"


def gunzip(data: bytes, name: object, *, most: int) -> bytes:
    """The content of a gzip file, of at most so many bytes; other data as they are.

    Raises:
        ValueError: The file is cut or damaged, or too large: part of a page is not a page.
    """
    if not data.startswith(_GZIP):
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        page = unpacker.decompress(data, most)
    except zlib.error as error:
        raise ValueError(f"{name}: expected a whole gzip file: {error}") from None
    if not unpacker.eof:
        raise ValueError(f"{name}: expected a whole gzip file, found one that is cut or too large")
    return page
