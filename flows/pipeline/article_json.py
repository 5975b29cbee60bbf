"""The article JSON: the keys of ``copydesk parse`` and of JSON lines, in their order."""

from __future__ import annotations

from collections.abc import Mapping

from parsers.model import Article

ARTICLE_KEYS = (
    "article_id", "source", "source_article_id", "url", "canonical_url", "title", "authors",
    "publisher", "published_at", "published_raw", "published_precision", "updated_at", "categories",
    "tags", "language", "lead_image", "body_html", "text", "content_hash", "parser",
    "parser_version", "provenance", "original_url",
)  # fmt: skip


def article_json(article: Article) -> dict[str, object]:
    """The article JSON: its keys in order, times as RFC 3339 in UTC."""
    values: dict[str, object] = {}
    for key in ARTICLE_KEYS:
        value = getattr(article, key)
        if key in ("published_at", "updated_at") and value is not None:
            value = value.isoformat().replace("+00:00", "Z")
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        values[key] = value
    return values
