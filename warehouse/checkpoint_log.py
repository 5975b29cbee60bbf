"""The log of checkpoints: which blocks of the warehouse may have changed since a publication.

A line for each checkpoint holds the blocks that were free after it: only these, new blocks and
blocks of metadata can be different after the next one (see block_file). Lines of publications
name a snapshot and its checkpoint. Where a checkpoint has no line, because another program wrote
or the file was replaced, the log starts again, and the next publication copies the whole file.
So the log can always be deleted.

The file stays open as long as DuckDB has it open: to close it would drop DuckDB's lock.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from warehouse.block_file import (
    CHECKSUM_BYTES,
    HEAD_BYTES,
    BlockFile,
    UnknownLayout,
    read_block_file,
)

_MAX_LINES = 600
_MAX_BYTES = 1_000_000

_Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Blocks that checkpoints may have written.

    Attributes:
        blocks: Numbers of blocks.
        first_new: This block and all behind it were written, too.
    """

    blocks: frozenset[int]
    first_new: int


def log_file(path: Path) -> Path:
    """Return the log of a warehouse."""
    return path.with_name(path.name + ".checkpoints")


class CheckpointLog:
    """The log of a warehouse that this process holds."""

    def __init__(self, path: Path) -> None:
        """Open the file and record its last checkpoint.

        Raises:
            OSError: The file cannot be read.
        """
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = log_file(path)
        self._mutex = Lock()
        self._current: BlockFile | None = None
        self._last = _last_line(self._path, self._file())
        self.record()

    def close(self) -> None:
        """Close the file, after DuckDB has closed it."""
        os.close(self.fd)

    def is_of(self, path: Path) -> bool:
        """Return whether the file at ``path`` is still the one that this log has open."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self.fd), path.stat())
        return False

    def record(self) -> BlockFile | None:
        """Record the last checkpoint, if it is new; return the file as it left it.

        Returns ``None``, and starts the log again, where the layout is not known.
        """
        with self._mutex:
            try:
                if self._current and self._current.head == os.pread(self.fd, HEAD_BYTES, 0):
                    return self._current
                self._current = read_block_file(self.fd)
                self._append(_checkpoint_line(self._current))
            except (UnknownLayout, OSError):
                self._current = self._last = None
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
            return self._current

    def record_publication(self, snapshot: Path, iteration: int) -> None:
        """Record that a snapshot holds the warehouse as a checkpoint left it."""
        with self._mutex, suppress(OSError):
            if self._last:
                _append(self._path, {**_stamp(snapshot), "iteration": iteration})

    def iteration_of(self, snapshot: Path) -> int | None:
        """Return the checkpoint that a snapshot holds; ``None`` if the log does not know it."""
        with self._mutex:
            return iteration_of(self._path, snapshot) if self._last else None

    def rewritten_since(self, snapshot: Path) -> Rewritten | None:
        """Return what checkpoints may have written since a snapshot; ``None`` if not known."""
        with self._mutex:
            return rewritten_since(self._path, snapshot) if self._last else None

    def _append(self, line: _Line) -> None:
        if line == self._last:
            return
        if self._last and line["iteration"] == self._last["iteration"] + 1:
            _append(self._path, line)
        else:
            _write(self._path, [self._file(), line])
        self._last = line

    def _file(self) -> _Line:
        return _file_line(self.fd)


def iteration_of(log: Path, snapshot: Path) -> int | None:
    """Return the checkpoint that a snapshot holds, if its file is as it was published."""
    return _iteration_of(_lines(log), snapshot)


def rewritten_since(log: Path, snapshot: Path) -> Rewritten | None:
    """Return what all checkpoints in a log may have written since a snapshot."""
    lines = _lines(log)
    iteration = _iteration_of(lines, snapshot)
    if iteration is None:
        return None
    checkpoints = [one for one in lines if "free" in one and one["iteration"] >= iteration]
    if not checkpoints or checkpoints[0]["iteration"] != iteration:
        return None
    before = checkpoints[:-1]
    return Rewritten(
        frozenset(block for one in before for block in _numbers(one["free"])),
        min(one["blocks"] for one in before or checkpoints),
    )


def _iteration_of(lines: list[_Line], snapshot: Path) -> int | None:
    with suppress(OSError):
        stamp = _stamp(snapshot)
        for line in reversed(lines):
            if line.get("snapshot") == snapshot.name:
                return int(line["iteration"]) if line | stamp == line else None
    return None


def _stamp(snapshot: Path) -> _Line:
    """Return what changes when a file is written."""
    found = snapshot.stat()
    return {"snapshot": snapshot.name, "bytes": found.st_size, "changed_ns": found.st_mtime_ns}


def knows(log: Path, fd: int, found: BlockFile) -> bool:
    """Return whether the last checkpoint of an open warehouse is the last one in a log."""
    lines = _lines(log)
    checkpoints = [one for one in lines if "free" in one]
    return lines[:1] == [_file_line(fd)] and checkpoints[-1:] == [_checkpoint_line(found)]


def _last_line(log: Path, file: _Line) -> _Line | None:
    """Return the last checkpoint in the log of ``file``; make a long log shorter."""
    lines = _lines(log)
    checkpoints = [one for one in lines if "free" in one]
    if not checkpoints or lines[0] != file:
        return None
    with suppress(OSError):
        if len(lines) > _MAX_LINES or log.stat().st_size > _MAX_BYTES:
            _write(log, [file, *lines[len(lines) // 2 + 1 :], checkpoints[-1]])
    return checkpoints[-1]


def _file_line(fd: int) -> _Line:
    """The file, and the checksum of its first header, which holds an id that DuckDB drew."""
    found = os.fstat(fd)
    checksum = int.from_bytes(os.pread(fd, CHECKSUM_BYTES, 0), "little")
    return {"file": [found.st_dev, found.st_ino, checksum]}


def _checkpoint_line(found: BlockFile) -> _Line:
    return {
        "iteration": found.header.iteration,
        "blocks": found.header.block_count,
        "free": list(_ranges(sorted(found.free))),
    }


def _ranges(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Join numbers to pairs of the first and the last of a range."""
    pair: list[int] = []
    for number in numbers:
        if pair and number == pair[1] + 1:
            pair[1] = number
        else:
            if pair:
                yield pair
            pair = [number, number]
    if pair:
        yield pair


def _numbers(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def _lines(log: Path) -> list[_Line]:
    """Return the lines of a log; none if one of them cannot be read."""
    try:
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    except (OSError, ValueError):
        return []
    return lines if all(isinstance(one, dict) for one in lines) else []


def _append(log: Path, line: _Line) -> None:
    with log.open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def _write(log: Path, lines: Iterable[_Line]) -> None:
    fresh = log.with_name(log.name + ".new")
    fresh.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in lines))
    fresh.replace(log)
