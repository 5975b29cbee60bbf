"""An older snapshot, made equal to the warehouse by writing only the blocks that changed."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from warehouse.block_file import (
    CHECKSUM_BYTES,
    HEAD_BYTES,
    BlockFile,
    UnknownLayout,
    is_sound,
    read_block_file,
)
from warehouse.checkpoint_log import Rewritten, knows, log_file, rewritten_since

_SAMPLE = 256


class NotPatchable(Exception):
    """The copy cannot be patched; the whole file has to be copied."""


@dataclass(slots=True)
class _Patch:
    """One patch: two open files, and the number of bytes written."""

    live: int
    copy: int
    found: BlockFile
    written: int = 0

    def write(self, blocks: Iterable[int]) -> None:
        """Write the blocks whose content differs."""
        header = self.found.header
        for block in blocks:
            offset = header.offset(block)
            content = os.pread(self.live, header.block_bytes, offset)
            if content == os.pread(self.copy, header.block_bytes, offset):
                continue
            is_whole = len(content) == header.block_bytes
            if block not in self.found.free and not (is_whole and is_sound(content)):
                raise NotPatchable(f"block {block} does not match its checksum")
            self._write(content, offset)

    def differing(self, blocks: Iterable[int]) -> Iterator[int]:
        """The blocks whose checksums differ."""
        for block in blocks:
            offset = self.found.header.offset(block)
            checksums = [os.pread(fd, CHECKSUM_BYTES, offset) for fd in (self.live, self.copy)]
            if checksums[0] != checksums[1]:
                yield block

    def end(self) -> None:
        """Set the size, write the headers and sync everything to the disk."""
        size = os.fstat(self.live).st_size
        os.truncate(self.copy, min(size, self.found.header.file_bytes))
        self._write(self.found.head, 0)
        os.fsync(self.copy)

    def _write(self, content: bytes, offset: int) -> None:
        done = 0
        while done < len(content):
            done += os.pwrite(self.copy, content[done:], offset + done)
        self.written += len(content)


def patch(copy: Path, live: int, found: BlockFile, rewritten: Rewritten) -> int:
    """Make an older copy equal to the warehouse; return the number of bytes written.

    Every block that a checkpoint may have written is compared by its content. Of the others,
    which the storage format keeps, a sample is compared by checksum, another one each time.

    Args:
        copy: A file that nothing else has open (``is_alone``). After an error it is of no use.
        live: The open warehouse, in which nothing may be written meanwhile.
        found: The warehouse after its last checkpoint.
        rewritten: What checkpoints may have written since the copy was equal.

    Raises:
        NotPatchable: The blocks contradict the log, or the warehouse changed meanwhile.
        OSError: The disk is full, or a file cannot be read or written.
    """
    count = found.header.block_count
    suspects = {
        *(block for block in rewritten.blocks if block < count),
        *range(rewritten.first_new, count),
        *found.metadata,
    } - found.free
    with copy.open("r+b", buffering=0) as file:
        one = _Patch(live, file.fileno(), found)
        one.write(sorted(suspects))
        others = set(_sample(found)) - suspects - found.free
        if any(one.differing(sorted(others))):
            raise NotPatchable("blocks changed that no recorded checkpoint wrote")
        one.write(one.differing(sorted(found.free)))
        one.end()
        _check(one)
    return one.written


def is_alone(path: Path) -> bool:
    """Return whether nothing else has a file open or another name for it, as the kernel knows it.

    DuckDB's lock on it is no proof: a reader that opened the file twice loses the lock when it
    closes one. A file system that grants a lease in spite of a second descriptor is no proof either.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        second = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _gets_lease(fd):
                return False
        finally:
            os.close(second)
        return _gets_lease(fd) and os.fstat(fd).st_nlink == 1
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class BlockComparison:
    """Numbers of blocks: compared, and different although no checkpoint wrote them."""

    compared: int
    different: int


def compare_blocks(live: Path, snapshot: Path) -> BlockComparison:
    """Compare every block of a snapshot that has to be equal to the warehouse's.

    No connection of this process may have either file open: to close it drops DuckDB's lock.

    Args:
        live: The warehouse, in which nothing may be written meanwhile.
        snapshot: The snapshot; the warehouse may have changed since.

    Raises:
        UnknownLayout: A layout is not known, or it is not known what changed since.
        OSError: A file cannot be read.
    """
    with live.open("rb") as one, snapshot.open("rb") as other:
        files = [one.fileno(), other.fileno()]
        new, old = map(read_block_file, files)
        written = new.free | _written(files[0], new, old, snapshot, log_file(live))
        kept = set(range(min(new.header.block_count, old.header.block_count))) - written
        size = new.header.block_bytes
        different = sum(
            len({os.pread(fd, size, new.header.offset(block)) for fd in files}) > 1
            for block in sorted(kept)
        )
    return BlockComparison(len(kept), different)


def _written(
    live: int, new: BlockFile, old: BlockFile, snapshot: Path, log: Path
) -> frozenset[int]:
    """The blocks that checkpoints may have written since the snapshot."""
    if new.head == old.head:
        return frozenset()
    rewritten = rewritten_since(log, snapshot) if knows(log, live, new) else None
    if rewritten is None:
        raise UnknownLayout("it is not known what changed since")
    new_blocks = range(rewritten.first_new, new.header.block_count)
    return rewritten.blocks | old.metadata | new.metadata | frozenset(new_blocks)


def _sample(found: BlockFile) -> Iterator[int]:
    """Every block in turn, so many for each checkpoint."""
    count = found.header.block_count
    first = found.header.iteration * _SAMPLE
    return ((first + number) % count for number in range(min(_SAMPLE, count)))


def _gets_lease(fd: int) -> bool:
    """Return whether the kernel grants a lease for writing, and return the lease."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # An open of the file would break the lease and send SIGIO, which ends a process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def _check(one: _Patch) -> None:
    """Raise ``NotPatchable`` unless both files are as the checkpoint left the warehouse."""
    if os.pread(one.live, HEAD_BYTES, 0) != one.found.head:
        raise NotPatchable("a checkpoint changed the warehouse meanwhile")
    try:
        if read_block_file(one.copy) == one.found:
            return
    except UnknownLayout as error:
        raise NotPatchable(str(error)) from error
    raise NotPatchable("the list of free blocks was not copied")
