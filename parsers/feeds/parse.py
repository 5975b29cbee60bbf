"""Parse one feed, whatever its format.

``parsers.text.xml`` repairs common faults. In a feed that is still not well-formed, each
item is repaired and parsed alone. Every item that remains unreadable, and the missing end
of a truncated feed, is a ``BadItem``, which a source returns as BadEntry. Text after the
end of the root is ignored.
"""

from __future__ import annotations

import re

from lxml import etree

from parsers.errors import BadListing, LayoutChanged
from parsers.feeds.json_feed import parse_json_feed
from parsers.feeds.model import BadItem, Feed, FeedItem, refuse_too_many
from parsers.feeds.names import Names
from parsers.feeds.recover import well_formed
from parsers.feeds.xml_items import Channel, channel_of, item_elements, item_of
from parsers.listings import described_document
from parsers.text import xml as xmltext

_ROOTS = frozenset({"rss", "rdf", "feed", "entry"})
_FIRST_TAG = re.compile(r"<([A-Za-z_][^\s<>/]*)")
_ROOT_TAG = re.compile(r"<(?P<name>[^\s<>/]+)(?:\s[^<>]*)?>")
_START_TAG = re.compile(r"<([\w.:-]+)[^<>]*>?")
_ITEM_MARKS = re.compile(
    r"<!\[CDATA\[|<!--"
    r"|<(?:[\w.-]+:)?(?:item|entry)(?=[\s>])"
    r"|</(?:[\w.-]+:)?(?:item|entry)\s*>"
    r"|</(?:[\w.-]+:)?(?:rss|rdf|feed)\s*>",
    re.IGNORECASE,
)


def parse_feed(text: str, base_url: str = "") -> Feed:
    """Parse the feed in a decoded text.

    Args:
        text: The document; its declared encoding is ignored.
        base_url: The feed's URL, the base of relative links.

    Raises:
        BadListing: The text is no feed, declares entities that are no plain texts, has
            more than ``MAX_ITEMS`` items or no readable root.
    """
    if text[:1000].lstrip("\ufeff\u200b \t\r\n\0").startswith("{"):
        return parse_json_feed(text, base_url)
    xml = _feed_xml(text)
    try:
        root = xmltext.parse(xml)
    except etree.XMLSyntaxError as error:
        return _salvaged(xml, error, base_url)
    names = Names(root)
    channel = channel_of(root, names, base_url)
    elements = item_elements(root, names)
    refuse_too_many(len(elements))
    items = tuple(
        item_of(
            element,
            names,
            channel,
            base_url,
            etree.tostring(element, encoding="unicode", with_tail=False),
        )
        for element in elements
    )
    return Feed(title=channel.title, link=channel.link, items=items)


def _feed_xml(text: str) -> str:
    xml = xmltext.repair(text)
    tag = _FIRST_TAG.match(xml)
    name = tag[1].rpartition(":")[2].lower() if tag else ""
    if name not in _ROOTS:
        expected = "a document whose root is rss, rdf:RDF or feed, or a JSON Feed"
        raise BadListing(expected=expected, found=described_document(xml, name))
    return xml


def _salvaged(xml: str, error: etree.XMLSyntaxError, base_url: str) -> Feed:
    start = _root_tag(xml, error)
    names = Names(_wrapped(start, ""))
    pieces, is_complete = _pieces(xml)
    if not pieces:
        expected = "a well-formed feed" if is_complete else "the end of the root element"
        raise BadListing(expected=expected, found=xml[:200], hint=str(error)) from error
    refuse_too_many(len(pieces))
    head = xml[xml.index(">") + 1 : xml.find(pieces[0])]
    channel = _salvaged_channel(start, head, names, base_url)
    items: list[FeedItem] = []
    broken: list[BadItem] = []
    for piece in pieces:
        is_cut = not is_complete and piece is pieces[-1]
        try:
            element = _alone(start, piece, is_cut=is_cut)
            items.append(item_of(element, names, channel, base_url, piece))
        except LayoutChanged as bad:
            broken.append(BadItem(raw=piece, error=bad))
    if not is_complete:
        broken.append(_cut(xml, len(items)))
    if not items and not is_complete:
        raise broken[-1].error
    return Feed(title=channel.title, link=channel.link, items=tuple(items), broken=tuple(broken))


def _root_tag(xml: str, error: etree.XMLSyntaxError) -> str:
    """Return the start tag of the root, without its attributes if they are broken."""
    found = _ROOT_TAG.match(xml)
    if not found:
        raise BadListing(expected="a well-formed root", found=xml[:200], hint=str(error)) from error
    repaired = well_formed(found[0]).rpartition("</")[0]  # empty when it is no start tag
    bare = xmltext.with_declared_prefixes(f"<{found['name']}>{xml[found.end() :]}")
    for start in filter(None, (repaired, bare[: bare.index(">") + 1])):
        try:
            _wrapped(start, "")
        except etree.XMLSyntaxError as bad:
            error = bad
        else:
            return start
    raise BadListing(expected="a well-formed root", found=xml[:200], hint=str(error)) from error


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
        name = mark[0].rstrip("> \t\r\n").lower()
        if start >= 0:
            is_end = name.startswith("</") and name.endswith(("item", "entry"))
            pieces.append(xml[start : mark.end() if is_end else mark.start()])
            start = -1
        if not name.startswith("</"):
            start = mark.start()
        elif name.endswith(("rss", "rdf", "feed")):
            return pieces, True
    if start >= 0:
        pieces.append(xml[start:])
    return pieces, False


def _alone(root_tag: str, piece: str, *, is_cut: bool) -> etree._Element:
    bare = _START_TAG.sub(r"<\1>", piece, count=1)
    attempts = (piece,) if is_cut else (piece, well_formed(piece), well_formed(bare))
    hint = ""  # half an item is no article, and so it is not repaired
    for markup in attempts:
        try:
            root = _wrapped(root_tag, markup)
        except etree.XMLSyntaxError as bad:
            hint = str(bad)
        else:
            if len(root) and etree.QName(root[0]).localname.lower() in {"item", "entry"}:
                return root[0]
    raise LayoutChanged(expected="an item that is well-formed XML", found=piece[:200], hint=hint)


def _wrapped(root_tag: str, inner: str) -> etree._Element:
    name = root_tag[1:].split(None, 1)[0].rstrip(">")
    return xmltext.parse(f"{root_tag}{inner}</{name}>")


def _salvaged_channel(root_tag: str, head: str, names: Names, base_url: str) -> Channel:
    # What the feed declares is before the first item.
    try:
        return channel_of(_wrapped(root_tag, well_formed(head)), names, base_url)
    except etree.XMLSyntaxError:
        return Channel(base=base_url)


def _cut(xml: str, read: int) -> BadItem:
    error = BadListing(
        expected="the end of the root element",
        found=f"...{xml[-80:]}",
        hint=f"the feed is truncated after {read} complete items",
    )
    return BadItem(raw=xml[-500:], error=error)
