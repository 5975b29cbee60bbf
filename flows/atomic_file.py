"""Write a file as a whole, or leave the old one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

TEMPORARY = re.compile(r"\.copydesk-export-(\d{1,9})\.tmp")
"""The name of a file that is being written; it contains the id of the process."""


@contextmanager
def atomic_file(file: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name when it is complete, or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".copydesk-export-{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as out:
            yield out
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def link_error(path: Path) -> FileExistsError:
    """Return the error for a file or folder that is a link: it may lead out of its folder."""
    return FileExistsError(f"{path} is a link, which copydesk does not follow")


def replace_if_changed(file: Path, data: bytes) -> bool:
    """Write a file unless it has these bytes; return whether it was written."""
    if file.exists() and file.read_bytes() == data:
        return False
    with atomic_file(file) as out:
        out.write(data)
    return True
