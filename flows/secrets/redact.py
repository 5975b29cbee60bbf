"""Redact URLs and foreign text for messages, logs and tables."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=//)[^/?#\s@]*@")
SECRET_NAMES = frozenset(
    {"access_key", "accesskey", "api_key", "apikey", "auth", "authorization", "bearer", "jwt"}
    | {"pwd", "sig"}
)
"""Query parameters that are secret in any URL; ``SECRET_PARTS`` finds longer names."""
SECRET_PARTS = re.compile(
    r"token|secret|passw(?:or)?d|signature|credential|access_?key|[_.-](?:key|apikey|sig|auth|pwd)$"
)
AMBIGUOUS_NAMES = frozenset({"code", "key", "pass", "session", "sid"})
"""Query parameters that are secret in a configured URL, and may name an article in another."""
_REDACTED_NAMES = SECRET_NAMES | AMBIGUOUS_NAMES - {"code"}
_PAIR = re.compile(r"(?<=[?&;])([\w.-]+)=[^&#\s]*[^&#\s'\":;,.)]")
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def redact_url(url: str) -> str:
    """Redact user names, passwords, tokens and control characters of a URL."""
    return safe_text(redact_text(url), limit=500)


def redact_text(text: str) -> str:
    """Redact the secrets of every URL in a text. A ``code`` stays: it may name an article."""
    return _PAIR.sub(_redact_pair, _USERINFO.sub("***@", text))


def _redact_pair(found: re.Match[str]) -> str:
    name = found[1].lower()
    is_secret = name in _REDACTED_NAMES or SECRET_PARTS.search(name)
    return f"{found[1]}=***" if is_secret else found[0]


def safe_text(text: str, *, limit: int = 200) -> str:
    """Escape control and direction characters of foreign text and cut it to ``limit``."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", cut)
