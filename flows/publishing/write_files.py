"""Articles to files: posts of a dialect.

An article that was imported and has not changed since goes back as the very bytes it
came from. Three rules decide what stands where:

1. When an article's own file stands in DIR under the path it was imported from, it is
   compared with that file, whatever dialect was asked for.
2. Otherwise an article imported in the asked dialect is written as it came.
3. Any other is written in the asked dialect's current form.

A file is replaced only if this module wrote it and nobody edited it since; the journal
``.copydesk-export.jsonl`` in DIR remembers what was written. All writing is to a
temporary file and a rename, and never through a link.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from flows.publishing.documents import atomic_file
from flows.publishing.find_posts import EXTENSIONS
from parsers.frontmatter import Dialect, distinct_paths, post_path, write_post
from parsers.frontmatter.file_names import is_inside
from parsers.model import Article
from warehouse.rows import StoredPost

JOURNAL = ".copydesk-export.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """An article to export, and its own file unless it changed since the import."""

    article: Article
    post: StoredPost | None = None


class ExportRows(Protocol):
    """Articles that can be gone through twice: a list, or a query run again."""

    def __iter__(self) -> Iterator[ExportRow]:
        """The articles, in the same order each time."""


@dataclass(slots=True, kw_only=True)
class ExportResult:
    """What an export did, or with ``check`` would find, by path relative to DIR.

    Attributes:
        identical: Stood there already, byte for byte.
        written: New files.
        updated: Files of an earlier export, replaced.
        changed: Files that differ and were left alone: made or edited by somebody else
            (with ``check``: any that differ). ``differences`` says where.
        missing: With ``check``: files that do not stand there.
        extra: Posts in DIR that no exported article accounts for; never touched.
        failed: Files that could not be written, with the reason.
        differences: For each changed file, the first line that differs.
    """

    identical: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    differences: dict[str, str] = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        """Whether every exported article stands in DIR as it should."""
        return not (self.changed or self.missing or self.failed)

    def counts(self) -> dict[str, int]:
        """How many files of each kind."""
        kinds = ("identical", "written", "updated", "changed", "missing", "extra", "failed")
        return {kind: len(getattr(self, kind)) for kind in kinds}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file that an export makes.

    Attributes:
        key: Tells it from all others; for an article's one file its id.
        path: Where it would like to stand.
        digest: SHA-256 of its bytes, in hex, when it goes back as it came; else empty.
    """

    key: str
    path: str
    digest: str = ""


def write_posts(
    rows: ExportRows,
    directory: Path,
    dialect: Dialect,
    *,
    check: bool = False,
    overwrite: bool = False,
) -> ExportResult:
    """Export articles as posts.

    Args:
        rows: The articles; gone through twice, because names must be distinct over all.
        directory: The site's folder; made when missing, except with ``check``.
        dialect: For articles that have no file of their own in ``directory``.
        check: Compare only, write nothing.
        overwrite: Replace files that somebody else made or edited, too.
    """
    if iter(rows) is rows:
        raise TypeError("rows are gone through twice: pass a list or a query, not an iterator")
    plan = [_planned(row, directory, dialect) for row in rows]
    own = {one.key for one in plan if one.digest}
    contents = (
        (
            row.article.article_id,
            row.post.data
            if row.post and row.article.article_id in own
            else write_post(row.article, dialect).data,
        )
        for row in rows
    )
    return write_files(plan, contents, directory, check=check, overwrite=overwrite)


def write_files(
    plan: Sequence[PlannedFile],
    contents: Iterable[tuple[str, bytes]],
    directory: Path,
    *,
    check: bool = False,
    overwrite: bool = False,
    inside: str = "",
) -> ExportResult:
    """Write or compare files.

    Args:
        plan: All of them.
        contents: The key and the bytes of each, in any order.
        directory: As in ``write_posts``.
        check: Compare only, write nothing.
        overwrite: Replace files that somebody else made or edited, too.
        inside: Only posts below this part of ``directory`` are looked for as extra.
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
                _write(directory, path, data, journal, exported, overwrite=overwrite)
    exported.extra = sorted(_posts_in(directory, inside) - set(paths.values()))
    return exported


def _paths(plan: Sequence[PlannedFile], directory: Path) -> dict[str, str]:
    number = Counter(one.path for one in plan)
    # Two imported folders may hold one path: the article whose file stands there keeps it.
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


def _planned(row: ExportRow, directory: Path, dialect: Dialect) -> PlannedFile:
    own, article_id = row.post, row.article.article_id
    if own and (own.dialect == dialect or file_exists(directory, own.path)):
        return PlannedFile(key=article_id, path=own.path, digest=_sha256(own.data))
    return PlannedFile(key=article_id, path=post_path(row.article, dialect))


def file_exists(directory: Path, path: str) -> bool:
    """Whether a file is under a path of an import."""
    return is_inside(path) and _inside(directory, path).is_file()


def _inside(directory: Path, path: str) -> Path:
    return directory.joinpath(*path.split("/"))


def _compare(directory: Path, path: str, data: bytes, exported: ExportResult) -> None:
    standing = _standing(directory, path, exported)
    if path in exported.failed:
        return
    if standing is None:
        exported.missing.append(path)
    elif standing == data:
        exported.identical.append(path)
    else:
        exported.changed.append(path)
        exported.differences[path] = _difference(standing, data)


def _write(
    directory: Path,
    path: str,
    data: bytes,
    journal: _Journal,
    exported: ExportResult,
    *,
    overwrite: bool,
) -> None:
    standing = _standing(directory, path, exported)
    if path in exported.failed:
        return
    if standing == data:
        exported.identical.append(path)
        return
    if standing is not None and not overwrite and not journal.wrote(path, standing):
        exported.changed.append(path)
        exported.differences[path] = _difference(standing, data)
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
        (exported.written if standing is None else exported.updated).append(path)


def _standing(directory: Path, path: str, exported: ExportResult) -> bytes | None:
    """What stands at a path; a path that leads through a link is refused."""
    file = _inside(directory, path)
    try:
        for part in (file, *file.parents):
            if part == directory:
                break
            if part.is_symlink():
                exported.failed[path] = f"{part} is a link: not written through"
                return None
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        exported.failed[path] = str(error)
        return None


def _difference(standing: bytes, wanted: bytes) -> str:
    there, ours = standing.split(b"\n"), wanted.split(b"\n")
    pairs = zip(there, ours, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        return f"{len(there)} lines stand there, {len(ours)} were expected"
    one, other = (lines[at].decode("utf-8", "replace")[:80] for lines in (there, ours))
    return f"line {at + 1}: {one!r} stands there, {other!r} was expected"


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
    """What this module wrote into a folder: path and hash, one JSON line a file.

    A line is written before its file, so that a killed export leaves no file that
    nobody owns up to.
    """

    def __init__(self, directory: Path, *, is_read_only: bool) -> None:
        self._file = directory / JOURNAL
        self._is_read_only = is_read_only
        self._known: dict[str, set[str]] = {}
        self._out: IO[str] | None = None

    def __enter__(self) -> _Journal:
        if self._file.is_symlink():
            raise OSError(f"{self._file} is a link: not written through")
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
