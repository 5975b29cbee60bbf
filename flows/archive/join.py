"""Join closed archive files of one day, byte for byte, so that a year has hundreds of files.

A killed process leaves at most a joined file that no row names, or parts that no row names;
``leftovers`` finds both.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from flows.archive.files import PARTS, Part, part_lists, read_parts
from flows.archive.scan import CUT, scan_records

MAX_PART_BYTES = 64 * 1024 * 1024
"""A larger file stays as it is: to copy it saves nothing."""

MAX_JOINED_BYTES = 512 * 1024 * 1024
_CLOSED_SECONDS = 3600.0
_DAY = re.compile(r"copydesk-(\d{4})(\d{2})(\d{2})-\d{6}-[0-9a-f]{8}\.warc\.gz")
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedFile:
    """A joined file on the disk, and the files that it replaces.

    Attributes:
        path: The file.
        parts: The list of its parts, as a file.
    """

    path: Path
    parts: Path
    members: tuple[Part, ...]

    @property
    def name(self) -> str:
        """Its name, relative to the archive."""
        return self.members[0].joined

    def remaining(self, folder: Path) -> list[Path]:
        """The parts that still exist as files."""
        return [path for one in self.members if (path := folder / one.file).exists()]

    def discard(self) -> None:
        """Remove the joined file; its parts are still there."""
        self.path.unlink(missing_ok=True)
        self.parts.unlink(missing_ok=True)


def joinable_files(folder: Path, *, today: date) -> Iterator[list[Path]]:
    """Yield groups of closed files of one earlier day, each of at least two files."""
    days: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob("copydesk-*.warc.gz")):
        found = _DAY.fullmatch(file.name)
        is_past = found is not None and date(*map(int, found.groups())) < today
        if found and is_past and _is_closed(file) and file.stat().st_size <= MAX_PART_BYTES:
            days["".join(found.groups())].append(file)
    for files in days.values():
        group: list[Path] = []
        size = 0
        for file in files:
            if group and size + file.stat().st_size > MAX_JOINED_BYTES:
                yield group
                group, size = [], 0
            group.append(file)
            size += file.stat().st_size
        if len(group) > 1:
            yield group


def join_files(folder: Path, files: Sequence[Path]) -> JoinedFile | None:
    """Write the records of some files of one day to a new file; the files stay.

    A file with a damaged record is left out, because an operator has to restore it. The cut
    record of a killed process is not copied.

    Returns:
        The joined file; ``None`` when fewer than two files are whole.
    """
    lengths = {file: _whole_bytes(file) for file in files}
    whole = [file for file in files if lengths[file]]
    if len(whole) < 2:
        return None
    day = whole[0].name.split("-")[1]
    target = folder / day[:4] / day[4:6]
    target.mkdir(parents=True, exist_ok=True)
    stem = f"copydesk-{day}-joined-{uuid.uuid4().hex[:8]}"
    path, parts = target / f"{stem}.warc.gz", target / f"{stem}{PARTS}"
    part = path.with_name(path.name + ".part")
    members, offset = [], 0
    with part.open("wb") as joined:
        for file in whole:
            _append(joined.fileno(), file, lengths[file])
            members.append({"file": file.name, "offset": offset, "bytes": lengths[file]})
            offset += lengths[file]
        os.fsync(joined.fileno())
    list_part = parts.with_name(parts.name + ".part")
    with list_part.open("w", encoding="utf-8") as text:
        json.dump(members, text)
        text.flush()
        os.fsync(text.fileno())
    part.replace(path)
    list_part.replace(parts)
    _sync_folder(target)
    return JoinedFile(path=path, parts=parts, members=read_parts(folder, parts))


def leftovers(folder: Path) -> list[JoinedFile]:
    """The joined files of which a part still exists as a file; removes unfinished copies."""
    for part in folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/*.part"):
        part.unlink(missing_ok=True)
    for path in folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/copydesk-*-joined-*.warc.gz"):
        if not path.with_name(path.name.removesuffix(".warc.gz") + PARTS).exists():
            path.unlink()  # killed before its list was written: every part is there
    found = []
    for parts in part_lists(folder):
        path = parts.with_name(parts.name.removesuffix(PARTS) + ".warc.gz")
        members = read_parts(folder, parts)
        if members and any((folder / one.file).exists() for one in members):
            found.append(JoinedFile(path=path, parts=parts, members=members))
    return found


def _is_closed(file: Path) -> bool:
    return not file.is_symlink() and file.stat().st_mtime < time.time() - _CLOSED_SECONDS


def _whole_bytes(file: Path) -> int:
    """The length up to a cut record; 0 when a record is damaged."""
    for record in scan_records(file.parent, file.name):
        if record.kind == CUT:
            return record.offset
        if record.wrong:
            return 0
    return file.stat().st_size


def _append(target: int, file: Path, length: int) -> None:
    with file.open("rb") as source:
        while length:
            piece = source.read(min(length, _COPY_BYTES))
            if not piece:
                raise OSError(f"{file} became shorter while it was copied")
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
            length -= len(piece)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
