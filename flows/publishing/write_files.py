"""Write or compare the files of an export.

A file is replaced only if copydesk wrote it and it was not edited since; the journal
``.copydesk-export.jsonl`` in the folder records what was written. Every file is written under
a temporary name and renamed, and never through a link.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from flows.publishing.documents import atomic_file
from flows.publishing.find_posts import EXTENSIONS
from parsers.frontmatter import distinct_paths
from parsers.frontmatter.file_names import is_inside

JOURNAL = ".copydesk-export.jsonl"


@dataclass(slots=True, kw_only=True)
class ExportResult:
    """The files of an export or of a check, by path relative to its folder.

    Attributes:
        identical: Existing files with the same bytes.
        written: New files.
        updated: Replaced files of an earlier export.
        removed: Files of an earlier export without articles today.
        changed: Files that differ and were left alone, because copydesk did not write them
            or they were edited since; with ``check`` all that differ.
        missing: With ``check``: files that do not exist.
        extra: Posts in the folder that belong to no exported article; left alone.
        failed: Files that could not be written, with the reason.
        differences: For each changed file, the first line that differs.
    """

    identical: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    differences: dict[str, str] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether every exported article is in the folder as it should be."""
        return not (self.changed or self.missing or self.failed)

    def counts(self) -> dict[str, int]:
        """Number of files of each kind."""
        kinds = (
            "identical",
            "written",
            "updated",
            "removed",
            "changed",
            "missing",
            "extra",
            "failed",
        )
        return {kind: len(getattr(self, kind)) for kind in kinds}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file of an export.

    Attributes:
        key: Unique; the article's id for its main file.
        path: Preferred path.
        digest: SHA-256 of its bytes, in hex, if it is written as imported; else empty.
    """

    key: str
    path: str
    digest: str = ""


def write_files(
    plan: Sequence[PlannedFile],
    contents: Iterable[tuple[str, bytes]],
    directory: Path,
    *,
    check: bool = False,
    inside: str = "",
) -> ExportResult:
    """Write or compare files.

    Args:
        plan: All files.
        contents: Key and bytes of each file, in any order.
        directory: The site's folder; made when missing, except with ``check``.
        check: Compare only, write nothing.
        inside: Report extra posts only below this part of ``directory``.
    """
    paths = _paths(plan, directory)
    exported = ExportResult()
    if not check:
        directory.mkdir(parents=True, exist_ok=True)
    with _Journal(directory, is_read_only=check) as journal:
        for key, data in contents:
            path = paths[key]
            if check:
                _compare(directory, path, data, exported)
            else:
                _write(directory, path, data, journal, exported)
    exported.extra = sorted(_posts_in(directory, inside) - set(paths.values()))
    return exported


def _paths(plan: Sequence[PlannedFile], directory: Path) -> dict[str, str]:
    number = Counter(one.path for one in plan)
    # Two imported folders may hold one path: the article whose file exists keeps it.
    keep = {
        one.key
        for one in plan
        if number[one.path] > 1 and one.digest and one.digest == _hash_of(directory, one.path)
    }
    return distinct_paths(((one.key, one.path) for one in plan), keep=frozenset(keep))


def _hash_of(directory: Path, path: str) -> str:
    try:
        return _sha256(_inside(directory, path).read_bytes()) if is_inside(path) else ""
    except OSError:
        return ""


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_exists(directory: Path, path: str) -> bool:
    """Whether a file exists under the path of an import."""
    return is_inside(path) and _inside(directory, path).is_file()


def _inside(directory: Path, path: str) -> Path:
    return directory.joinpath(*path.split("/"))


def _compare(directory: Path, path: str, data: bytes, exported: ExportResult) -> None:
    existing = _existing(directory, path, exported)
    if path in exported.failed:
        return
    if existing is None:
        exported.missing.append(path)
    elif existing == data:
        exported.identical.append(path)
    else:
        exported.changed.append(path)
        exported.differences[path] = _difference(existing, data)


def _write(
    directory: Path, path: str, data: bytes, journal: _Journal, exported: ExportResult
) -> None:
    existing = _existing(directory, path, exported)
    if path in exported.failed:
        return
    if existing == data:
        exported.identical.append(path)
        return
    if existing is not None and not journal.wrote(path, existing):
        exported.changed.append(path)
        exported.differences[path] = _difference(existing, data)
        return
    try:
        file = _inside(directory, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        journal.add(path, data)
        with atomic_file(file) as out:
            out.write(data)
    except OSError as error:
        exported.failed[path] = str(error)
    else:
        (exported.written if existing is None else exported.updated).append(path)


def _existing(directory: Path, path: str, exported: ExportResult) -> bytes | None:
    """The bytes of an existing file; a path that leads through a link fails."""
    file = _inside(directory, path)
    try:
        for part in (file, *file.parents):
            if part == directory:
                break
            if part.is_symlink():
                exported.failed[path] = f"{part} is a link, which copydesk does not follow"
                return None
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        exported.failed[path] = str(error)
        return None


def _difference(existing: bytes, wanted: bytes) -> str:
    found, expected = existing.split(b"\n"), wanted.split(b"\n")
    pairs = zip(expected, found, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        return f"expected {len(expected)} lines, found {len(found)}"
    one, other = (lines[at].decode("utf-8", "replace")[:80] for lines in (expected, found))
    return f"line {at + 1}: expected {one!r}, found {other!r}"


def _posts_in(directory: Path, inside: str) -> set[str]:
    found: set[str] = set()
    for folder, folders, names in os.walk(directory / inside):
        folders[:] = [name for name in folders if name[0] != "."]
        found.update(
            (Path(folder) / name).relative_to(directory).as_posix()
            for name in names
            if Path(name).suffix.casefold() in EXTENSIONS and name[0] != "."
        )
    return found


class _Journal:
    """Path and hash of every file that copydesk wrote into a folder, one JSON line each.

    A line is written before its file, so that a killed export leaves no file without one.
    """

    def __init__(self, directory: Path, *, is_read_only: bool) -> None:
        self._file = directory / JOURNAL
        self._is_read_only = is_read_only
        self._known: dict[str, set[str]] = {}
        self._out: IO[str] | None = None

    def __enter__(self) -> _Journal:
        if self._file.is_symlink():
            raise OSError(f"{self._file} is a link, which copydesk does not follow")
        if self._is_read_only or not self._file.exists():
            return self
        for line in self._file.read_text("utf-8").splitlines():
            try:
                entry = json.loads(line)
                self._known.setdefault(entry["path"], set()).add(entry["sha256"])
            except (ValueError, KeyError, TypeError):
                continue  # the torn last line of a killed export
        return self

    def __exit__(self, *_error: object) -> None:
        if self._out:
            self._out.close()

    def wrote(self, path: str, data: bytes) -> bool:
        return _sha256(data) in self._known.get(path, set())

    def add(self, path: str, data: bytes) -> None:
        if self._out is None:
            self._out = self._file.open("a", encoding="utf-8")
        entry = {"path": path, "sha256": _sha256(data)}
        self._out.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._out.flush()
