"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/).

A value of another type than the specification names is ignored.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping

from parsers.errors import BadListing, LayoutChanged
from parsers.feeds.constructs import has_words, language_tag, paragraphs
from parsers.feeds.model import BadItem, Feed, FeedItem, refuse_too_many
from parsers.html import select
from parsers.media import distinct_media, media_of
from parsers.model import Media
from parsers.text.people import author_names
from parsers.text.urls import absolute, is_http

Record = Mapping[str, object]


def parse_json_feed(text: str, base_url: str) -> Feed:
    """Parse the JSON Feed in a decoded text.

    Args:
        text: The document.
        base_url: The feed's URL, the base of relative links.

    Raises:
        BadListing: The text is no JSON Feed, or has more than ``MAX_ITEMS`` items.
    """
    feed = select.json_document(text.lstrip("\ufeff\u200b \t\r\n\0"))
    listed = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(listed, list):
        raise BadListing(
            expected='a JSON Feed, an object with a list under "items"', found=text[:200].strip()
        )
    refuse_too_many(len(listed))
    link = absolute(base_url, _text(feed, "home_page_url"))
    items: list[FeedItem] = []
    broken: list[BadItem] = []
    for record in listed:
        raw = json.dumps(record, ensure_ascii=False)
        if isinstance(record, dict):
            items.append(_item(record, feed, link or base_url, raw))
        else:
            error = LayoutChanged(expected="an item that is a JSON object", found=raw[:200])
            broken.append(BadItem(raw=raw, error=error))
    return Feed(title=_plain(feed, "title"), link=link, items=tuple(items), broken=tuple(broken))


def _item(record: Record, feed: Record, base: str, raw: str) -> FeedItem:
    guid = _text(record, "id")
    addresses = (_address(record, base, name) for name in ("url", "external_url"))
    return FeedItem(
        title=" ".join(_plain(record, "title").split()),
        link=next(filter(None, addresses), guid if is_http(guid) else ""),
        guid=guid,
        published_raw=_text(record, "date_published"),
        updated_raw=_text(record, "date_modified"),
        authors=_authors(record) or _authors(feed),
        categories=tuple(dict.fromkeys(_texts(record.get("tags")))),
        publisher="",
        language=language_tag(_text(record, "language") or _text(feed, "language")),
        image=_image(record, base),
        media=_media(record, base),
        base="",
        description=_plain(record, "summary"),
        content=_content(record),
        raw=raw,
    )


def _content(record: Record) -> str:
    markup, words = _text(record, "content_html"), paragraphs(_text(record, "content_text"))
    return markup if has_words(markup) else markup + words


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # version 1: an id that is a number
    return value.strip() if isinstance(value, str) else ""


def _plain(record: Record, name: str) -> str:
    return html.escape(_text(record, name), quote=False)


def _texts(values: object) -> Iterator[str]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, str) and (folded := " ".join(value.split())):
            yield folded


def _records(values: object) -> Iterator[Record]:
    yield from (
        value for value in (values if isinstance(values, list) else ()) if isinstance(value, dict)
    )


def _authors(record: Record) -> tuple[str, ...]:
    # "author" is of version 1; some publishers write one object under "authors".
    listed = record.get("authors")
    people = [*(listed if isinstance(listed, list) else [listed]), record.get("author")]
    return author_names(_text(person, "name") for person in _records(people))


def _address(record: Record, base: str, name: str) -> str:
    given = _text(record, name)
    return absolute(base, given) if given else ""


def _media(record: Record, base: str) -> tuple[Media, ...]:
    attached = (
        media_of(
            _address(one, base, "url"),
            mime=_text(one, "mime_type"),
            length=_text(one, "size_in_bytes").removesuffix(".0"),
            duration=_text(one, "duration_in_seconds"),
        )
        for one in _records(record.get("attachments"))
        if is_http(_address(one, base, "url"))
    )
    return distinct_media(filter(None, attached))


def _image(record: Record, base: str) -> str:
    attached = (
        _address(attachment, base, "url")
        for attachment in _records(record.get("attachments"))
        if _text(attachment, "mime_type").startswith("image/")
    )
    named = (_address(record, base, name) for name in ("image", "banner_image"))
    return next(filter(is_http, [*named, *attached]), "")
