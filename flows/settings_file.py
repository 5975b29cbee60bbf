"""The configuration file as it is written: TOML in, and messages about wrong keys out."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from flows.errors import ConfigurationError


def read_file(file: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return the keys of a TOML file; none where the file is missing and need not exist.

    Raises:
        ConfigurationError: It is missing, cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigurationError(
                f"there is no configuration file {file}; "
                "`copydesk --config FILE init` writes one, or leave --config out"
            ) from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{file} cannot be read: values nested too deep") from None


def file_digest(file: Path | None) -> str:
    """Return 16 hex digits of the content of a TOML file; comments and spaces do not count.

    Args:
        file: The file; ``None`` for no file.

    Raises:
        ConfigurationError: It is missing, cannot be read or is not TOML.
    """
    given = read_file(file, must_exist=True) if file else {}
    return sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()[:16]


def parse_value(text: str) -> Any:
    """Return the value of an environment variable: as TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """Return the message for one wrong key: what was expected, and the nearest known key."""
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = [".".join([*location[:-1], name]) for name in _known_keys(model, location[:-1])]
        return f"  {key}: unknown key{did_you_mean(key, known)}"
    if detail["type"] == "missing":
        return f"  {key}: this key must be given"
    if detail["type"] == "model_type":
        return f"  {key}: expected a section ([{key}]), found {detail['input']!r}"
    if detail["type"] == "tuple_type" and location[:2] != ["alerts", "to"]:
        return f"  {key}: expected a list, found {detail['input']!r}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if location[:2] == ["alerts", "to"]:
        return f"  {key}: {message[:1].lower()}{message[1:]}"  # an address holds tokens
    return f"  {key}: {message[:1].lower()}{message[1:]}, found {detail['input']!r}"


def _known_keys(model: type[BaseModel], sections: list[str]) -> list[str]:
    names = iter(sections)
    for section in names:
        inner = model.model_fields[section].annotation
        if get_origin(inner) is dict:  # sections with names of the user
            inner, _ = get_args(inner)[1], next(names, None)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
