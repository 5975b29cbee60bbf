"""Parse listings: one item of a JSON or HTML listing becomes one Entry or BadEntry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from parsers.errors import BadListing, LayoutChanged, ParseError
from parsers.html import select
from parsers.model import BadEntry, Entry

_HTML_TITLE = re.compile(r"<title[^<>]*>([^<]{0,200})", re.IGNORECASE)


def records(text: str, name: str) -> list[object]:
    """Return the list under a key of a JSON object.

    Raises:
        BadListing: The text is not JSON or not an object, or has no such list.
    """
    answer = select.json_document(text)
    if not isinstance(answer, dict):
        raise BadListing(expected="a JSON object", found=_described(answer))
    if name not in answer:
        raise BadListing(expected=f"key {name!r}", found=f"keys {_keys(answer)}")
    items = answer[name]
    if not isinstance(items, list):
        raise BadListing(expected=f"a list under {name!r}", found=_described(items))
    return items


def record(item: object, where: str = "") -> Mapping[str, object]:
    """Return an item that is a JSON object; ``where`` names it in the message.

    Raises:
        LayoutChanged: It is not an object.
    """
    if not isinstance(item, dict):
        raise LayoutChanged(expected="a JSON object", found=_described(item), where=where)
    return item


def fact(item: Mapping[str, object], name: str, where: str = "") -> str:
    """Return the text under a key; JSON ``null`` is an empty text.

    Raises:
        LayoutChanged: The key is missing, or its value is neither a text nor null.
    """
    if name in item and item[name] is None:
        return ""
    return select.json_value(item, name, str, where)


def entry_or_error(channel: str, raw: str, make: Callable[[], Entry]) -> Entry | BadEntry:
    """Return the entry that ``make`` returns, or a BadEntry with its ParseError."""
    try:
        return make()
    except ParseError as error:
        return BadEntry(channel=channel, raw=raw, error=error)


def unique_entries(items: Iterable[Entry | BadEntry]) -> tuple[Entry | BadEntry, ...]:
    """Return the items in their order, each article once.

    Of several items of one article, the first with the fewest empty facts is kept: some
    publishers list an article twice, once without title and time.
    """
    kept: dict[str | int, tuple[int, Entry | BadEntry]] = {}
    for place, item in enumerate(items):
        if isinstance(item, BadEntry):
            kept[place] = (place, item)
            continue
        first, known = kept.get(item.source_article_id, (place, None))
        if not isinstance(known, Entry) or _empty_facts(item) < _empty_facts(known):
            kept[item.source_article_id] = (first, item)
    return tuple(item for _, item in sorted(kept.values(), key=lambda placed: placed[0]))


def described_document(text: str, root: str) -> str:
    """Return what a document is that is no listing, for a message.

    Args:
        text: The document.
        root: The local name of its root; empty when it has none.
    """
    if not text:
        return "an empty document"
    if root in {"html", "head", "body"} or "<html" in text[:2000].lower():
        title = _HTML_TITLE.search(text[:20_000])
        return f"an HTML page titled {title[1].strip()!r}" if title else "an HTML page"
    if root:
        return f"a document whose root is <{root}>"
    return f"text that begins with {text[:80]!r}"


def _empty_facts(entry: Entry) -> int:
    return sum(not value.strip() for value in entry.facts.values())


def _described(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with keys {_keys(value)}"
    return f"{type(value).__name__} {str(value)[:80]!r}"


def _keys(value: Mapping[object, object]) -> str:
    return ", ".join(repr(name) for name in list(value)[:20]) or "none"
