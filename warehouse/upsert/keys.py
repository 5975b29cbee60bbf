"""UUID keys: the first 16 bytes of a SHA-256, as bytes until DuckDB sees them."""

from __future__ import annotations

import re
from hashlib import sha256
from uuid import UUID

_APART = "\x1f"
_HASH = re.compile(r"c\d+:[0-9a-f]{64}")


def key_of(*parts: str) -> bytes:
    """The key of some strings, none of which can be mistaken for another split of them."""
    return sha256(_joined(parts).encode()).digest()[:16]


def wide_key_of(*parts: str) -> bytes:
    """The same over UTF-16: another key, and for Chinese text made in a third of the time."""
    return sha256(_joined(parts).encode("utf-16-le")).digest()[:16]


def _joined(parts: tuple[str, ...]) -> str:
    text = _APART.join(parts)
    if text.count(_APART) >= len(parts):  # a part holds the mark itself: count lengths too
        text = f"{_APART}{','.join(map(str, map(len, parts)))}{_APART}{text}"
    return text


def content_key(content_hash: str) -> bytes:
    """The key of a content hash: its own first 16 bytes.

    Raises:
        ValueError: It is not ``c<number>:`` and 64 hex digits.
    """
    if not _HASH.fullmatch(content_hash):
        raise ValueError(f"expected c1: and 64 hex digits, found {content_hash[:80]!r}")
    return bytes.fromhex(content_hash[-64:-32])


def as_uuid(key: bytes) -> UUID:
    """The key as DuckDB returns it."""
    return UUID(bytes=key)
