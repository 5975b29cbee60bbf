"""File names of a site: lower case ASCII, stable, different for different names.

A name depends on its article or its list only, so that an address stays when others come and go.
"""

from __future__ import annotations

import re
from hashlib import sha256

_ARTICLE_DIGITS = 20
_LIST_DIGITS = 12
_MAX_STEM = 48
_PLAIN = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_]+)*")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_WITH_DIGEST = re.compile(rf"(?:.*-)?[0-9a-f]{{{_LIST_DIGITS}}}")
_OTHERS = re.compile(r"[^a-z0-9]+")


def article_path(article_id: str) -> str:
    """Return the path of an article's page: ``articles/3f/finews-nw2022-<20 digits of its hash>.html``."""
    digest = _digest(article_id)
    stem = _OTHERS.sub("-", article_id.lower())[:_MAX_STEM].strip("-")
    front = f"{stem}-" if stem else ""
    return f"articles/{digest[:2]}/{front}{digest[:_ARTICLE_DIGITS]}.html"


def list_folder(name: str) -> str:
    """Return the folder of a source, category or tag: its name if that is a safe one, else with a hash."""
    is_plain = len(name) <= _MAX_STEM and _PLAIN.fullmatch(name)
    if is_plain and not (_RESERVED.fullmatch(name) or _WITH_DIGEST.fullmatch(name)):
        return name
    stem = _OTHERS.sub("-", name.lower())[:_MAX_STEM].strip("-")
    return f"{stem}-{_digest(name)[:_LIST_DIGITS]}" if stem else _digest(name)[:_LIST_DIGITS]


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
