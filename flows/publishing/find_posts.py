"""Posts on disk to Posts: walked, read, and every failure kept with its file.

The walk is deterministic, never leaves the folders it was given, and says so about
every file that it cannot hand over. What becomes of a Post is the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parsers.errors import BrokenParser, ParseError
from parsers.frontmatter import Post, read_post

EXTENSIONS = frozenset({".md", ".markdown", ".html", ".txt"})
MAX_POST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPath:
    """A file that may be a post.

    Attributes:
        file: Where it is.
        relative: Its path below the folder that was named, ``/`` between names; the
            file name for a file that was named itself. Below the folder that holds all
            that was named, where ``find_posts`` was given that.
    """

    file: Path
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePost:
    """A file that gave no article, for quarantine.

    Attributes:
        file: Where it is.
        relative: As in PostPath.
        data: Its bytes; empty when it could not be read at all.
        error: What is wrong, and with which line.
    """

    file: Path
    relative: str
    data: bytes
    error: ParseError | OSError


def common_folder(paths: Iterable[Path]) -> Path | None:
    """The folder that holds all that was named, when that lies in several folders.

    ``site/_posts`` and ``site/old_post`` may both hold ``a.md``: named together, their
    files must be told apart, and are by their paths below ``site``.
    """
    folders = {Path(os.path.abspath(path if path.is_dir() else path.parent)) for path in paths}  # noqa: PTH100 - links stay
    return Path(os.path.commonpath(folders)) if len(folders) > 1 else None


def find_posts(
    paths: Iterable[Path], *, below: Path | None = None
) -> Iterator[PostPath | UnreadablePost]:
    """Every file that may be a post, in the order of its path, each once.

    Folders are walked whole; names that begin with a dot are skipped, links inside a
    folder are not followed (one that leads out of it is reported). A file that is
    named itself is taken whatever its extension.

    Args:
        paths: Files and folders.
        below: Paths are relative to this folder, instead of to the one that was named.
    """
    seen: set[str] = set()
    for path in paths:
        for found, real in _found(path, below):
            if real not in seen:
                seen.add(real)
                yield found


def read_posts(
    found: Iterable[PostPath | UnreadablePost], *, source: str = ""
) -> Iterator[Post | UnreadablePost]:
    """Each file read: a Post, or what is wrong with it.

    Args:
        found: From ``find_posts``.
        source: The source of posts that do not say theirs.
    """
    for each in found:
        if isinstance(each, UnreadablePost):
            yield each
        else:
            data = read_bytes(each)
            yield parse_post(each, data, source) if isinstance(data, bytes) else data


_Found = Iterator[tuple[PostPath | UnreadablePost, str]]
"""Files, and the one name that each really has."""


def _found(path: Path, below: Path | None) -> _Found:
    if path.is_dir():
        yield from _walk(path, below)
    elif path.is_file():
        relative = f"{_below(path.parent, path.parent, below)}{path.name}"
        yield PostPath(file=path, relative=_speakable(relative)), os.path.realpath(path)
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
        bad.append(_bad(at, _speakable(relative), error))

    for folder, folders, names in os.walk(root, onerror=report, followlinks=False):
        here, before = Path(folder), _below(folder, root, below)
        # No link lies between the root and a file that is found.
        real = os.path.join(real_root, _below(folder, root, None))  # noqa: PTH118
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in links)
        for name in sorted([*names, *links]):
            if name.startswith(".") or not (name in links or _is_post_name(name)):
                continue
            file, relative = here / name, _speakable(f"{before}{name}")
            if os.path.islink(file):  # noqa: PTH114 - half the time, and there are many
                bad += _link(file, relative, Path(real_root))
            elif not _is_utf8(name):
                bad.append(_bad(file, relative, OSError(f"{relative}: its name is not UTF-8")))
            else:
                files.append((PostPath(file=file, relative=relative), real + name))
    files += [(one, str(one.file)) for one in bad]
    yield from sorted(files, key=lambda each: each[0].relative)


def _link(file: Path, relative: str, real_root: Path) -> list[UnreadablePost]:
    # What a link inside the folder leads to is found under its own name.
    target = Path(os.path.realpath(file))
    if target.is_relative_to(real_root) and target.exists():
        return []
    return [_bad(file, relative, OSError(f"{relative}: a link out of the folder: not followed"))]


def read_bytes(found: PostPath) -> bytes | UnreadablePost:
    """The bytes of a file, unless it is too large for a post or cannot be read."""
    try:
        with found.file.open("rb") as file:
            data = file.read(MAX_POST_BYTES + 1)
    except OSError as error:
        return _bad(found.file, found.relative, error)
    if len(data) > MAX_POST_BYTES:
        words = f"{found.relative}: more than {MAX_POST_BYTES:,} bytes: not a post"
        return _bad(found.file, found.relative, OSError(words))
    return data


def parse_post(found: PostPath, data: bytes, source: str) -> Post | UnreadablePost:
    """What a file's bytes say, or what is wrong with them."""
    try:
        return read_post(data, found.relative, source=source)
    except ParseError as error:
        return UnreadablePost(file=found.file, relative=found.relative, data=data, error=error)
    except Exception as error:  # noqa: BLE001 - one file nobody foresaw must not end an import
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
    """What the paths of a folder's files begin with."""
    inner = os.path.relpath(folder, root if below is None else below)
    return "" if inner == os.curdir else f"{inner.replace(os.sep, '/')}/"


def _speakable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
