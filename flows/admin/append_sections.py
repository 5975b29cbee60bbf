"""Append sections to ``copydesk.toml``, and keep what it has, byte for byte."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path

from flows import settings as configuration
from flows.errors import ConfigurationError
from flows.source_settings import BUILT_IN_SOURCES

_MAX_SHOWN = 2000


def append_sections(file: Path, sections: str, slugs: Iterable[str]) -> list[str]:
    """Append the sections of sources, if the file can be loaded with them; return notes.

    Args:
        file: The configuration.
        sections: TOML, with an empty line before each section.
        slugs: The sources that the file must have then.

    Raises:
        ConfigurationError: The file cannot be read, or not be loaded. Nothing is written.
    """
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
        draft.write_bytes(f"{before.rstrip(chr(10))}\n{sections}".encode())
        shutil.copymode(target, draft)
        loaded = configuration.load(draft)
        if missing := [slug for slug in slugs if slug not in loaded.sources]:
            raise ConfigurationError(
                f"{file} has no place for [sources.{missing[0]}]: add it by hand"
            )
        draft.replace(target)
    except ConfigurationError as error:
        text = str(error).replace(str(draft), str(file))
        shown = sections if len(sections) <= _MAX_SHOWN else f"{sections[:_MAX_SHOWN]}..."
        raise ConfigurationError(
            f"{text}\nnothing is written; the text to add is:\n{shown}"
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
