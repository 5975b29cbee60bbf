"""HTML and JSON documents: strict selections from their trees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from bs4 import Tag

from parsers.errors import BadListing, LayoutChanged
from parsers.html.tree import document as document
from parsers.html.tree import printable as printable
from parsers.text.plain import plain_text

T = TypeVar("T")


def select_one(node: Tag, css: str) -> Tag:
    """The only match of a CSS selector.

    Raises:
        LayoutChanged: There is none, or more than one.
    """
    found = node.select(css, limit=2)
    if len(found) != 1:
        raise _unexpected(node, f"one {css!r}", css, len(found))
    return found[0]


def select_all(node: Tag, css: str) -> list[Tag]:
    """Every match of a CSS selector, at least one.

    Raises:
        LayoutChanged: There is none.
    """
    found = list(node.select(css))
    if not found:
        raise _unexpected(node, f"at least one {css!r}", css, 0)
    return found


def select_optional(node: Tag, css: str) -> Tag | None:
    """The only match of a CSS selector, or ``None``.

    Raises:
        LayoutChanged: There is more than one.
    """
    found = node.select(css, limit=2)
    if len(found) > 1:
        raise _unexpected(node, f"at most one {css!r}", css, len(found))
    return found[0] if found else None


def text_of(node: Tag) -> str:
    """The visible words of a node on one line."""
    return " ".join(plain_text(node).split())


def json_document(text: str, what: str = "") -> Any:
    """The value of a JSON text; ``what`` names it in the message, where that needs a name.

    Raises:
        BadListing: It is not JSON.
    """
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        start = " ".join(text[:200].split())[:80]
        raise BadListing(
            f"{_of(what)}expected JSON, found {start!r} ({error})",
            expected=f"{_of(what)}a JSON document",
            found=start,
        ) from error


def json_value(mapping: Any, name: str, kind: type[T], where: str = "") -> T:
    """The value under a key that must be there and of one type.

    Raises:
        LayoutChanged: The key is missing, or its value is of another type.
    """
    if not isinstance(mapping, Mapping):
        raise LayoutChanged(
            f"{_of(where)}expected an object with {name!r}, found {_kind(mapping)}",
            expected=f"{_of(where)}an object with {name!r}",
            found=_kind(mapping),
        )
    if name not in mapping:
        keys = ", ".join(sorted(map(str, mapping))[:20]) or "none"
        raise LayoutChanged(
            f"{_of(where)}expected the key {name!r}, found {keys}",
            expected=f"{_of(where)}the key {name!r}",
            found=f"keys: {keys}",
        )
    value = mapping[name]
    # True is an int to Python, never to a publisher.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise LayoutChanged(
            f"{_of(where)}expected {name!r} to be {_name(kind)}, found {_kind(value)}",
            expected=f"{_of(where)}{name!r} of type {_name(kind)}",
            found=_kind(value),
        )
    return value


_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _name(kind: type) -> str:
    return _NAMES.get(kind, kind.__name__)


def _kind(value: object) -> str:
    shown = repr(value)
    return f"{_name(type(value))}: {shown[:80]}"


def _of(what: str) -> str:
    """The beginning of a message about something, where that needs a name."""
    return f"{what}: " if what else ""


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unexpected(node: Tag, wanted: str, css: str, count: int) -> LayoutChanged:
    counted = "none" if count == 0 else "more than one"
    start = " ".join(text_of(node).split())[:80]
    return LayoutChanged(
        f"expected {wanted}, found {counted} in <{node.name}> {start!r}",
        expected=wanted,
        found=f"{counted} of {css!r} in <{node.name}>: {start}",
    )
