"""The folder of a site: its files, read and written without following links."""

from __future__ import annotations

from pathlib import Path

from flows.publishing.documents import atomic_file


class SiteFolder:
    """A folder with files by relative path.

    Args:
        root: The folder; made when the first file is written.
        is_read_only: Leave everything as it is, for a dry run.
    """

    def __init__(self, root: Path, *, is_read_only: bool = False) -> None:
        self.root = root
        self._is_read_only = is_read_only
        self._names: dict[Path, set[str]] = {}
        self._safe: set[Path] = {root}

    def has(self, path: str) -> bool:
        """Whether there is a file, link or folder; each folder is listed once."""
        file = self._file(path)
        names = self._names.get(file.parent)
        if names is None:
            try:
                names = {one.name for one in file.parent.iterdir()}
            except (FileNotFoundError, NotADirectoryError):
                names = set()
            self._names[file.parent] = names
        return file.name in names

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; ``None`` if there is none.

        Raises:
            OSError: It cannot be read, or a link leads to it.
        """
        file = self._file(path)
        self._check(file)
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file as a whole.

        Raises:
            OSError: It cannot be written, or a link leads to it.
        """
        file = self._file(path)
        self._check(file)
        if not self._is_read_only:
            with atomic_file(file) as out:
                out.write(data)
            self._add(file)

    def move(self, path: str, to: str) -> None:
        """Move a file.

        Raises:
            OSError: It cannot be moved, or a link leads to it.
        """
        file, target = self._file(path), self._file(to)
        self._check(file)
        self._check(target)
        if not self._is_read_only:
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
            self._names.get(file.parent, set()).discard(file.name)
            self._add(target)
            self._remove_empty(file.parent)

    def remove(self, path: str) -> None:
        """Remove a file, and the folders below the top ones that it leaves empty.

        Raises:
            OSError: It cannot be removed, or a link leads to it.
        """
        file = self._file(path)
        self._check(file)
        if not self._is_read_only:
            file.unlink(missing_ok=True)
            self._names.get(file.parent, set()).discard(file.name)
            self._remove_empty(file.parent)

    def _file(self, path: str) -> Path:
        return self.root.joinpath(*path.split("/"))

    def _add(self, file: Path) -> None:
        if file.parent in self._names:
            self._names[file.parent].add(file.name)

    def _check(self, file: Path) -> None:
        parts = [file]
        for part in file.parents:
            if part in self._safe:
                break
            parts.append(part)
        for part in parts:
            if part.is_symlink():
                raise OSError(f"{part} is a link, which copydesk does not follow")
        self._safe.update(part for part in parts[1:] if part.is_dir())

    def _remove_empty(self, folder: Path) -> None:
        while len(folder.relative_to(self.root).parts) > 2:  # source/_posts stays
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent
