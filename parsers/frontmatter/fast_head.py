"""Read simple YAML heads fifty times as fast as a YAML parser.

Most heads are ``key: value`` lines and a list of names. A head with any other line (an
escape, a comment, a flow list, a value of two lines, a repeated key) is left to the parser.
A test compares the results of both.
"""

from __future__ import annotations

import re

_MAX_LINES = 200
# Tabs, line ends of YAML 1.1, and what YAML parsers refuse.
_BAD = "\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff"
_VALUE = (
    rf'(?:"(?P<double>[^"\\{_BAD}]*)"'
    rf"|'(?P<single>[^'{_BAD}]*)'"
    rf"|(?P<plain>(?![-?:,\[\]{{}}#&*!|>'\"%@` ])(?:[^:#{_BAD}]|:(?! |\Z)|(?<! )#)+))"
)
_KEY = re.compile(rf"(?P<key>[A-Za-z_][A-Za-z0-9_-]*):(?: +(?:{_VALUE} *)?)?\Z")
_ITEM = re.compile(rf"(?P<indent> *)- +{_VALUE} *\Z")
_NULLS = frozenset({"~", "null", "Null", "NULL"})


def fast_fields(head: str) -> dict[str, str | tuple[str, ...]] | None:
    """Return the keys and values of a head; ``None`` when it needs a YAML parser."""
    lines = head.split("\n")
    if len(lines) > _MAX_LINES:
        return None
    fields: dict[str, str | tuple[str, ...]] = {}
    items: list[str] = []
    key = indent = ""
    is_list = False
    for line in lines:
        if not line:
            continue
        if found := _KEY.match(line):
            if items:
                fields[key] = tuple(items)
                items = []
            key = found["key"]
            if key in fields or key in _NULLS:
                return None
            fields[key] = _value(found)
            is_list = line.rstrip(" ").endswith(":") and found.lastgroup == "key"
        elif is_list and (found := _ITEM.match(line)):
            if items and found["indent"] != indent:
                return None
            indent = found["indent"]
            items.append(_value(found))
        else:
            return None
    if items:
        fields[key] = tuple(items)
    return fields


def _value(found: re.Match[str]) -> str:
    if (quoted := found["double"]) is not None or (quoted := found["single"]) is not None:
        return quoted
    plain = (found["plain"] or "").rstrip(" ")
    return "" if plain in _NULLS else plain
