"""Write a feed as JSON Feed 1.1, https://www.jsonfeed.org/version/1.1/."""

from __future__ import annotations

import json
from typing import Any

from flows.import_export.feeds.model import (
    AUTHOR,
    Enclosure,
    Feed,
    FeedEntry,
    distinct,
    language_tag,
    safe_url,
    timestamp,
)
from parsers.text.characters import display_line, printable

MEDIA_TYPE = "application/feed+json"
_VERSION = "https://jsonfeed.org/version/1.1"


def render_json_feed(feed: Feed) -> bytes:
    """Return the document, UTF-8."""
    document = {
        "version": _VERSION,
        "title": display_line(feed.title),
        **_given(home_page_url=safe_url(feed.home_url), feed_url=safe_url(feed.feed_url)),
        **_given(language=language_tag(feed.language)),
        "authors": [{"name": AUTHOR}],
        "items": [_item(one, feed.language) for one in feed.entries],
    }
    return f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()


def _item(entry: FeedEntry, feed_language: str | None) -> dict[str, Any]:
    has_html = entry.content_html is not None
    content = {"content_html" if has_html else "content_text": printable(entry.content_html or "")}
    return {
        "id": entry.id,
        **_given(url=safe_url(entry.url), external_url=safe_url(entry.related_url)),
        **_given(title=display_line(entry.title or "")),
        **content,
        **_given(image=safe_url(entry.image or "")),
        **_given(date_published=entry.published_at and timestamp(entry.published_at)),
        "date_modified": timestamp(entry.updated_at),
        **_given(authors=[{"name": name} for name in distinct(entry.authors)]),
        **_given(tags=list(distinct(entry.categories))),
        **_given(
            language=None if entry.language == feed_language else language_tag(entry.language)
        ),
        **_given(attachments=[_attachment(one) for one in entry.enclosures]),
    }


def _attachment(one: Enclosure) -> dict[str, Any]:
    seconds = None if one.seconds is None else round(one.seconds, 3)
    return {
        "url": safe_url(one.url),
        "mime_type": one.known_type,
        **({} if one.length is None else {"size_in_bytes": one.length}),
        **({} if seconds is None else {"duration_in_seconds": seconds}),
    }


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not empty: JSON Feed leaves out what is unknown."""
    return {name: value for name, value in values.items() if value}
