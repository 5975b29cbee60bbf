"""The files of an archive: single files of one run, and files that maintenance joined.

A joined file lies in a dated folder (``2026/11``). A list of its parts beside it maps their names
to their first byte, because revisit records and older copies of the warehouse have these names.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

PARTS = ".parts.json"
_DAY = re.compile(r"copydesk-(\d{4})(\d{2})\d{2}-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that became a part of another one.

    Attributes:
        file: Its name before.
        joined: The name of the joined file, relative to the archive.
        offset: Where it begins in the joined file.
        size: Its length in bytes.
    """

    file: str
    joined: str
    offset: int
    size: int


def archive_files(folder: Path) -> list[str]:
    """The names of all archive files, relative to the archive; in order."""
    single = [file.name for file in folder.glob("*.warc.gz")]
    joined = folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/*.warc.gz")
    return sorted(single) + sorted(file.relative_to(folder).as_posix() for file in joined)


def is_name(file: str) -> bool:
    """Whether a text is the relative name of a file inside an archive."""
    path = PurePosixPath(file)
    return bool(file) and not path.is_absolute() and ".." not in path.parts and "\\" not in file


def parts_of_day(folder: Path, file: str) -> list[Part]:
    """The parts of the joined files of the day that the name of a file contains."""
    day = _DAY.match(file)
    if day is None:
        return []
    lists = (folder / day[1] / day[2]).glob(f"{day[0]}*{PARTS}")
    return [part for one in sorted(lists) for part in read_parts(folder, one)]


def part_lists(folder: Path) -> list[Path]:
    """The lists of parts of all joined files."""
    return sorted(folder.glob(f"[0-9][0-9][0-9][0-9]/[0-9][0-9]/*{PARTS}"))


def read_parts(folder: Path, parts: Path) -> tuple[Part, ...]:
    """The parts of a joined file, from its list; none when the list cannot be read."""
    with suppress(OSError):
        return _read_parts(folder, parts, parts.stat().st_mtime_ns)
    return ()


@lru_cache(maxsize=64)
def _read_parts(folder: Path, parts: Path, _changed: int) -> tuple[Part, ...]:
    with suppress(OSError):
        return parse_parts(parts.relative_to(folder).as_posix(), parts.read_text(encoding="utf-8"))
    return ()


def parse_parts(name: str, text: str) -> tuple[Part, ...]:
    """The parts in a list of that name; none when it cannot be parsed."""
    joined = name.removesuffix(PARTS) + ".warc.gz"
    with suppress(ValueError, KeyError, TypeError):
        return tuple(
            Part(file=one["file"], joined=joined, offset=one["offset"], size=one["bytes"])
            for one in json.loads(text)
        )
    return ()
