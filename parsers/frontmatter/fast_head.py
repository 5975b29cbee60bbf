"""Heads that hold nothing but simple lines, read without a YAML parser.

Nearly all heads are ``key: value`` lines and a list of names. For those the answer of
YAML is plain, and found here some fifty times as fast; any line that could mean more (an
escape, a comment, a flow list, a value over two lines, a key twice) leaves the whole head
to the parser. What is answered here is what the parser answers: a test compares them.
"""

from __future__ import annotations

import re

_MAX_LINES = 200
# Neither tabs, line ends of YAML 1.1 nor anything that its readers refuse.
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
    """The keys of a head and their values; ``None`` when only a YAML parser can tell."""
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
