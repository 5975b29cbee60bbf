"""A folder of output: its files are read, written and removed, and never through a link."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from flows.atomic_file import TEMPORARY, atomic_file, link_error


class OutputFolder:
    """A folder with files by relative path.

    Args:
        root: The folder; made when the first file is written.
        is_read_only: Leave everything as it is, for a dry run. Files that would be removed or
            moved are not found any more.
        lasting_levels: Folders of so many levels stay when their last file is removed.
    """

    def __init__(self, root: Path, *, is_read_only: bool = False, lasting_levels: int = 0) -> None:
        self.root = root
        self._lasting_levels = lasting_levels
        self._is_read_only = is_read_only
        self._names: dict[str, set[str]] = {}  # of each folder that was listed
        self._gone: set[str] = set()
        self._safe: set[Path] = {root}

    def has(self, path: str) -> bool:
        """Whether there is a file, link or folder; each folder is listed once."""
        folder, _, name = path.rpartition("/")
        names = self._names.get(folder)
        if names is None:
            names = set()
            with suppress(FileNotFoundError, NotADirectoryError):
                names.update(os.listdir(self.root / folder))  # noqa: PTH208  # names, no paths
            self._remove_temporary(folder, names)
            self._names[folder] = names
        return name in names and path not in self._gone

    def file(self, path: str) -> Path:
        """Return the path of a file on the disk.

        Raises:
            OSError: A link leads to it.
        """
        file = self._file(path)
        self._check(file)
        return file

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; ``None`` if there is none.

        Raises:
            OSError: It cannot be read, it is no regular file, or a link leads to it.
        """
        file = self.file(path)
        if path in self._gone:
            return None
        try:
            if not stat.S_ISREG(file.stat().st_mode):  # to read a pipe would wait
                raise FileExistsError(f"{file} is no regular file")
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file as a whole.

        Raises:
            OSError: It cannot be written, or a link leads to it.
        """
        file = self.file(path)
        if not self._is_read_only:
            with atomic_file(file) as out:
                out.write(data)
        self._note(path, is_there=True)

    def move(self, path: str, to: str) -> None:
        """Move a file.

        Raises:
            OSError: It cannot be moved, or a link leads to it.
        """
        file, target = self.file(path), self.file(to)
        if not self._is_read_only:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
            self._remove_empty(file.parent)
        self._note(path, is_there=False)
        self._note(to, is_there=True)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders that it leaves empty.

        Raises:
            OSError: It cannot be removed, or a link leads to it.
        """
        file = self.file(path)
        if not self._is_read_only:
            file.unlink(missing_ok=True)
            self._remove_empty(file.parent)
        self._note(path, is_there=False)

    def _file(self, path: str) -> Path:
        return self.root.joinpath(*path.split("/"))

    def _note(self, path: str, *, is_there: bool) -> None:
        folder, _, name = path.rpartition("/")
        self.has(path)  # lists the folder
        names = self._names[folder]
        (names.add if is_there else names.discard)(name)
        (self._gone.discard if is_there else self._gone.add)(path)

    def _check(self, file: Path) -> None:
        parts = [file]
        for part in file.parents:
            if part in self._safe:
                break
            parts.append(part)
        for part in parts:
            if part.is_symlink():
                raise link_error(part)
        self._safe.update(part for part in parts[1:] if part.is_dir())

    def _remove_temporary(self, folder: str, names: set[str]) -> None:
        """Remove what a killed process left while it wrote a file."""
        for name in names:
            if (found := TEMPORARY.fullmatch(name)) and not self._is_read_only:
                try:
                    os.kill(int(found[1]), 0)
                except ProcessLookupError:
                    (self.root / folder / name).unlink(missing_ok=True)
                except OSError:
                    continue  # it runs, as another user

    def _remove_empty(self, folder: Path) -> None:
        while len(folder.relative_to(self.root).parts) > self._lasting_levels:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent
