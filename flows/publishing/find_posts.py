"""Find and parse posts on disk.

The order is that of the paths. The walk never leaves the given folders and reports every file
that it cannot return.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parsers.errors import BrokenParser, ParseError
from parsers.frontmatter import NO_ZONES, Post, Zones, read_post

EXTENSIONS = frozenset({".md", ".markdown", ".html", ".txt"})
MAX_POST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPath:
    """A file that may be a post.

    Attributes:
        file: Path of the file.
        relative: Path below the given folder, ``/`` between names; the file name of a
            given file; below ``find_posts(below=...)`` if that is set.
    """

    file: Path
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePost:
    """A file without an article, for quarantine.

    Attributes:
        file: Path of the file.
        relative: As in PostPath.
        data: Its bytes; empty when it could not be read at all.
        error: The problem, with its line.
    """

    file: Path
    relative: str
    data: bytes
    error: ParseError | OSError


def common_folder(paths: Iterable[Path]) -> Path | None:
    """The common parent of several folders; ``None`` for one.

    ``site/_posts`` and ``site/old_post`` may both hold ``a.md``; imported together, their
    paths below ``site`` distinguish the files.
    """
    folders = {Path(os.path.abspath(path if path.is_dir() else path.parent)) for path in paths}  # noqa: PTH100 - links stay
    return Path(os.path.commonpath(folders)) if len(folders) > 1 else None


def find_posts(
    paths: Iterable[Path], *, below: Path | None = None
) -> Iterator[PostPath | UnreadablePost]:
    """Yield every file that may be a post, in the order of its path, each once.

    Names that begin with a dot are skipped. Links inside a folder are not followed; one that
    leads out of it is reported. A given file may have any extension.

    Args:
        paths: Files and folders.
        below: Paths are relative to this folder instead of the given one.
    """
    seen: set[str] = set()
    for path in paths:
        for found, real in _found(path, below):
            if real not in seen:
                seen.add(real)
                yield found


_Found = Iterator[tuple[PostPath | UnreadablePost, str]]
"""Files, each with its real path."""


def _found(path: Path, below: Path | None) -> _Found:
    if path.is_dir():
        yield from _walk(path, below)
    elif path.is_file():
        relative = f"{_below(path.parent, path.parent, below)}{path.name}"
        yield PostPath(file=path, relative=_printable(relative)), os.path.realpath(path)
    else:
        what = "it is not a file or folder" if path.exists() else "there is no such file or folder"
        yield _bad(path, path.name, OSError(f"{path}: {what}")), str(path)


def _walk(root: Path, below: Path | None) -> _Found:
    real_root = os.path.realpath(root)
    files: list[tuple[PostPath | UnreadablePost, str]] = []
    bad: list[UnreadablePost] = []

    def report(error: OSError) -> None:
        at = Path(error.filename or root)
        relative = f"{_below(at.parent, root, below)}{at.name}" if at != root else at.name
        bad.append(_bad(at, _printable(relative), error))

    for folder, folders, names in os.walk(root, onerror=report, followlinks=False):
        here, before = Path(folder), _below(folder, root, below)
        # No link lies between the root and a file that is found.
        real = os.path.join(real_root, _below(folder, root, None))  # noqa: PTH118
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in links)
        for name in sorted([*names, *links]):
            if name.startswith(".") or not (name in links or _is_post_name(name)):
                continue
            file, relative = here / name, _printable(f"{before}{name}")
            if os.path.islink(file):  # noqa: PTH114 - half the time, and there are many
                bad += _link(file, relative, Path(real_root))
            elif not _is_utf8(name):
                bad.append(_bad(file, relative, OSError(f"{relative}: its name is not UTF-8")))
            else:
                files.append((PostPath(file=file, relative=relative), real + name))
    files += [(one, str(one.file)) for one in bad]
    yield from sorted(files, key=lambda each: each[0].relative)


def _link(file: Path, relative: str, real_root: Path) -> list[UnreadablePost]:
    # The target of a link inside the folder is found under its own name.
    target = Path(os.path.realpath(file))
    if target.is_relative_to(real_root) and target.exists():
        return []
    return [_bad(file, relative, OSError(f"{relative}: a link out of the folder: not followed"))]


def read_bytes(found: PostPath) -> bytes | UnreadablePost:
    """Read the bytes of a file, unless it is too large for a post or unreadable."""
    try:
        with found.file.open("rb") as file:
            data = file.read(MAX_POST_BYTES + 1)
    except OSError as error:
        return _bad(found.file, found.relative, error)
    if len(data) > MAX_POST_BYTES:
        message = f"{found.relative}: more than {MAX_POST_BYTES:,} bytes: not a post"
        return _bad(found.file, found.relative, OSError(message))
    return data


def parse_post(
    found: PostPath, data: bytes, source: str, zones: Zones = NO_ZONES
) -> Post | UnreadablePost:
    """Parse the bytes of a file."""
    try:
        return read_post(data, found.relative, source=source, zones=zones)
    except ParseError as error:
        return UnreadablePost(file=found.file, relative=found.relative, data=data, error=error)
    except Exception as error:  # noqa: BLE001 - one file must not end an import
        broken = BrokenParser(f"{found.relative}: {error!r}")
        broken.__cause__ = error
        return UnreadablePost(file=found.file, relative=found.relative, data=data, error=broken)


def _bad(file: Path, relative: str, error: OSError) -> UnreadablePost:
    return UnreadablePost(file=file, relative=relative, data=b"", error=error)


def _is_post_name(name: str) -> bool:
    return os.path.splitext(name)[1].casefold() in EXTENSIONS  # noqa: PTH122 - a name, no Path


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _below(folder: str | Path, root: Path, below: Path | None) -> str:
    """The prefix of the relative paths of a folder's files."""
    inner = os.path.relpath(folder, root if below is None else below)
    return "" if inner == os.curdir else f"{inner.replace(os.sep, '/')}/"


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
