"""Find and parse posts on disk.

The order is that of the paths. The walk never leaves the given folders, reports every file
that it cannot return, and counts the files that are no posts. Of a Jekyll or Hexo site only the
folders of posts are searched. Other posts have the dialect of the site around them, else that of
most of them.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path

from flows.import_export.site_folders import POST_FOLDERS, Site, dialect_around, site_of
from parsers.errors import BrokenParser, ParseError
from parsers.frontmatter import (
    NO_DEFAULTS,
    NO_ZONES,
    Dialect,
    Post,
    PostDefaults,
    Zones,
    dialect_of_most,
    read_post,
)

EXTENSIONS = frozenset({".md", ".markdown", ".html", ".txt"})
MAX_POST_BYTES = 20_000_000
_SAMPLE_POSTS = 50
_SOURCES = frozenset({"source", "content"})
"""Folders that name the dialect of the posts in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostPath:
    """A file that may be a post.

    Attributes:
        file: Path of the file.
        relative: Path below the given folder, ``/`` between names; the file name of a
            given file; below ``find_posts(below=...)`` if that is set.
        defaults: Values that its site or the owner gives to posts without them.
    """

    file: Path
    relative: str
    defaults: PostDefaults = NO_DEFAULTS


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


@dataclass(slots=True, kw_only=True)
class Search:
    """What a search finds beside posts.

    Attributes:
        defaults: What the owner gives to posts without a language or time zone; it goes before
            the configuration of a site.
        left_out: The number of files that are no posts, by folder below the searched one and
            reason; ``.`` is the searched one.
        sites: The roots of sites, with the folders that were searched.
    """

    defaults: PostDefaults = NO_DEFAULTS
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    sites: dict[Path, Site] = field(default_factory=dict)

    def leave_out(self, folder: str, reason: str, files: int = 1) -> None:
        """Count files that are no posts."""
        if files:
            self.left_out[folder.strip("/") or ".", reason] += files


def common_folder(paths: Iterable[Path]) -> Path | None:
    """The common parent of several folders; ``None`` for one.

    ``site/_posts`` and ``site/old_post`` may both hold ``a.md``; imported together, their
    paths below ``site`` distinguish the files.
    """
    folders = {Path(os.path.abspath(path if path.is_dir() else path.parent)) for path in paths}  # noqa: PTH100 - links stay
    return Path(os.path.commonpath(folders)) if len(folders) > 1 else None


def find_posts(
    paths: Iterable[Path], *, below: Path | None = None, search: Search | None = None
) -> Iterator[PostPath | UnreadablePost]:
    """Yield every file that may be a post, in the order of its path, each once.

    Names that begin with a dot are skipped. Links inside a folder are not followed; one that
    leads out of it is reported. A given file may have any extension.

    Args:
        paths: Files and folders.
        below: Paths are relative to this folder instead of the given one.
        search: Gets what is found beside posts.
    """
    search = search or Search()
    dialects = cache(dialect_around)
    seen: set[str] = set()
    for path in paths:
        for found, real in _found(path, below, search, dialects):
            if real not in seen:
                seen.add(real)
                yield found


_Found = Iterator[tuple[PostPath | UnreadablePost, str]]
"""Files, each with its real path."""

_Dialects = Callable[[Path], Dialect | None]


def _found(path: Path, below: Path | None, search: Search, dialects: _Dialects) -> _Found:
    if path.is_dir():
        walk = _Walk(path, below, search, dialects)
        yield from walk.files()
    elif path.is_file():
        relative = _printable(f"{_below(path.parent, path.parent, below)}{path.name}")
        defaults = replace(search.defaults, dialect=dialects(path.parent))
        found = PostPath(file=path, relative=relative, defaults=defaults)
        yield found, os.path.realpath(path)
    else:
        what = "it is not a file or folder" if path.exists() else "there is no such file or folder"
        yield _bad(path, path.name, OSError(f"{path}: {what}")), str(path)


class _Walk:
    """The walk through one given folder."""

    def __init__(self, root: Path, below: Path | None, search: Search, dialects: _Dialects) -> None:
        self._root = root
        self._below = below
        self._search = search
        self._real_root = os.path.realpath(root)
        self._found: list[tuple[PostPath | UnreadablePost, str]] = []
        self._site = self._site_of_root()
        self._dialect = None if self._site else dialects(root)
        self._most = None if self._site or self._dialect else dialect_of_most(_sample(root))

    def files(self) -> _Found:
        """Yield the files in the order of their paths."""
        for folder, folders, names in os.walk(self._root, onerror=self._report, followlinks=False):
            here = _below(folder, self._root, None)
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            folders[:] = sorted(
                name
                for name in folders
                if name[0] != "." and name not in links and self._is_searched(f"{here}{name}")
            )
            if self._site and not self._site.has_posts_in(here.rstrip("/")):
                self._leave_out(folder, here, names, links)
            else:
                self._add(folder, here, sorted([*names, *links]), links)
        yield from sorted(self._found, key=lambda each: each[0].relative)

    def _site_of_root(self) -> Site | None:
        try:
            site = site_of(self._root)
        except OSError:
            return None  # the walk reports the error
        if site:
            self._search.sites[self._root] = site
            if site.problem:
                self._search.leave_out(".", site.problem)
        return site

    def _is_searched(self, folder: str) -> bool:
        reason = self._site.not_searched.get(folder) if self._site else None
        if reason is None:
            return True
        count = sum(len(names) for _, _, names in os.walk(self._root / folder))
        self._search.leave_out(folder, reason, count)
        return False

    def _leave_out(self, folder: str, here: str, names: list[str], links: list[str]) -> None:
        shown = [name for name in names if name[0] != "."]
        self._search.leave_out(here.partition("/")[0], "outside the folders of posts", len(shown))
        for name in links:
            if name in POST_FOLDERS:
                self._add_link(Path(folder) / name, here + name)

    def _add(self, folder: str, here: str, names: list[str], links: list[str]) -> None:
        """Add the posts of a folder."""
        before = _below(folder, self._root, self._below)
        # No link lies between the root and a file that is found.
        real = os.path.join(self._real_root, here)  # noqa: PTH118
        defaults = self._defaults(here.rstrip("/"))
        for name in names:
            if name.startswith("."):
                continue
            if not (name in links or _is_post_name(name)):
                self._search.leave_out(here.partition("/")[0], "no post by its extension")
                continue
            file, relative = Path(folder) / name, _printable(f"{before}{name}")
            if os.path.islink(file):  # noqa: PTH114 - half the time, and there are many
                self._add_link(file, here + name)
            elif not _is_utf8(name):
                self._bad(_bad(file, relative, OSError(f"{relative}: its name is not UTF-8")))
            else:
                post = PostPath(file=file, relative=relative, defaults=defaults)
                self._found.append((post, real + name))

    def _defaults(self, here: str) -> PostDefaults:
        given = self._search.defaults
        if self._site is None:
            most = None if _SOURCES.intersection(here.split("/")) else self._most
            return replace(given, dialect=self._dialect or most)
        found = self._site.defaults_of(here)
        if given.language:
            found = replace(found, language=given.language)
        if given.zone:
            found = replace(found, zone=given.zone, zone_how=given.zone_how)
        return found

    def _add_link(self, file: Path, path: str) -> None:
        inner = os.path.relpath(os.path.realpath(file), self._real_root)
        is_elsewhere = self._site and not self._site.has_posts_in(inner.replace(os.sep, "/"))
        if is_elsewhere and not inner.startswith(os.pardir):
            reason = "a link to a file outside the folders of posts"
            self._search.leave_out(path.partition("/")[0], reason)
            return
        relative = _printable(f"{_below(self._root, self._root, self._below)}{path}")
        for one in _link(file, relative, Path(self._real_root)):
            self._bad(one)

    def _bad(self, one: UnreadablePost) -> None:
        self._found.append((one, str(one.file)))

    def _report(self, error: OSError) -> None:
        at = Path(error.filename or self._root)
        relative = at.name
        if at != self._root:
            relative = f"{_below(at.parent, self._root, self._below)}{at.name}"
        self._bad(_bad(at, _printable(relative), error))


def _sample(root: Path) -> Iterator[tuple[str, bytes]]:
    """Some posts of a folder, by name: their folders name no dialect."""
    for file in islice(_unmarked(root), _SAMPLE_POSTS):
        data = read_bytes(PostPath(file=file, relative=file.name))
        if isinstance(data, bytes):
            yield file.name, data


def _unmarked(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in _SOURCES)
        for name in sorted(names):
            file = Path(folder) / name
            if name[0] != "." and _is_post_name(name) and not file.is_symlink():
                yield file


def _link(file: Path, relative: str, real_root: Path) -> list[UnreadablePost]:
    # The target of a link inside the folder is found under its own name.
    target = Path(os.path.realpath(file))
    if target.is_relative_to(real_root) and target.exists():
        return []
    return [_bad(file, relative, OSError(f"{relative}: a link out of the folder: not followed"))]


def read_bytes(found: PostPath) -> bytes | UnreadablePost:
    """Read the bytes of a file, unless it is too large for a post or unreadable."""
    try:
        # Without waiting: a pipe has no end.
        with open(found.file, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                message = f"{found.relative}: no regular file"
                return _bad(found.file, found.relative, OSError(message))
            data = file.read(MAX_POST_BYTES + 1)
    except OSError as error:
        return _bad(found.file, found.relative, error)
    if len(data) > MAX_POST_BYTES:
        message = f"{found.relative}: more than {MAX_POST_BYTES:,} bytes: not a post"
        return _bad(found.file, found.relative, OSError(message))
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def parse_post(
    found: PostPath, data: bytes, source: str, zones: Zones = NO_ZONES
) -> Post | UnreadablePost:
    """Parse the bytes of a file."""
    try:
        return read_post(data, found.relative, source=source, zones=zones, defaults=found.defaults)
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
