"""Decompress pages that are kept as gzip files."""

from __future__ import annotations

import zlib

_GZIP = b"\x1f\x8b"


def gunzip(data: bytes, name: object, *, max_bytes: int) -> bytes:
    """Decompress a gzip file; return other data as it is.

    Raises:
        ValueError: The file is cut, damaged, or larger than ``max_bytes``.
    """
    if not data.startswith(_GZIP):
        return data
    decompressor = zlib.decompressobj(wbits=31)
    try:
        page = decompressor.decompress(data, max_bytes)
    except zlib.error as error:
        raise ValueError(f"{name}: expected a whole gzip file: {error}") from None
    if not decompressor.eof:
        raise ValueError(f"{name}: expected a whole gzip file, found one that is cut or too large")
    return page
