"""Write a feed as Atom, RFC 4287."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from flows.import_export.feeds.model import (
    AUTHOR,
    NO_TITLE,
    Enclosure,
    Feed,
    FeedEntry,
    distinct,
    language_tag,
    safe_url,
    timestamp,
)
from parsers.text.characters import display_line, printable

MEDIA_TYPE = "application/atom+xml"
_NAMESPACE = "http://www.w3.org/2005/Atom"


def render_atom(feed: Feed) -> bytes:
    """Return the document, UTF-8."""
    return "".join(f"{line}\n" for line in _document(feed)).encode()


def _document(feed: Feed) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f'<feed xmlns="{_NAMESPACE}"{_language(feed.language)}>'
    yield _element("id", feed.id)
    yield _element("title", display_line(feed.title))
    yield _element("updated", timestamp(feed.updated_at))
    yield f"<author>{_element('name', AUTHOR)}</author>"
    yield _element("generator", AUTHOR)
    if feed.feed_url:
        yield _link("self", feed.feed_url, MEDIA_TYPE)
    if feed.home_url:
        yield _link("alternate", feed.home_url, "text/html")
    for entry in feed.entries:
        yield from _entry(entry, feed.language)
    yield "</feed>"


def _entry(entry: FeedEntry, feed_language: str | None) -> Iterator[str]:
    own = None if entry.language == feed_language else entry.language
    yield f"<entry{_language(own)}>"
    yield _element("id", entry.id)
    yield _element("title", display_line(entry.title or "") or NO_TITLE)
    if entry.published_at:
        yield _element("published", timestamp(entry.published_at))
    yield _element("updated", timestamp(entry.updated_at))
    for name in distinct(entry.authors):
        yield f"<author>{_element('name', name)}</author>"
    if entry.url:
        yield _link("alternate", entry.url)
    if entry.related_url:
        yield _link("related", entry.related_url, "text/html")
    for one in entry.enclosures:
        yield _enclosure(one)
    for name in distinct(entry.categories):
        yield f'<category term="{_text(name)}"/>'
    # An entry without a page needs a content, even an empty one.
    if entry.content_html is not None or not entry.url:
        yield f'<content type="html">{_text(entry.content_html or "")}</content>'
    yield "</entry>"


def _language(given: str | None) -> str:
    tag = language_tag(given)
    return f' xml:lang="{tag}"' if tag else ""


def _element(name: str, text: str) -> str:
    return f"<{name}>{_text(text)}</{name}>"


def _link(relation: str, url: str, media_type: str = "") -> str:
    type_ = f' type="{_text(media_type)}"' if media_type else ""
    return f'<link rel="{relation}"{type_} href="{_text(safe_url(url))}"/>'


def _enclosure(one: Enclosure) -> str:
    length = "" if one.length is None else f' length="{one.length}"'
    return (
        f'<link rel="enclosure" type="{_text(one.known_type)}"{length} '
        f'href="{_text(safe_url(one.url))}"/>'
    )


def _text(text: str) -> str:
    """Escaped for an element or an attribute; a reader would take CR for LF."""
    return escape(printable(text.replace("\r\n", "\n").replace("\r", "\n")))
