"""Write or compare the files of an export.

A file is replaced only if copydesk wrote or imported it and it was not edited since. The
journal ``.copydesk-export.jsonl`` in the folder records what was written. ``take_over`` replaces
files of others, too, and keeps their bytes in ``.copydesk-replaced``. Every file is written
under a temporary name and renamed, and never through a link.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.import_export.export_journal import Journal, sha256_hex
from flows.import_export.find_posts import EXTENSIONS
from flows.import_export.site_folders import site_of
from flows.output_folder import OutputFolder
from parsers.frontmatter import distinct_paths
from parsers.frontmatter.file_names import is_inside

REPLACED = ".copydesk-replaced"
"""The folder of the bytes that ``take_over`` replaced and nothing else holds."""


@dataclass(slots=True, kw_only=True)
class ExportResult:
    """The files of an export or of a check, by path relative to its folder.

    Attributes:
        identical: Existing files with the same bytes.
        written: New files.
        updated: Replaced files of an earlier export, or imported files of corrected articles.
        rewritten: Imported files whose head was no YAML, written with a correct head.
        taken_over: Replaced files of others; ``REPLACED`` has their bytes.
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
    rewritten: list[str] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)
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
            "rewritten",
            "taken_over",
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
        digest: SHA-256, in hex, of the imported file that it is or replaces; else empty.
        is_corrected: The article changed since the import; otherwise other bytes than the
            imported ones have a rewritten head.
        article_id: Its article, if ``path`` is that of a file of others.
    """

    key: str
    path: str
    digest: str = ""
    is_corrected: bool = False
    article_id: str = ""


def write_files(
    plan: Sequence[PlannedFile],
    contents: Iterable[tuple[str, bytes]],
    directory: Path,
    *,
    check: bool = False,
    inside: str = "",
    take_over: bool = False,
) -> ExportResult:
    """Write or compare files.

    Args:
        plan: All files.
        contents: Key and bytes of each file, in any order.
        directory: The site's folder; made when missing, except with ``check``.
        check: Compare only, write nothing.
        inside: Report extra posts only below this part of ``directory``.
        take_over: Replace files of others, too.
    """
    paths = _paths(plan, directory)
    planned = {one.key: one for one in plan}
    exported = ExportResult()
    if not check:
        directory.mkdir(parents=True, exist_ok=True)
    with Journal(directory, is_read_only=check) as journal:
        folder = OutputFolder(directory, is_read_only=check)
        target = _Target(folder, journal, exported, take_over=take_over)
        for key, data in contents:
            if check:
                target.compare(paths[key], data)
            else:
                target.write(paths[key], data, planned[key])
    exported.extra = sorted(posts_in(directory, inside) - set(paths.values()))
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
        return sha256_hex((directory / path).read_bytes()) if is_inside(path) else ""
    except OSError:
        return ""


def file_exists(directory: Path, path: str) -> bool:
    """Whether a file exists under the path of an import."""
    return is_inside(path) and (directory / path).is_file()


@dataclass(frozen=True, slots=True)
class _Target:
    """The folder of an export, and what becomes of its files."""

    folder: OutputFolder
    journal: Journal
    exported: ExportResult
    take_over: bool

    def compare(self, path: str, data: bytes) -> None:
        existing = self._existing(path)
        if path in self.exported.failed:
            return
        if existing is None:
            self.exported.missing.append(path)
        elif existing == data:
            self.exported.identical.append(path)
        else:
            self._differ(path, existing, data)

    def write(self, path: str, data: bytes, planned: PlannedFile) -> None:
        existing = self._existing(path)
        if path in self.exported.failed:
            return
        is_foreign = existing is not None and not self._may_replace(path, existing, planned)
        try:
            if planned.article_id:
                self.journal.take_over(planned.article_id, path)
            if existing == data:
                self._adopt(path, data)
                self.exported.identical.append(path)
                return
            if existing is not None and is_foreign:
                if not self.take_over:
                    self._differ(path, existing, data)
                    return
                self._keep(path, existing)
            rewritten = _is_rewritten(data, planned)
            self._replace(path, data, rewritten=planned.digest if rewritten else "")
        except OSError as error:
            self.exported.failed[path] = str(error)
            return
        self._list(is_foreign, existing is None, rewritten).append(path)

    def _may_replace(self, path: str, existing: bytes, planned: PlannedFile) -> bool:
        # The warehouse has the bytes of an imported file.
        is_imported = planned.digest != "" and sha256_hex(existing) == planned.digest
        return is_imported or self.journal.wrote(path, existing)

    def _adopt(self, path: str, data: bytes) -> None:
        # Otherwise the next change would find a file of others.
        if self.take_over and not self.journal.wrote(path, data):
            self.journal.add(path, data)

    def _keep(self, path: str, existing: bytes) -> None:
        """Keep the bytes of a file of others beside the journal."""
        name = f"{REPLACED}/{path}.{sha256_hex(existing)[:12]}"
        if self.folder.read(name) is None:
            self.folder.write(name, existing)

    def _replace(self, path: str, data: bytes, *, rewritten: str) -> None:
        self.journal.add(path, data, rewritten=rewritten)
        self.folder.write(path, data)

    def _list(self, is_foreign: bool, is_new: bool, is_rewritten: bool) -> list[str]:
        found = self.exported
        if is_foreign:
            return found.taken_over
        if is_rewritten:
            return found.rewritten
        return found.written if is_new else found.updated

    def _differ(self, path: str, existing: bytes, data: bytes) -> None:
        self.exported.changed.append(path)
        self.exported.differences[path] = _difference(existing, data)

    def _existing(self, path: str) -> bytes | None:
        """The bytes of an existing file; a path that leads through a link fails."""
        try:
            return self.folder.read(path)
        except OSError as error:
            self.exported.failed[path] = str(error)
            return None


def _is_rewritten(data: bytes, planned: PlannedFile) -> bool:
    is_imported = planned.digest != "" and not planned.is_corrected
    return is_imported and sha256_hex(data) != planned.digest


def _difference(existing: bytes, wanted: bytes) -> str:
    found, expected = existing.split(b"\n"), wanted.split(b"\n")
    pairs = zip(expected, found, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
    if at is None:
        return f"expected {len(expected)} lines, found {len(found)}"
    one, other = (lines[at].decode("utf-8", "replace")[:80] for lines in (expected, found))
    return f"line {at + 1}: expected {one!r}, found {other!r}"


def posts_in(directory: Path, inside: str = "") -> set[str]:
    """The paths of all files in a folder that may be posts; of a site, those of its posts."""
    site = site_of(directory) if directory.is_dir() else None
    found: set[str] = set()
    for folder, folders, names in os.walk(directory / inside):
        here = os.path.relpath(folder, directory).replace(os.sep, "/").removeprefix(".")
        before = f"{here}/" if here else ""
        folders[:] = [
            name
            for name in folders
            if name[0] != "." and not (site and f"{before}{name}" in site.not_searched)
        ]
        if site is None or site.has_posts_in(here):
            found.update(
                f"{before}{name}"
                for name in names
                if name[0] != "." and os.path.splitext(name)[1].casefold() in EXTENSIONS  # noqa: PTH122 - a name
            )
    return found
