"""Read and write OPML 1.0 and 2.0: lists of feeds, in folders.

``read_opml`` takes what other programs write: attributes of any case, a lone ``&``, a wrong
encoding. Like the parser of feeds it refuses documents that declare entities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from lxml.etree import XMLSyntaxError

from flows.errors import ConfigurationError
from parsers.errors import BadListing
from parsers.text import xml
from parsers.text.characters import display_line
from parsers.text.charset import decode

MAX_BYTES = 20_000_000
MAX_DEPTH = 50
MAX_FEEDS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A feed of a list.

    Attributes:
        url: Its address, as the list has it.
        folders: The names of the folders that it is in, the outermost first.
        language: As the list declares it; empty when it does not.
    """

    title: str
    url: str
    folders: tuple[str, ...] = ()
    language: str = ""


@dataclass(slots=True)
class _Folder:
    """An outline to write, with what is inside."""

    folders: dict[str, _Folder] = field(default_factory=dict)
    feeds: list[Subscription] = field(default_factory=list)


def read_opml(data: bytes) -> tuple[Subscription, ...]:
    """Return the feeds of a document in its order.

    Raises:
        ConfigurationError: It is no OPML, too large, or declares entities.
    """
    if len(data) > MAX_BYTES:
        raise ConfigurationError(
            f"expected at most {MAX_BYTES:,} bytes of OPML, found {len(data):,}: divide the list"
        )
    try:
        root = xml.parse(xml.repair(decode(data, "text/xml").text))
    except BadListing as error:
        raise ConfigurationError(f"expected OPML, found {error.found[:200]}") from None
    except XMLSyntaxError as error:
        raise ConfigurationError(f"expected OPML, found text that is not XML: {error}") from None
    if _name(root) != "opml":
        raise ConfigurationError(
            f"expected OPML, found an XML document of the type {_name(root)!r}"
        )
    found = []
    for one in _feeds(root):
        found.append(one)
        if len(found) > MAX_FEEDS:
            raise ConfigurationError(
                f"expected at most {MAX_FEEDS:,} feeds, found more: divide the list"
            )
    return tuple(found)


def _feeds(root: Any) -> Iterator[Subscription]:
    """Walk the outlines without recursion, in the order of the document."""
    bodies = [one for one in root if _name(one) == "body"] or [root]
    waiting: list[tuple[Any, tuple[str, ...]]] = [
        (one, ()) for body in reversed(bodies) for one in reversed(body)
    ]
    while waiting:
        outline, folders = waiting.pop()
        if _name(outline) != "outline":
            continue
        values = {str(key).lower(): str(value) for key, value in outline.attrib.items()}
        title = display_line(values.get("title") or values.get("text") or "")
        inside = folders
        if url := values.get("xmlurl", "").strip():
            yield Subscription(
                title=title,
                url=url,
                folders=folders or _own_folders(values.get("category", "")),
                language=display_line(values.get("language", "")),
            )
        elif title:
            inside = (*folders, title)
        if len(inside) < MAX_DEPTH:
            waiting += [(one, inside) for one in reversed(outline)]


def _own_folders(category: str) -> tuple[str, ...]:
    """The first category of the attribute: ``/Harbours/Ferries,/News``."""
    first = category.partition(",")[0]
    return tuple(filter(None, map(display_line, first.split("/"))))


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def write_opml(title: str, feeds: Iterable[Subscription]) -> str:
    """Return feeds as OPML 2.0, in nested folders; the same feeds give the same text."""
    top = _Folder()
    for one in feeds:
        folder = top
        for name in one.folders:
            folder = folder.folders.setdefault(name, _Folder())
        folder.feeds.append(one)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        f"<head><title>{_text(title)}</title></head>",
        "<body>",
        *_outlines(top, 1),
        "</body>",
        "</opml>",
    ]
    return "\n".join(lines) + "\n"


def _outlines(folder: _Folder, depth: int) -> Iterator[str]:
    space = "  " * depth
    for name, inner in folder.folders.items():
        yield f'{space}<outline text="{_text(name)}" title="{_text(name)}">'
        yield from _outlines(inner, depth + 1)
        yield f"{space}</outline>"
    for one in folder.feeds:
        title = _text(one.title)
        language = f' language="{_text(one.language)}"' if one.language else ""
        yield (
            f'{space}<outline type="rss" text="{title}" title="{title}" '
            f'xmlUrl="{_text(one.url)}"{language}/>'
        )


def _text(text: str) -> str:
    return escape(display_line(text))
