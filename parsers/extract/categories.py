"""Sections, keywords and the lead image, as declared."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from parsers.extract.structured import Structured, texts
from parsers.model import Extracted
from parsers.text.urls import absolute, is_http

_COMMA = re.compile(r"\s*[,;，；、|]\s*")
_LOGO = re.compile(
    r"(?:^|[/_-])(?:logo|favicon|default[-_]?(?:image|share)|placeholder|blank|spacer)", re.I
)


def categories(declared: Structured) -> Extracted[tuple[str, ...]]:
    """The sections the article is declared to stand in."""
    found = tuple(dict.fromkeys(texts(declared.article.get("articleSection"))))
    if found:
        return Extracted(found, "json-ld:articleSection")
    found = _metas(declared, "article:section", split=False)
    return Extracted(
        found, "meta:article:section" if found else "absent: the page declares no section"
    )


def tags(declared: Structured) -> Extracted[tuple[str, ...]]:
    """The keywords the article is declared to have."""
    words = [
        part for value in texts(declared.article.get("keywords")) for part in _COMMA.split(value)
    ]
    found = tuple(dict.fromkeys(word for word in words if word))
    if found:
        return Extracted(found[:50], "json-ld:keywords")
    for name in ("article:tag", "news_keywords", "keywords"):
        if found := _metas(declared, name, split=True):
            return Extracted(found[:50], f"meta:{name}")
    return Extracted((), "absent: the page declares no keywords")


def lead_image(declared: Structured, base: str) -> Extracted[str] | None:
    """The declared image that is no logo; ``None`` leaves it to the body's first."""
    for value, how in (
        _json_ld_image(declared),
        declared.meta("og:image", "og:image:url", "twitter:image", "twitter:image:src"),
    ):
        url = absolute(base, html.unescape(value)) if value else ""
        if is_http(url) and not _LOGO.search(url):
            return Extracted(url, how)
    return None


def _json_ld_image(declared: Structured) -> tuple[str, str]:
    value = declared.article.get("image")
    for item in value if isinstance(value, list) else [value]:
        item = declared.resolved(item)
        if isinstance(item, Mapping):
            item = item.get("url") or item.get("contentUrl")
        for url in texts(item):
            return url, "json-ld:image"
    return "", ""


def _metas(declared: Structured, name: str, *, split: bool) -> tuple[str, ...]:
    values = [html.unescape(value) for value in declared.metas.get(name, ())]
    parts = [part for value in values for part in (_COMMA.split(value) if split else [value])]
    return tuple(dict.fromkeys(part for part in parts if part))
