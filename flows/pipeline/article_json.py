"""The article JSON: the keys of ``copydesk parse`` and of JSON lines, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import date

from parsers.model import Article

ARTICLE_KEYS = tuple(one.name for one in fields(Article))


def article_json(article: Article) -> dict[str, object]:
    """The article JSON: its keys in order, times as RFC 3339 in UTC, days as ISO 8601."""
    values: dict[str, object] = {}
    for key in ARTICLE_KEYS:
        value = getattr(article, key)
        if isinstance(value, date):  # a datetime, too
            value = value.isoformat().replace("+00:00", "Z")
        elif key == "media":
            value = [asdict(one) for one in value]
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        values[key] = value
    return values
