"""Redact URLs and foreign text for messages, logs and tables."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*@")
_SECRET = re.compile(
    r"(?i)(?<=[?&;])((?:[\w.-]*(?:token|secret|passw(?:or)?d|passwd|signature|credential)[\w.-]*"
    r"|(?:[\w-]*[_-])?(?:key|apikey|sig|auth|pwd)|access_?key[\w-]*)=)[^&#\s]*[^&#\s'\":;,.)]"
)
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def redact_url(url: str) -> str:
    """Redact user names, passwords, tokens and control characters of a URL."""
    return safe_text(redact_text(url), limit=500)


def redact_text(text: str) -> str:
    """Redact the secrets of every URL in a text."""
    return _SECRET.sub(r"\1***", _USERINFO.sub("***@", text))


def safe_text(text: str, *, limit: int = 200) -> str:
    """Escape control and direction characters of foreign text and cut it to ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", cut)
