"""Strict selections from HTML and JSON documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from bs4 import Tag

from parsers.errors import BadListing, LayoutChanged
from parsers.html.tree import document as document
from parsers.text.plain import plain_text

T = TypeVar("T")

_TYPE_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def select_one(node: Tag, css: str) -> Tag:
    """Return the only match of a CSS selector.

    Raises:
        LayoutChanged: There is none, or more than one.
    """
    found = node.select(css, limit=2)
    if len(found) != 1:
        raise _unexpected(node, f"one {css!r}", css, len(found))
    return found[0]


def select_all(node: Tag, css: str) -> list[Tag]:
    """Return all matches of a CSS selector, at least one.

    Raises:
        LayoutChanged: There is none.
    """
    found = list(node.select(css))
    if not found:
        raise _unexpected(node, f"at least one {css!r}", css, 0)
    return found


def select_optional(node: Tag, css: str) -> Tag | None:
    """Return the only match of a CSS selector, or ``None``.

    Raises:
        LayoutChanged: There is more than one.
    """
    found = node.select(css, limit=2)
    if len(found) > 1:
        raise _unexpected(node, f"at most one {css!r}", css, len(found))
    return found[0] if found else None


def text_of(node: Tag) -> str:
    """Return the visible text of a node on one line."""
    return " ".join(plain_text(node).split())


def json_document(text: str, what: str = "") -> Any:
    """Return the value of a JSON text; ``what`` names the text in the message.

    Raises:
        BadListing: It is not JSON. NaN and Infinity are not JSON.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        start = " ".join(text[:200].split())[:80]
        raise BadListing(
            expected="a JSON document", found=start, where=what, hint=str(error)
        ) from error


def json_value(mapping: Any, name: str, kind: type[T], where: str = "") -> T:
    """Return the value under a key that must exist and have one type.

    Args:
        mapping: The JSON object.
        name: The key.
        kind: The type. ``True`` is not an ``int``.
        where: The name of the object in the message.

    Raises:
        LayoutChanged: The key is missing, or its value has another type.
    """
    if not isinstance(mapping, Mapping):
        expected, found = f"an object with {name!r}", _described(mapping)
    elif name not in mapping:
        expected = f"the key {name!r}"
        found = "keys: " + (", ".join(sorted(map(str, mapping))[:20]) or "none")
    else:
        value = mapping[name]
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        expected, found = f"{name!r} of type {_type_name(kind)}", _described(value)
    raise LayoutChanged(expected=expected, found=found, where=where)


def _type_name(kind: type) -> str:
    return _TYPE_NAMES.get(kind, kind.__name__)


def _described(value: object) -> str:
    return f"{_type_name(type(value))}: {repr(value)[:80]}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unexpected(node: Tag, expected: str, css: str, count: int) -> LayoutChanged:
    counted = "more than one" if count else "none"
    start = text_of(node)[:80]
    return LayoutChanged(expected=expected, found=f"{counted} of {css!r} in <{node.name}>: {start}")
