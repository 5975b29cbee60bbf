"""Edit the selectors of a source in ``copydesk.toml``, and keep everything else byte for byte.

The key ``select`` may be an inline table, a table of its own or dotted keys. The edited text is
parsed again: it must differ from the old one in the given values only.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import settings as configuration
from flows.admin.new_config import quoted
from flows.errors import ConfigurationError

_STRING = r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'"
_PAIR = re.compile(rf"(?P<head>(?P<key>[\w-]+|\"[^\"\n]*\")\s*=\s*)(?P<value>{_STRING})")
_HEADER = re.compile(r"^[ \t]*\[(?P<name>[^\[\]\n]+)\][ \t\r]*(?:#.*)?$", re.MULTILINE)
_INLINE = re.compile(rf"^[ \t]*select[ \t]*=[ \t]*\{{(?P<body>(?:{_STRING}|[^}}\n])*)\}}", re.M)


def write_selectors(file: Path, slug: str, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Write new selectors of a source, if the file can be loaded with them.

    Args:
        file: The configuration.
        slug: The source.
        changes: New values by key: ``select`` has those of its fields, ``""`` has those of the
            section itself, such as ``links``.

    Raises:
        ConfigurationError: The file cannot be read, edited or loaded. Nothing is written.
    """
    target = file.resolve()
    try:
        before = target.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    text = edited(before, slug, changes)
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        draft.write_bytes(text.encode("utf-8"))
        shutil.copymode(target, draft)
        configuration.load(draft)
        draft.replace(target)
    except ConfigurationError as error:
        reason = str(error).replace(str(draft), str(file))
        raise ConfigurationError(f"{reason}\nnothing is written") from None
    finally:
        draft.unlink(missing_ok=True)


def edited(text: str, slug: str, changes: Mapping[str, Mapping[str, str]]) -> str:
    """Return a configuration with other selectors of a source.

    Raises:
        ConfigurationError: The values cannot be replaced in this text.
    """
    fields, keys = changes.get("select", {}), changes.get("", {})
    result = text
    if keys:
        result = _in_section(result, f"sources.{slug}", keys)
    if fields:
        result = _with_fields(result, slug, fields)
    wanted = _with_values(tomllib.loads(text), slug, fields, keys)
    try:
        is_right = tomllib.loads(result) == wanted
    except tomllib.TOMLDecodeError:
        is_right = False
    if not is_right:
        lines = [f"{key} = {quoted(value)}" for key, value in keys.items()]
        lines += [f"select.{field} = {quoted(value)}" for field, value in fields.items()]
        shown = "".join(f"\n    {line}" for line in lines)
        raise ConfigurationError(
            f"the section [sources.{slug}] has a form that copydesk does not edit: change these "
            f"keys by hand:{shown}"
        )
    return result


def _with_values(
    data: dict[str, Any], slug: str, fields: Mapping[str, str], keys: Mapping[str, str]
) -> dict[str, Any]:
    sources = data.setdefault("sources", {})
    section = sources.setdefault(slug, {})
    section |= keys
    if fields:
        section["select"] = {**section.get("select", {}), **fields}
    return data


def _with_fields(text: str, slug: str, fields: Mapping[str, str]) -> str:
    """Edit the form of ``select`` that the section has; add an inline table where it has none."""
    if _section(text, f"sources.{slug}.select"):
        return _in_section(text, f"sources.{slug}.select", fields)
    span = _section(text, f"sources.{slug}")
    if span is None:
        return text
    start, end = span
    section = text[start:end]
    if found := _INLINE.search(section):
        body = _with_pairs(found["body"], fields, separator=", ")
        section = section[: found.start("body")] + body + section[found.end("body") :]
    elif re.search(r"^[ \t]*select\.", section, re.MULTILINE):
        section = _with_lines(section, {f"select.{name}": css for name, css in fields.items()})
    else:
        table = ", ".join(f"{name} = {quoted(css)}" for name, css in fields.items())
        section = _with_line(section, f"select = {{ {table} }}")
    return text[:start] + section + text[end:]


def _in_section(text: str, name: str, values: Mapping[str, str]) -> str:
    span = _section(text, name)
    if span is None:
        return text
    start, end = span
    return text[:start] + _with_lines(text[start:end], values) + text[end:]


def _section(text: str, name: str) -> tuple[int, int] | None:
    """Return where the lines of a table begin and end, after its header."""
    headers = list(_HEADER.finditer(text))
    for number, header in enumerate(headers):
        if re.sub(r"[\s\"']", "", header["name"]) == name:
            following = headers[number + 1 : number + 2]
            return header.end(), following[0].start() if following else len(text)
    return None


def _with_lines(section: str, values: Mapping[str, str]) -> str:
    """Replace the values of keys with a line each; add the keys that are missing."""
    for key, value in values.items():
        line = re.compile(rf"^([ \t]*{re.escape(key)}[ \t]*=[ \t]*)(?:{_STRING})", re.MULTILINE)
        found = line.search(section)
        if found:
            section = section[: found.end(1)] + quoted(value) + section[found.end() :]
        else:
            section = _with_line(section, f"{key} = {quoted(value)}")
    return section


def _with_line(section: str, line: str) -> str:
    """Add a line behind the header."""
    return f"\n{line}{section}"


def _with_pairs(body: str, fields: Mapping[str, str], *, separator: str) -> str:
    """Replace the values of an inline table, and add those that are missing."""
    left = dict(fields)

    def value(found: re.Match[str]) -> str:
        new = left.pop(found["key"].strip('"'), None)
        return found[0] if new is None else f"{found['head']}{quoted(new)}"

    body = _PAIR.sub(value, body)
    added = separator.join(f"{name} = {quoted(css)}" for name, css in left.items())
    if not added:
        return body
    kept = body.rstrip()
    return f"{kept}{separator}{added} " if kept.strip() else f" {added} "
