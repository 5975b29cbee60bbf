"""JSON of documents for people and programs."""

from __future__ import annotations

import json
from typing import Any

from parsers.text.characters import escape_controls


def dump(document: Any) -> str:
    """A JSON document: non-ASCII text is kept, times are RFC 3339.

    Control characters that JSON allows unescaped are escaped, too: the values stay the same.
    """
    return escape_controls(json.dumps(document, ensure_ascii=False, indent=2, default=encode))


def encode(value: Any) -> str:
    """Return the text of a value that JSON has no type for: times, bytes, and others."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
