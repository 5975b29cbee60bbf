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
from parsers.posts import Post, read_post

EXTENSIONS = frozenset({".md", ".markdown", ".html", ".txt"})
MAX_POST_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPath:
    """A file that may be a post.

    Attributes:
        file: Where it is.
        relative: Its path below the folder that was named, ``/`` between names; the
            file name for a file that was named itself.
    """

    file: Path
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPost:
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


def find_posts(paths: Iterable[Path]) -> Iterator[PostPath | BadPost]:
    """Every file that may be a post, in the order of its path, each once.

    Folders are walked whole; names that begin with a dot are skipped, links inside a
    folder are not followed (one that leads out of it is reported). A file that is
    named itself is taken whatever its extension.
    """
    seen: set[Path] = set()
    for path in paths:
        for found in _found(path):
            where = found.file.resolve() if isinstance(found, PostPath) else found.file
            if where not in seen:
                seen.add(where)
                yield found


def read_posts(
    found: Iterable[PostPath | BadPost], *, source: str = ""
) -> Iterator[Post | BadPost]:
    """Each file read: a Post, or what is wrong with it.

    Args:
        found: From ``find_posts``.
        source: The source of posts that do not say theirs.
    """
    for each in found:
        yield each if isinstance(each, BadPost) else _read(each, source)


def _found(path: Path) -> Iterator[PostPath | BadPost]:
    if path.is_dir():
        yield from _walk(path, path.resolve())
    elif path.is_file():
        yield PostPath(file=path, relative=path.name)
    else:
        what = "it is not a file or folder" if path.exists() else "there is no such file or folder"
        yield _bad(path, path.name, OSError(f"{path}: {what}"))


def _walk(root: Path, real_root: Path) -> Iterator[PostPath | BadPost]:
    files: list[PostPath] = []
    bad: list[BadPost] = []

    def report(error: OSError) -> None:
        at = Path(error.filename or root)
        bad.append(_bad(at, _relative(at, root), error))

    for folder, folders, names in os.walk(root, onerror=report, followlinks=False):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in links)
        for name in sorted([*names, *links]):
            file = here / name
            if name.startswith(".") or not (name in links or _is_post_name(name)):
                continue
            relative = _relative(file, root)
            if file.is_symlink():
                bad += _link(file, relative, real_root)
            elif not _is_utf8(name):
                bad.append(_bad(file, relative, OSError(f"{relative}: its name is not UTF-8")))
            else:
                files.append(PostPath(file=file, relative=relative))
    found: list[PostPath | BadPost] = [*files, *bad]
    yield from sorted(found, key=lambda each: each.relative)


def _link(file: Path, relative: str, real_root: Path) -> list[BadPost]:
    # What a link inside the folder leads to is found under its own name.
    target = Path(os.path.realpath(file))
    if target.is_relative_to(real_root) and target.exists():
        return []
    return [_bad(file, relative, OSError(f"{relative}: a link out of the folder: not followed"))]


def _read(found: PostPath, source: str) -> Post | BadPost:
    data = b""
    try:
        with found.file.open("rb") as file:
            data = file.read(MAX_POST_BYTES + 1)
        if len(data) > MAX_POST_BYTES:
            raise OSError(f"{found.relative}: more than {MAX_POST_BYTES:,} bytes: not a post")
        return read_post(data, found.relative, source=source)
    except (ParseError, OSError) as error:
        return BadPost(
            file=found.file, relative=found.relative, data=data[:MAX_POST_BYTES], error=error
        )
    except Exception as error:  # noqa: BLE001 - one file nobody foresaw must not end an import
        broken = BrokenParser(f"{found.relative}: {error!r}")
        broken.__cause__ = error
        return BadPost(file=found.file, relative=found.relative, data=data, error=broken)


def _bad(file: Path, relative: str, error: OSError) -> BadPost:
    return BadPost(file=file, relative=relative, data=b"", error=error)


def _is_post_name(name: str) -> bool:
    return os.path.splitext(name)[1].casefold() in EXTENSIONS  # noqa: PTH122 - a name, no Path


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _relative(file: Path, root: Path) -> str:
    relative = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    return relative.encode("utf-8", "backslashreplace").decode("utf-8")
