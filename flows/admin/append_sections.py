"""Add sources to ``copydesk.toml``, and keep what it has, byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

from flows import settings as configuration
from flows.errors import ConfigurationError
from flows.source_settings import BUILT_IN_SOURCES

_MAX_SHOWN = 2000
_SOURCES = re.compile(
    r"^[ \t]*\[[ \t]*sources[ \t]*\][ \t]*(?:#[^\n]*)?(?:\n|\Z)"
    r"(?:[ \t]*[\w\"-]+[ \t]*=[ \t]*\{[^\n]*\}[ \t]*(?:#[^\n]*)?(?:\n|\Z))*",
    re.MULTILINE,
)
"""The header of the table of sources, and the sources of one line each that follow it."""


def append_sections(file: Path, sections: str, slugs: Iterable[str]) -> list[str]:
    """Append the sections of sources, if the file can be loaded with them; return notes.

    Args:
        file: The configuration.
        sections: TOML, with an empty line before each section.
        slugs: The sources that the file must have then.

    Raises:
        ConfigurationError: The file cannot be read, or not be loaded. Nothing is written.
    """
    return _add(file, sections, slugs, lambda before: f"{before.rstrip(chr(10))}\n{sections}")


def add_lines(file: Path, lines: str, slugs: Iterable[str]) -> list[str]:
    """Add sources of one line each to the table ``[sources]``; return notes.

    A file without that table gets it at its end.

    Args:
        file: The configuration.
        lines: Lines of TOML: ``name = { ... }``.
        slugs: The sources that the file must have then.

    Raises:
        ConfigurationError: The file cannot be read, or not be loaded. Nothing is written.
    """

    def added(before: str) -> str:
        if (found := _SOURCES.search(before)) is None:
            return f"{before.rstrip(chr(10))}\n\n[sources]\n{lines}"
        end = "" if found[0].endswith("\n") else "\n"
        return f"{before[: found.end()]}{end}{lines}{before[found.end() :]}"

    return _add(file, lines, slugs, added)


def _add(file: Path, text: str, slugs: Iterable[str], added: Callable[[str], str]) -> list[str]:
    target = file.resolve()
    try:
        before = target.read_bytes().decode("utf-8")
        had_sources = "sources" in tomllib.loads(before)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {file}: `copydesk init` writes it") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        draft.write_bytes(added(before).encode())
        shutil.copymode(target, draft)
        loaded = configuration.load(draft)
        if missing := [slug for slug in slugs if slug not in loaded.sources]:
            raise ConfigurationError(
                f"{file} has no place for [sources.{missing[0]}]: add it by hand"
            )
        draft.replace(target)
    except ConfigurationError as error:
        message = str(error).replace(str(draft), str(file))
        shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
        raise ConfigurationError(
            f"{message}\nnothing is written; the text to add is:\n{shown}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    if had_sources:
        return []
    names = ", ".join(BUILT_IN_SOURCES)
    return [
        f"{file} had no source, so that the built-in ones were used; to keep them, add an empty "
        f"section for each of {names}"
    ]
