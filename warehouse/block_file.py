"""A file of DuckDB by its blocks: header, checksums, and the list of free blocks.

Facts of the storage format, as DuckDB 1.5.5 and 2.0.1 write it; integers are little-endian:

- Three headers of 4,096 bytes: one for the file, then two that take turns. Each begins with its
  checksum. The one with the higher iteration counts; a checkpoint writes the other one, last.
- Then blocks of equal size. The first 8 bytes of a block are the checksum of the rest.
- A checkpoint never writes into a block in use, except into blocks of metadata. It writes into
  blocks that were free after the checkpoint before, and into new ones at the end.
- A block of metadata has 64 parts. A list is a chain of parts: a pointer to the next one, then
  its bytes. A pointer is the number of the block and, in its highest byte, that of the part.
- The chain of the free list holds the free blocks, the blocks used more than once, and the
  blocks of metadata, each list behind its length.

The checksum is an exclusive or over the words of 8 bytes, so it misses words that changed their
places or changed in pairs: two blocks with one checksum can differ.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

import numpy as np

HEADER_BYTES = 4096
HEAD_BYTES = 3 * HEADER_BYTES
CHECKSUM_BYTES = 8

_MAGIC = b"DUCK"
_KNOWN_VERSIONS = (68,)  # what instance.STORAGE_VERSION makes
_KNOWN_BLOCK_BYTES = (1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18)

_FILE_HEADER = struct.Struct("<Q4sQ4Q")  # checksum, magic, version, flags
_HEADER = struct.Struct("<6Q")  # checksum, iteration, tables, free list, blocks, bytes of a block
_POINTER = struct.Struct("<Q")
_FREE = np.dtype("<i8")
_SHARED = np.dtype([("block", "<i8"), ("uses", "<u4")])
_METADATA = np.dtype([("block", "<i8"), ("free_parts", "<u8")])

_NO_POINTER = (1 << 64) - 1
_PARTS = 64
_PART_SHIFT = 56
_SEED = 5381
_FACTOR = np.uint64(0xBF58476D1CE4E5B9)


class UnknownLayout(Exception):
    """The file is not laid out as this module knows it, or it changed during the read."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header that counts.

    Attributes:
        iteration: The number of the last checkpoint.
        tables: A pointer to the catalog.
        free_list: A pointer to the list of free blocks.
        block_count: The number of blocks, free ones too.
        block_bytes: The size of a block.
    """

    iteration: int
    tables: int
    free_list: int
    block_count: int
    block_bytes: int

    @property
    def file_bytes(self) -> int:
        """The size of the file; free blocks at the end may be missing."""
        return HEAD_BYTES + self.block_count * self.block_bytes

    def offset(self, block: int) -> int:
        """Return where a block begins."""
        return HEAD_BYTES + block * self.block_bytes


@dataclass(frozen=True, slots=True)
class BlockFile:
    """A file after a checkpoint.

    Attributes:
        head: The bytes of the three headers.
        header: The header that counts.
        free: The blocks that nothing uses.
        metadata: The blocks that a checkpoint may write in place.
    """

    head: bytes
    header: Header
    free: frozenset[int]
    metadata: frozenset[int]


def newest_header(head: bytes) -> Header:
    """Return the header that counts; its checksum is not compared.

    Raises:
        UnknownLayout: The bytes are fewer than three headers.
    """
    if len(head) < HEAD_BYTES:
        raise UnknownLayout("the file has no header")
    headers = [Header(*_HEADER.unpack_from(head, number * HEADER_BYTES)[1:]) for number in (1, 2)]
    return max(headers, key=lambda one: one.iteration)


def read_block_file(fd: int) -> BlockFile:
    """Read the headers and the list of free blocks.

    Raises:
        UnknownLayout: Another storage version, an encrypted file, or a damaged one.
        OSError: The file cannot be read.
    """
    head = os.pread(fd, HEAD_BYTES, 0)
    header = newest_header(head)
    _check_head(head, header)
    free, metadata = _read_lists(fd, header)
    if os.pread(fd, HEAD_BYTES, 0) != head:
        raise UnknownLayout("a checkpoint changed the file during the read")
    return BlockFile(head, header, free, metadata)


def checksum(content: bytes | memoryview) -> int:
    """Return DuckDB's checksum of whole words of 8 bytes."""
    words = np.frombuffer(content, dtype="<u8")
    return int(np.bitwise_xor.reduce(words * _FACTOR)) ^ _SEED


def is_sound(block: bytes) -> bool:
    """Return whether a block has the checksum that it begins with."""
    stored = int.from_bytes(block[:CHECKSUM_BYTES], "little")
    return checksum(memoryview(block)[CHECKSUM_BYTES:]) == stored


def _check_head(head: bytes, header: Header) -> None:
    _, magic, version, *flags = _FILE_HEADER.unpack_from(head)
    if magic != _MAGIC or version not in _KNOWN_VERSIONS or any(flags):
        raise UnknownLayout(f"storage version {version} with flags {flags}")
    if header.block_bytes not in _KNOWN_BLOCK_BYTES:
        raise UnknownLayout(f"blocks of {header.block_bytes} bytes")
    newest = 1 if _HEADER.unpack_from(head, HEADER_BYTES)[1] == header.iteration else 2
    for number in (0, newest):
        if not is_sound(head[number * HEADER_BYTES : (number + 1) * HEADER_BYTES]):
            raise UnknownLayout("a header does not match its checksum")


def _read_lists(fd: int, header: Header) -> tuple[frozenset[int], frozenset[int]]:
    if header.free_list == _NO_POINTER:
        raise UnknownLayout("no list of free blocks")
    content, chain = _read_chain(fd, header)
    free, content = _take(content, _FREE)
    _, content = _take(content, _SHARED)
    metadata, _ = _take(content, _METADATA)
    free_blocks = frozenset(free.tolist())
    metadata_blocks = frozenset(metadata["block"].tolist())
    named = free_blocks | metadata_blocks
    if (
        len(named) != len(free) + len(metadata)
        or (named and not 0 <= min(named) <= max(named) < header.block_count)
        or not chain | {header.tables & ((1 << _PART_SHIFT) - 1)} <= metadata_blocks
    ):
        raise UnknownLayout("the list of free blocks contradicts the header")
    return free_blocks, metadata_blocks


def _read_chain(fd: int, header: Header) -> tuple[bytes, set[int]]:
    """Read the parts of a chain; return the bytes and the blocks they are in."""
    part_bytes = (header.block_bytes - CHECKSUM_BYTES) // _PARTS // 8 * 8
    pointer, seen, blocks, content = header.free_list, set[int](), set[int](), bytearray()
    while pointer != _NO_POINTER:
        block, part = pointer & ((1 << _PART_SHIFT) - 1), pointer >> _PART_SHIFT
        if pointer in seen or block >= header.block_count or part >= _PARTS:
            raise UnknownLayout("the list of free blocks leads out of the file")
        seen.add(pointer)
        blocks.add(block)
        at = header.offset(block) + CHECKSUM_BYTES + part * part_bytes
        found = os.pread(fd, part_bytes, at)
        if len(found) < part_bytes:
            raise UnknownLayout("the file is cut")
        (pointer,) = _POINTER.unpack_from(found)
        content += found[_POINTER.size :]
    return bytes(content), blocks


def _take(content: bytes, kind: np.dtype[np.generic]) -> tuple[np.ndarray, bytes]:
    """Return the list at the beginning, and the bytes behind it."""
    if len(content) < _POINTER.size:
        raise UnknownLayout("the list of free blocks is cut")
    (count,) = _POINTER.unpack_from(content)
    end = _POINTER.size + count * kind.itemsize
    if end > len(content):
        raise UnknownLayout("the list of free blocks is cut")
    return np.frombuffer(content, kind, count, _POINTER.size), content[end:]
