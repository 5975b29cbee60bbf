"""Whose is what at a Prefect server: the installation, told apart from every other one.

A server may be shared, and machines are alike: host names, paths of configurations and names
of sources repeat. So each folder of a warehouse has an id that is made once and goes with it,
to another machine as into another container. The deployments of ``copydesk serve`` bear it as
a tag, and so do the runs that are made from them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from flows.errors import ConfigurationError
from flows.settings import Settings

PREFIX = "installation:"
FILE = "installation"
_ID = re.compile(r"[0-9a-f]{32}")
_SHORT = 12


def identity(settings: Settings) -> str:
    """The id of this warehouse's installation; made when there is none yet.

    Raises:
        ConfigurationError: The file holds something else, or cannot be read.
        OSError: It cannot be made.
    """
    path = settings.warehouse.path.absolute()
    file = path.parent / FILE
    if (found := _read(file)) is None:
        _make(file)
        found = _read(file)
    if found is None or not _ID.fullmatch(found):
        raise ConfigurationError(
            f"{file}: expected the id of this installation (32 hexadecimal digits), found "
            f"{(found or '')[:40]!r}: put the file back from a copy, or delete it and a new one is "
            "made, which is then another installation to a Prefect server"
        )
    return sha256(f"{found}/{path.name}".encode()).hexdigest()[:_SHORT]


def trouble(settings: Settings) -> str | None:
    """What is wrong with the id, if there is one; none is made by looking."""
    if not (settings.warehouse.path.absolute().parent / FILE).exists():
        return None
    try:
        identity(settings)
    except (ConfigurationError, OSError) as error:
        return str(error)
    return None


def tag(settings: Settings) -> str:
    """The tag of this installation's deployments and runs."""
    return PREFIX + identity(settings)


def tagged(tags: Iterable[str]) -> str | None:
    """Which installation tags name; ``None`` for none, as those of earlier versions do."""
    return next((one.removeprefix(PREFIX) for one in tags if one.startswith(PREFIX)), None)


def is_others(tags: Iterable[str], installation: str) -> bool:
    """Whether tags name an installation, and another one."""
    return tagged(tags) not in (None, installation)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{file}: the id of this installation cannot be read ({error.strerror}): see that it is "
            "a file and whose it is"
        ) from error


def _make(file: Path) -> None:
    """In one step, so that of two that begin at once both have the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        with part.open("w", encoding="utf-8") as made:
            made.write(f"{uuid4().hex}\n")
            made.flush()
            os.fsync(made.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            pass
        except OSError:  # no hard links there
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)
