"""Text to YAML that every reader takes for the same text.

YAML 1.1 (Jekyll's Psych, PyYAML) and 1.2 (Hexo, ruamel) differ in what is a number, a
truth value and a line break, so a word goes unquoted only where no reader can see
anything else in it. Characters that no reader shows and XML forbids (a site's feed would
break on them) are left out; half surrogates, which UTF-8 cannot hold, become U+FFFD.
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
    """The text without characters that no post can hold; usually the text itself."""
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


def word(text: str) -> str:
    """A scalar for a simple word, bare as the generators write it, else quoted."""
    if _WORD.fullmatch(text) and text.casefold() not in _NOT_WORDS:
        return text
    return quoted(text)


def quoted(text: str, prefer: str = '"') -> str:
    """A quoted scalar, on one line, in the preferred quotes where these need no escape.

    A text with ``"`` or a backslash goes into single quotes: what stands between
    double quotes is then always the text itself, unless it holds a line break.
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
