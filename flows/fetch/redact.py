"""Addresses and foreign words made safe for messages, logs and tables."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*@")
_SECRET = re.compile(
    r"(?i)(?<=[?&;])((?:[\w.-]*(?:token|secret|passw(?:or)?d|passwd|signature|credential)[\w.-]*"
    r"|(?:[\w-]*[_-])?(?:key|apikey|sig|auth|pwd)|access_?key[\w-]*)=)[^&#\s]*"
)
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def redact_url(url: str) -> str:
    """The address without user names, passwords, tokens and control characters."""
    return safe_text(_SECRET.sub(r"\1***", _USERINFO.sub("***@", url)), limit=500)


def redact_text(words: str) -> str:
    """Words with every address in them masked."""
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", words))


def safe_text(text: str, *, limit: int = 200) -> str:
    """Foreign words on one line, control and direction marks escaped, cut to ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", cut)
