"""Items of an XML feed: each value from the vocabularies that publishers use for it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lxml import etree

from parsers.feeds.constructs import (
    all_text,
    declared_base,
    has_words,
    html_of,
    language_tag,
    title_of,
)
from parsers.feeds.model import FeedItem
from parsers.feeds.names import XML, Names
from parsers.feeds.title import strip_elements
from parsers.media import distinct_media, media_of, seconds_of
from parsers.model import Media
from parsers.text.people import author_names
from parsers.text.urls import absolute, host_of, is_http, is_in_domain, url_parts

_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_TITLES = ("title", "atom:title", "dc:title", "media:title", "itunes:title")
_PUBLISHED = (
    "pubdate", "published", "atom:published", "issued", "atom:issued", "dcterms:issued", "dc:date",
    "dcterms:date", "created", "atom:created", "dcterms:created", "dcterms:available",
)  # fmt: skip
_UPDATED = (
    "updated", "atom:updated", "modified", "atom:modified", "dcterms:modified", "lastbuilddate",
)  # fmt: skip
_CONTENT = (
    "content:encoded", "content", "atom:content", "xhtml:body", "xhtml:div", "body", "fullitem", "encoded",
)  # fmt: skip
_SUMMARY = (
    "description", "summary", "atom:summary", "dc:description", "itunes:summary",
    "itunes:description", "media:description", "dcterms:abstract", "itunes:subtitle", "abstract",
)  # fmt: skip
_AUTHORS = ("author", "atom:author", "dc:creator", "dcterms:creator", "dc:author")
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp")
_PAGE_TYPES = ("text/html", "application/xhtml+xml", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a feed declares for all of its items.

    Attributes:
        base: The base of relative links in items.
    """

    title: str = ""
    link: str = ""
    base: str = ""
    authors: tuple[str, ...] = ()
    language: str = ""


def item_elements(root: etree._Element, names: Names) -> list[etree._Element]:
    """Return the items of a feed, wherever they are, but none inside another item."""
    found: list[etree._Element] = []
    waiting = [iter((root,))]
    while waiting:
        for element in waiting[-1]:
            if names.of(element) in {"item", "entry"}:
                found.append(element)
            elif len(element):
                waiting.append(element.iterchildren(etree.Element))
                break
        else:
            waiting.pop()
    return found


def channel_of(root: etree._Element, names: Names, document: str) -> Channel:
    """Return what the feed declares for all of its items.

    Args:
        root: The root of the feed.
        names: The names of the document.
        document: The URL of the feed.
    """
    element = next((child for child in root if names.of(child) == "channel"), root)
    node = _Node(element, names, document, document)
    link = node.page_link()
    declared = _nearest_language(element)
    return Channel(
        title=node.title(),
        link=link,
        base=link or document,
        authors=node.authors(),
        language=language_tag(
            node.text("language", "dc:language") if declared is None else declared
        ),
    )


def item_of(
    element: etree._Element, names: Names, channel: Channel, document: str, raw: str
) -> FeedItem:
    """Return one item.

    Args:
        element: The item.
        names: The names of the document.
        channel: What the feed declares for all of its items.
        document: The URL of the feed.
        raw: The item's markup.
    """
    node = _Node(element, names, document, channel.base)
    guid = node.text("guid", "id", "atom:id") or element.get(_ABOUT, "").strip()
    guid = guid or node.text("dc:identifier")
    content, content_node = node.markup(_CONTENT)
    description, description_node = node.markup(_SUMMARY)
    text_node = content_node if content_node is not None else description_node
    if content and not has_words(content):  # a picture before the text
        content += description
    publisher, source_authors = _source(node)
    return FeedItem(
        title=node.title(),
        link=_link(node, guid, channel),
        guid=guid,
        published_raw=node.time(_PUBLISHED),
        updated_raw=node.time(_UPDATED),
        authors=node.authors() or source_authors or channel.authors,
        categories=_categories(node),
        publisher=publisher or node.text("dc:publisher"),
        language=_language(element if text_node is None else text_node, element, node, channel),
        image=_image(node),
        media=_media(node),
        base="" if text_node is None else declared_base(text_node, document),
        description=description,
        content=content,
        raw=raw,
    )


class _Node:
    """An item or a channel with its children by name; those of ``media:group`` are its own."""

    def __init__(self, element: etree._Element, names: Names, document: str, base: str) -> None:
        self.names = names
        self.document = document
        self.base = base
        self.fields = names.children(element)
        for group in self.fields.get("media:group", ()):
            for name, children in names.children(group).items():
                self.fields[name] += children

    def all(self, *wanted: str) -> Iterator[etree._Element]:
        """Yield the children with these names, in the order of the names."""
        for name in wanted:
            yield from self.fields.get(name, ())

    def texts(self, *wanted: str) -> Iterator[str]:
        """Yield the texts of the children with these names that have one."""
        return filter(None, map(all_text, self.all(*wanted)))

    def text(self, *wanted: str) -> str:
        """Return the first text of the children with these names."""
        return next(self.texts(*wanted), "")

    def time(self, wanted: tuple[str, ...]) -> str:
        """Return the first text that may be a time, else the first one."""
        texts = list(self.texts(*wanted))
        return next((text for text in texts if any(map(str.isdigit, text))), "".join(texts[:1]))

    def title(self) -> str:
        """Return the title as HTML text without elements."""
        titles = (title_of(element, self.names) for element in self.all(*_TITLES))
        return next(filter(None, titles), "")

    def markup(self, wanted: tuple[str, ...]) -> tuple[str, etree._Element | None]:
        """Return the first HTML that has words, else the first one, and its element."""
        found: list[tuple[str, etree._Element]] = []
        for element in self.all(*wanted):
            markup = html_of(element, self.names, self.document)
            if has_words(markup):
                return markup, element
            found += [(markup, element)] if markup else []
        return found[0] if found else ("", None)

    def authors(self) -> tuple[str, ...]:
        """Return the names of the authors."""
        people = (self._person(author) for author in self.all(*_AUTHORS))
        return author_names(people) or author_names(self.texts("itunes:author"))

    def _person(self, author: etree._Element) -> str:
        named = _Node(author, self.names, "", "")
        if name := named.text("name", "atom:name", "itunes:name"):
            return name
        if named.text("email", "uri", "url", "atom:email", "atom:uri"):
            return ""
        return html.unescape(strip_elements(all_text(author)))

    def page_link(self) -> str:
        """Return the first link to a page for readers, http or https if there is one."""
        pages: list[str] = []
        others: list[str] = []
        for element in self.all("link", "atom:link"):
            href = element.get("href", "").strip() or all_text(element)
            relation = element.get("rel", "alternate").strip().lower().rpartition("/")[2]
            if href and relation == "alternate":
                is_page = element.get("type", "").lower() in _PAGE_TYPES
                (pages if is_page else others).append(self.resolve(element, href))
        links = [*pages, *others]
        return next(filter(is_http, links), "".join(links[:1]))

    def resolve(self, element: etree._Element, href: str) -> str:
        """Return a link of an element as an absolute URL."""
        return absolute(declared_base(element, self.document) or self.base, href.strip())


def _link(node: _Node, guid: str, channel: Channel) -> str:
    original = node.text("feedburner:origlink")
    if is_http(original):
        return original
    link = node.page_link()
    is_address = is_http(guid) and all(
        each.get("isPermaLink", each.get("ispermalink", "true")).strip().lower() != "false"
        for each in node.all("guid")
    )
    if is_http(link) and not (is_address and link == channel.link):
        return link
    if is_address or guid or link:
        return guid if is_address else link
    return next((node.resolve(each, each.get("url", "")) for each in node.all("enclosure")), "")


def _source(node: _Node) -> tuple[str, tuple[str, ...]]:
    """Return the title and the authors of the feed from which an item was copied."""
    for element in node.all("source", "atom:source"):
        if len(element):
            source = _Node(element, node.names, node.document, node.base)
            return source.title(), source.authors()
        return strip_elements(all_text(element)), ()
    return "", ()


def _categories(node: _Node) -> tuple[str, ...]:
    found = [
        _category(each)
        for category in node.all(
            "category", "atom:category", "dc:subject", "dcterms:subject", "media:category",
            "itunes:category",
        )
        for each in category.iter(category.tag)
    ]  # fmt: skip
    for keywords in node.texts("itunes:keywords", "media:keywords"):
        found += keywords.split(",")
    return tuple(dict.fromkeys(filter(None, map(strip_elements, found))))


def _category(element: etree._Element) -> str:
    names = (*map(element.get, ("label", "term", "text")), all_text(element))
    return next((name for name in names if name and name.strip()), "")


def _language(text: etree._Element, item: etree._Element, node: _Node, channel: Channel) -> str:
    for element in (text, item):
        if (declared := element.get(f"{XML}lang")) is not None:
            return language_tag(declared)
    if declared := language_tag(node.text("dc:language", "language")):
        return declared
    declared = _nearest_language(item)
    return channel.language if declared is None else language_tag(declared)


def _nearest_language(element: etree._Element) -> str | None:
    above = (each.get(f"{XML}lang") for each in (element, *element.iterancestors()))
    return next((declared for declared in above if declared is not None), None)


def _media(node: _Node) -> tuple[Media, ...]:
    """Return what an item attaches; a thumbnail is none of it.

    The parts of a ``media:group`` are one file in several forms: the default, else the first of
    each kind, counts.
    """
    groups: dict[tuple[etree._Element, str], Media] = {}
    alone: list[Media] = []
    for element in node.all("media:content"):
        if (one := _content(node, element)) is None:
            continue
        group = element.getparent()
        if group is None or node.names.of(group) != "media:group":
            alone.append(one)
        elif _is_default(element) or (group, one.kind) not in groups:
            groups[group, one.kind] = one
    links = (one for one in node.all("link", "atom:link") if one.get("rel") == "enclosure")
    files = (
        _attached(node, one, one.get("url") or one.get("href") or "", length=one.get("length", ""))
        for one in (*node.all("enclosure"), *links)
    )
    players = (
        _attached(node, one, one.get("url") or all_text(one), kind="video")
        for one in node.all("media:player")
    )
    found = filter(None, (*files, *alone, *groups.values()))
    attached = distinct_media(found) or distinct_media(filter(None, players))
    return _with_duration(attached, node.text("itunes:duration"))


def _content(node: _Node, element: etree._Element) -> Media | None:
    """Return one ``media:content``, by the address of its player when it names no file."""
    address = element.get("url") or next(
        (one.get("url") or "" for one in element if node.names.of(one) == "media:player"), ""
    )
    return _attached(
        node,
        element,
        address,
        kind=element.get("medium", ""),
        length=element.get("fileSize") or element.get("filesize") or "",
        duration=element.get("duration", ""),
    )


def _attached(node: _Node, element: etree._Element, address: str, **declared: str) -> Media | None:
    url = node.resolve(element, address) if address.strip() else ""
    # WordPress attaches the portrait of the author to each item.
    if not is_http(url) or is_in_domain(host_of(url), "gravatar.com"):
        return None
    return media_of(url, mime=element.get("type", ""), **declared)


def _is_default(element: etree._Element) -> bool:
    declared = element.get("isDefault") or element.get("isdefault") or ""
    return declared.strip().lower() == "true"


def _with_duration(media: tuple[Media, ...], declared: str) -> tuple[Media, ...]:
    """Return media of which the first sound or video has the duration of the episode."""
    if (seconds := seconds_of(declared)) is None:
        return media
    place = next((at for at, one in enumerate(media) if one.kind != "picture"), None)
    if place is None or media[place].duration:
        return media
    return (*media[:place], replace(media[place], duration=seconds), *media[place + 1 :])


def _image(node: _Node) -> str:
    links = (link for link in node.all("link", "atom:link") if link.get("rel") == "enclosure")
    named = [
        *(each for each in (*node.all("media:content", "enclosure"), *links) if _is_image(each)),
        *node.all("media:thumbnail"),
        *(
            each
            for content in node.all("media:content")
            for each in content
            if node.names.of(each) == "media:thumbnail"
        ),
        *node.all("itunes:image", "image"),
    ]
    for element in named:
        address = element.get("url") or element.get("href") or ""
        if not address:
            address = _Node(element, node.names, "", "").text("url") or all_text(element)
        image = node.resolve(element, address) if address.strip() else ""
        if is_http(image):
            return image
    return ""


def _is_image(element: etree._Element) -> bool:
    address = element.get("url") or element.get("href") or ""
    kind = element.get("type") or element.get("medium") or ""
    if kind and not kind.startswith("application/"):
        return kind.lower().startswith("image")
    return url_parts(address).path.lower().endswith(_IMAGE_ENDINGS)
