"""The files of a site: written when they change, removed when their page is gone.

The manifest ``.copydesk-site.tsv`` in the folder has a line for each file that copydesk wrote. The
line has its path, a hash of what it was made of, and a hash of its bytes. A file that the manifest
lacks, or that was edited since, is never replaced or removed. No file is written through a link.

A build that is killed leaves the journal ``.copydesk-site.journal``: the next one knows from it
which files are its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from flows.atomic_file import link_error
from flows.errors import ConfigurationError, RunFailed
from flows.output_folder import OutputFolder

MANIFEST = ".copydesk-site.tsv"
JOURNAL = ".copydesk-site.journal"
_HEADER = "copydesk site 1"
_BATCH = 200
# What is in the place of one file. A full or broken disk ends the build.
_IN_THE_WAY = (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


class ManifestLine(NamedTuple):
    """What is known about a file.

    Attributes:
        inputs: A hash of what it was made of.
        digest: A hash of its bytes.
        number: A number that stays with it; -1 if it has none.
    """

    inputs: str
    digest: str
    number: int = -1


class _Draft(NamedTuple):
    path: str
    data: bytes
    line: ManifestLine


@dataclass(slots=True)
class SiteFiles:
    """The folder while a site is built.

    Attributes:
        folder: Its files.
        before: The lines of the manifest before this build, by path.
        written: How many new files were written.
        updated: How many files were replaced.
        removed: How many files were removed.
        left_alone: Why a file was not written or removed, by path.
    """

    folder: OutputFolder
    before: dict[str, ManifestLine]
    written: int = 0
    updated: int = 0
    removed: int = 0
    left_alone: dict[str, str] = field(default_factory=dict)
    _unsure: set[str] = field(default_factory=set)
    _own: dict[str, set[str]] = field(default_factory=dict)
    _after: dict[str, ManifestLine] = field(default_factory=dict)
    _existing: set[str] = field(default_factory=set)
    _drafts: list[_Draft] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        """How many files of the site were left as they were, because they are as they should be."""
        own = len(self._after.keys() - self.left_alone.keys())
        return own - self.written - self.updated

    def keep(self, path: str, inputs: str) -> bool:
        """Keep a file that was made of the same inputs; return whether there is one."""
        line = self.before.get(path)
        if line is None or line.inputs != inputs or path not in self._existing:
            return False
        if path in self._unsure:
            return False
        self._after[path] = line
        return True

    def keep_all(self, paths: Iterable[str], inputs: str) -> bool:
        """Keep those of some files that were made of the same inputs; return whether all were."""
        return all([self.keep(path, inputs) for path in paths])  # noqa: C419  # of every one

    def write(self, path: str, inputs: str, text: str, *, number: int = -1) -> None:
        """Write a file, unless it has these bytes already.

        Args:
            path: Relative, of safe names.
            inputs: A hash of what the text was made of.
            text: Half surrogates are replaced.
            number: For ``ManifestLine``.
        """
        data = text.encode("utf-8", "replace")
        self.write_bytes(path, inputs, data, number=number)

    def write_bytes(self, path: str, inputs: str, data: bytes, *, number: int = -1) -> None:
        """As ``write``, with bytes."""
        line = ManifestLine(inputs, digest_of(data), number)
        self._after[path] = line
        self._drafts.append(_Draft(path, data, line))
        if len(self._drafts) >= _BATCH:
            self._write_drafts()

    def finish(self) -> None:
        """Write what is left, remove the files of other pages, and save the manifest."""
        self._write_drafts()
        for path in self.before:
            if path not in self._after and path in self._existing:
                self._remove(path)
        if self._after != self.before:
            self._save()
        self.folder.remove(JOURNAL)

    def _write_drafts(self) -> None:
        """Write drafts; the journal names them first, so that a kill leaves no unknown file."""
        drafts, self._drafts = self._drafts, []
        changed = [one for one in drafts if not self._has(one)]
        if not changed:
            return
        with self.folder.file(JOURNAL).open("a", encoding="utf-8") as journal:
            journal.writelines(f"{one.path}\t{one.line.digest}\n" for one in changed)
        for draft in changed:
            self._write(draft)

    def _has(self, draft: _Draft) -> bool:
        """Whether the file has these bytes, or must not be replaced."""
        if draft.path not in self._existing:
            return False
        try:
            digest = self._digest(draft.path)
        except _IN_THE_WAY as error:
            self._leave(draft.path, f"{error}: move it away")
            return True
        if digest == draft.line.digest:
            return True
        if digest not in self._own.get(draft.path, ()):
            self._leave(
                draft.path, "copydesk did not write it, or it was edited since: move it away"
            )
            return True
        return False

    def _write(self, draft: _Draft) -> None:
        try:
            self.folder.write(draft.path, draft.data)
        except _IN_THE_WAY as error:
            self._leave(draft.path, str(error))
        else:
            if draft.path in self._existing:
                self.updated += 1
            else:
                self.written += 1

    def _digest(self, path: str) -> str:
        return digest_of(self.folder.read(path) or b"")

    def _remove(self, path: str) -> None:
        reason = "the file was edited since"
        try:
            if self._digest(path) in self._own.get(path, ()):
                self.folder.remove(path)
                self.removed += 1
                return
        except _IN_THE_WAY as error:
            reason = str(error)
        self._leave(path, f"its page is gone, but {reason}: remove it by hand")

    def _leave(self, path: str, reason: str) -> None:
        self.left_alone[path] = reason
        self._after.pop(path, None)
        if path in self.before:
            self._after[path] = self.before[path]

    def _save(self) -> None:
        lines = sorted(f"{path}\t{line.inputs}\t{line.digest}\t{line.number}\n"
                       for path, line in self._after.items())  # fmt: skip
        self.folder.write(MANIFEST, f"{_HEADER}\n{''.join(lines)}".encode())

    def _read(self) -> None:
        for path, line in self.before.items():
            self._own[path] = {line.digest}
        with suppress(FileNotFoundError):
            text = self.folder.file(JOURNAL).read_text("utf-8", "replace")
            for one in text.splitlines():
                path, _, digest = one.partition("\t")
                self._own.setdefault(path, set()).add(digest)
                self._unsure.add(path)
        self._existing = set(_files_in(self.folder.root))


@contextmanager
def open_files(directory: Path) -> Iterator[SiteFiles]:
    """Open the folder of a site; it is made if it is missing.

    The site is complete after ``finish``. An error before keeps the manifest as it was.

    Raises:
        ConfigurationError: It is a file, a link leads to its manifest, or the manifest is damaged.
        RunFailed: Another build writes into it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be the folder of a site: {error}") from error
    with _locked(directory):
        for name in (MANIFEST, JOURNAL):
            if (directory / name).is_symlink():
                raise ConfigurationError(str(link_error(directory / name)))
        site = SiteFiles(OutputFolder(directory), _read_manifest(directory / MANIFEST))
        site._read()
        yield site


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other builds away from the folder; the kernel ends the lock with the process."""
    held = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        raise RunFailed(f"another build writes into {directory}: wait for its end") from error
    try:
        yield
    finally:
        os.close(held)


def digest_of(data: bytes) -> str:
    """A hash of 128 bits, in hex."""
    return blake2b(data, digest_size=16).hexdigest()


def inputs_of(*values: object) -> str:
    """A hash of what a page is made of, in hex."""
    return digest_of(repr(values).encode("utf-8", "surrogatepass"))


def _read_manifest(file: Path) -> dict[str, ManifestLine]:
    try:
        header, *lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unusable(file, str(error)) from error
    if header != _HEADER:
        raise _unusable(file, f"expected the first line {_HEADER!r}, found {header[:80]!r}")
    found = {}
    for line in lines:
        try:
            path, inputs, digest, number = line.split("\t")
            found[path] = ManifestLine(inputs, digest, int(number))
        except ValueError as error:
            raise _unusable(file, f"found the line {line[:80]!r}") from error
    return found


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{file} cannot be used: {why}. Restore it, or build the site in a new folder"
    )


def _files_in(directory: Path) -> Iterator[str]:
    prefix = len(str(directory)) + 1
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name[0] != "."]  # a repository
        below = folder[prefix:].replace(os.sep, "/")
        for name in names:
            yield f"{below}/{name}" if below else name
