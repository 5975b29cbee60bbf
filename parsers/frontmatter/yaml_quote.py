"""Quote text as YAML that every reader reads as the same text.

YAML 1.1 (Jekyll's Psych, PyYAML) and 1.2 (Hexo, ruamel) differ in numbers, truth values
and line breaks. A word is unquoted only when both read it as text. Invisible characters
that XML forbids are removed, because they would break a site's feed; half surrogates
become U+FFFD.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff\u00b7-]*")
_NOT_WORDS = frozenset(
    {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none", "nan", "inf"}
)
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPED = re.compile("[\t\n\r\x85\u2028\u2029\ufeff]")


def writable(text: str) -> str:
    """Remove the characters that a post cannot contain."""
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


def word(text: str) -> str:
    """Return a scalar: a simple word unquoted, any other text quoted."""
    if _WORD.fullmatch(text) and text.casefold() not in _NOT_WORDS:
        return text
    return quoted(text)


def quoted(text: str, prefer: str = '"') -> str:
    """Return a quoted scalar on one line, in the preferred quotes if these need no escape.

    A text with ``"`` or a backslash is in single quotes, so that text in double quotes has
    no escapes unless it has a line break.
    """
    text = writable(text)
    if _ESCAPED.search(text):
        return f'"{_ESCAPED.sub(_escape, text.translate(_BACKSLASHED))}"'
    can_double = '"' not in text and "\\" not in text
    if can_double and (prefer == '"' or "'" in text):
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


_BACKSLASHED = str.maketrans({"\\": "\\\\", '"': '\\"'})


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
