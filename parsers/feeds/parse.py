"""Parse feeds: RSS 0.9 to 2.0, RSS 1.0 (RDF), Atom 0.3 and 1.0.

``parsers.text.xml`` repairs common faults. In a feed that is still not well-formed, each
item is parsed alone. Every item that is not well-formed, and the missing end of a
truncated feed, is a ``BadItem``, which a source returns as BadEntry. Text after the end
of the root is ignored.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from parsers.errors import BadListing, LayoutChanged
from parsers.text import xml as xmltext
from parsers.text.plain import plain_text
from parsers.text.urls import absolute, is_http

MAX_ITEMS = 20_000
_ROOTS = frozenset({"rss", "rdf", "feed"})
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_ATOM = "http://www.w3.org/2005/Atom"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_DC = "http://purl.org/dc/elements/1.1/"
_TERMS = "http://purl.org/dc/terms/"
_OTHER_TIMES = (f"{{{_DC}}}date", f"{{{_TERMS}}}issued")
_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_FIRST_TAG = re.compile(r"<([A-Za-z_][^\s<>/]*)")
_HTML_TITLE = re.compile(r"<title[^<>]*>([^<]{0,200})", re.IGNORECASE)
_NAMESPACES = re.compile(r"^(<[^\s<>]+)(?:\s+xmlns(?::[\w.-]+)?=\"[^\"]*\")+")
_ROOT_TAG = re.compile(r"<[^\s<>/]+(?:\s+[^\s=<>]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*>")
_ITEM_MARKS = re.compile(
    r"<!\[CDATA\[|<!--"
    r"|<(?:[\w.-]+:)?(?:item|entry)(?=[\s>])"
    r"|</(?:[\w.-]+:)?(?:item|entry)\s*>"
    r"|</(?:[\w.-]+:)?(?:rss|RDF|feed)\s*>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One item or entry of a feed, as found. A missing value is empty.

    Attributes:
        title: HTML text on one line: entities are escaped.
        link: An absolute URL.
        guid: RSS ``guid``, Atom ``id`` or RDF ``about``.
        published_raw: The publication time as found.
        updated_raw: The time of the last change as found.
        description: HTML of the description or summary.
        content: HTML of ``content:encoded`` or Atom ``content``.
        raw: The item's markup.
    """

    title: str
    link: str
    guid: str
    published_raw: str
    updated_raw: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    description: str
    content: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadItem:
    """A part of a feed that cannot be parsed."""

    raw: str
    error: LayoutChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed with its items in their order.

    Attributes:
        link: The URL of its site; may be empty.
        broken: Items that cannot be parsed, and the end of a truncated feed.
    """

    title: str
    link: str
    items: tuple[FeedItem, ...]
    broken: tuple[BadItem, ...] = ()


def parse_feed(text: str, base_url: str = "") -> Feed:
    """Parse the feed in a decoded text.

    Args:
        text: The document; its declared encoding is ignored.
        base_url: The feed's URL, the base of relative links.

    Raises:
        BadListing: The text is no feed, declares entities, has more than ``MAX_ITEMS``
            items or no readable root.
    """
    xml = _feed_xml(text)
    try:
        root = xmltext.parse(xml)
    except etree.XMLSyntaxError as error:
        return _salvaged(xml, error, base_url)
    title, link = _channel(root, base_url)
    elements = _item_elements(root)
    _refuse_too_many(len(elements))
    items = tuple(
        _item(
            element, link or base_url, etree.tostring(element, encoding="unicode", with_tail=False)
        )
        for element in elements
    )
    return Feed(title=title, link=link, items=items)


def _feed_xml(text: str) -> str:
    xml = xmltext.repair(text)
    tag = _FIRST_TAG.match(xml)
    name = tag[1].rpartition(":")[2].lower() if tag else ""
    if name not in _ROOTS:
        expected = "a document whose root is rss, rdf:RDF or feed"
        raise BadListing(expected=expected, found=_what_it_is(xml, name))
    return xml


def _what_it_is(text: str, root: str) -> str:
    if not text:
        return "an empty document"
    if root in {"html", "head", "body"} or "<html" in text[:2000].lower():
        title = _HTML_TITLE.search(text[:20_000])
        return f"an HTML page titled {title[1].strip()!r}" if title else "an HTML page"
    if root:
        return f"a document whose root is <{root}>"
    return f"text that begins with {text[:80]!r}"


def _refuse_too_many(count: int) -> None:
    if count > MAX_ITEMS:
        raise BadListing(expected=f"at most {MAX_ITEMS} items", found=f"{count} items")


def _salvaged(xml: str, error: etree.XMLSyntaxError, base_url: str) -> Feed:
    root_tag = _ROOT_TAG.match(xml)
    if not root_tag:
        raise BadListing(expected="a well-formed root", found=xml[:200], hint=str(error)) from error
    pieces, is_complete = _pieces(xml)
    _refuse_too_many(len(pieces))
    title, link = _salvaged_channel(xml, root_tag[0], pieces)
    items: list[FeedItem] = []
    broken: list[BadItem] = []
    for piece in pieces:
        try:
            items.append(_item(_alone(root_tag[0], piece), link or base_url, piece))
        except etree.XMLSyntaxError as bad:
            broken.append(BadItem(raw=piece, error=_unreadable(bad, piece)))
    if not is_complete:
        broken.append(_cut(xml, len(items)))
    if not items and not is_complete:
        raise broken[-1].error
    if not pieces:
        raise BadListing(expected="a well-formed feed", found=xml[:200], hint=str(error)) from error
    return Feed(title=title, link=link, items=tuple(items), broken=tuple(broken))


def _pieces(xml: str) -> tuple[list[str], bool]:
    """Return the markup of each item and whether the root has an end tag."""
    pieces: list[str] = []
    start, position = -1, 0
    while mark := _ITEM_MARKS.search(xml, position):
        position = mark.end()
        if mark[0].startswith("<!"):
            position = xmltext.verbatim_end(xml, mark.start())
            if position < 0:
                break
            continue
        if start >= 0:
            is_end = mark[0].startswith("</") and mark[0].rstrip("> \t\r\n").endswith(
                ("item", "entry")
            )
            pieces.append(xml[start : mark.end() if is_end else mark.start()])
            start = -1
        if not mark[0].startswith("</"):
            start = mark.start()
        elif mark[0].rstrip("> \t\r\n").endswith(("rss", "RDF", "feed")):
            return pieces, True
    if start >= 0:
        pieces.append(xml[start:])
    return pieces, False


def _alone(root_tag: str, piece: str) -> etree._Element:
    name = root_tag[1:].split(None, 1)[0].rstrip(">")
    return xmltext.parse(f"{root_tag}{piece}</{name}>")[0]


def _salvaged_channel(xml: str, root_tag: str, pieces: list[str]) -> tuple[str, str]:
    # Title and link are before the first item; when that part is broken too, they are empty.
    head = xml[len(root_tag) : xml.find(pieces[0]) if pieces else len(xml)]
    name = root_tag[1:].split(None, 1)[0].rstrip(">")
    for closing in (f"</channel></{name}>", f"</{name}>"):
        try:
            return _channel(xmltext.parse(root_tag + head + closing), "")
        except etree.XMLSyntaxError:
            continue
    return "", ""


def _unreadable(error: etree.XMLSyntaxError, piece: str) -> LayoutChanged:
    return LayoutChanged(
        expected="an item that is well-formed XML", found=piece[:200], hint=str(error)
    )


def _cut(xml: str, read: int) -> BadItem:
    error = BadListing(
        expected="the end of the root element",
        found=f"...{xml[-80:]}",
        hint=f"the feed is truncated after {read} complete items",
    )
    return BadItem(raw=xml[-500:], error=error)


def _channel(root: etree._Element, base_url: str) -> tuple[str, str]:
    channel = next((child for child in root if _local(child) == "channel"), root)
    link = _link(channel)
    return _title(channel), absolute(_base(channel, base_url), link) if link else ""


def _item_elements(root: etree._Element) -> list[etree._Element]:
    parents = [root, *(child for child in root if _local(child) == "channel")]
    return [child for parent in parents for child in parent if _local(child) in {"item", "entry"}]


def _item(element: etree._Element, base: str, raw: str) -> FeedItem:
    link = _link(element)
    return FeedItem(
        title=_title(element),
        link=absolute(_base(element, base), link) if link else "",
        guid=_words(element, "guid", "id") or (element.get(_RDF_ABOUT) or "").strip(),
        published_raw=_words(element, "pubDate", "pubdate", "published", "issued", *_OTHER_TIMES),
        updated_raw=_words(element, "updated", "modified", f"{{{_TERMS}}}modified"),
        authors=_authors(element),
        categories=_categories(element),
        description=_markup(element, "description", "summary"),
        content=_markup(element, f"{{{_CONTENT}}}encoded", "content"),
        raw=raw,
    )


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(element: etree._Element, *names: str) -> Iterator[etree._Element]:
    """Yield the children with these names, in the order of the names.

    A name without a namespace has the element's own: ``media:title`` is not ``title``.
    """
    own = etree.QName(element).namespace
    for name in names:
        yield from element.findall(name if name.startswith("{") or not own else f"{{{own}}}{name}")


def _all_text(element: etree._Element) -> str:
    return "".join(map(str, element.itertext()))


def _words(element: etree._Element, *names: str) -> str:
    texts = (_all_text(child).strip() for child in _children(element, *names))
    return next(filter(None, texts), "")


def _title(element: etree._Element) -> str:
    title = next(_children(element, "title", f"{{{_DC}}}title"), None)
    if title is None:
        return ""
    words = _all_text(title)
    kind = title.get("type", "")
    if len(title) == 0 and "html" in kind:
        words = html.escape(plain_text(words), quote=False)
    elif len(title) or kind:  # Atom text is not HTML
        words = html.escape(words, quote=False)
    return " ".join(words.split())


def _link(element: etree._Element) -> str:
    for child in _children(element, "link", f"{{{_ATOM}}}link"):
        href = child.get("href") or _all_text(child)
        if href.strip() and child.get("rel", "alternate") == "alternate":
            return href.strip()
    guid = next(_children(element, "guid"), None)
    if guid is None or guid.get("isPermaLink", "true").lower() == "false":
        return ""
    address = _all_text(guid).strip()
    return address if is_http(address) else ""


def _authors(element: etree._Element) -> tuple[str, ...]:
    return _unique(
        _words(author, "name") if len(author) else _all_text(author)
        for author in _children(element, "author", f"{{{_DC}}}creator")
    )


def _categories(element: etree._Element) -> tuple[str, ...]:
    return _unique(
        child.get("label") or child.get("term") or _all_text(child)
        for child in _children(element, "category", f"{{{_DC}}}subject")
    )


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    folded = (" ".join(text.split()) for text in texts)
    return tuple(dict.fromkeys(filter(None, folded)))


def _base(element: etree._Element, default: str) -> str:
    bases = [element.get(_XML_BASE), *(above.get(_XML_BASE) for above in element.iterancestors())]
    base = default
    for step in reversed([step for step in bases if step]):
        base = absolute(base, step) if base else step
    return base


def _markup(element: etree._Element, *names: str) -> str:
    return next(filter(None, map(_html_of, _children(element, *names))), "")


def _html_of(element: etree._Element) -> str:
    if len(element):
        return _inner_html(element)
    text = (element.text or "").strip()
    is_atom_text = "}" in str(element.tag) and element.get("type", "text") in {"text", "text/plain"}
    is_atom_text &= element.get("mode") != "escaped" and _local(element) in {"content", "summary"}
    return html.escape(text, quote=False) if is_atom_text else text


def _inner_html(element: etree._Element) -> str:
    """Return the children as HTML without namespaces."""
    for node in element.iter(etree.Element):
        node.tag = _local(node)
    markup = (etree.tostring(child, encoding="unicode", method="html") for child in element)
    inner = (_NAMESPACES.sub(r"\1", child) for child in markup)
    return html.escape(element.text or "", quote=False).strip() + "".join(inner).strip()
