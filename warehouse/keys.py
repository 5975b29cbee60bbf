"""UUID keys: the first 16 bytes of a SHA-256, as bytes until DuckDB gets them."""

from __future__ import annotations

import re
from hashlib import sha256
from uuid import UUID

_SEPARATOR = "\x1f"
_HASH = re.compile(r"c\d+:[0-9a-f]{64}")


def key_of(*parts: str) -> bytes:
    """Return the key of some strings; another split of the same text has another key."""
    return sha256(_joined(parts).encode()).digest()[:16]


def wide_key_of(*parts: str) -> bytes:
    """Return a key over UTF-16, which Chinese text needs a third of the time for."""
    return sha256(_joined(parts).encode("utf-16-le")).digest()[:16]


def _joined(parts: tuple[str, ...]) -> str:
    text = _SEPARATOR.join(parts)
    if text.count(_SEPARATOR) >= len(parts):  # a part contains the separator: add the lengths
        text = f"{_SEPARATOR}{','.join(map(str, map(len, parts)))}{_SEPARATOR}{text}"
    return text


def content_key(content_hash: str) -> bytes:
    """Return the key of a content hash: its own first 16 bytes.

    Raises:
        ValueError: It is not ``c<number>:`` and 64 hex digits.
    """
    if not _HASH.fullmatch(content_hash):
        raise ValueError(f"expected c1: and 64 hex digits, found {content_hash[:80]!r}")
    return bytes.fromhex(content_hash[-64:-32])


def as_uuid(key: bytes) -> UUID:
    """Return a key in the form in which DuckDB returns it."""
    return UUID(bytes=key)
