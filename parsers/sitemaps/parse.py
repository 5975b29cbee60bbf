"""Parse one file of a sitemap, whatever its form; the root of the document decides.

``parsers.text.xml`` repairs common faults. The document is then read as a stream, so that a
file of 50,000 addresses needs little memory. If it is not well-formed, each ``<url>`` is
read alone: a truncated file keeps every whole one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from io import BytesIO

from lxml import etree

from parsers.errors import BadListing, LayoutChanged, ParseError
from parsers.feeds import parse_feed
from parsers.listings import described_document
from parsers.sitemaps.model import MAX_ENTRIES, Sitemap, SitemapEntry, SitemapFile
from parsers.sitemaps.robots import is_robots, robots_sitemaps
from parsers.text import xml as xmltext
from parsers.text.urls import absolute, is_http

_ROOT = re.compile(r"<([A-Za-z_][^\s<>/]*)")
_ROOT_TAG = re.compile(r"<[^<>]+>")
_PIECE = re.compile(
    r"<(?P<name>(?:[\w.-]+:)?(?:url|sitemap))(?:\s[^<>]*)?>(?:(?!<(?P=name)[\s>]).)*?"
    r"(?:</(?P=name)\s*>|(?=<(?P=name)[\s>])|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_PIECE_END = re.compile(r"</(?:[\w.-]+:)?(?:url|sitemap)\s*>\s*\Z", re.IGNORECASE)
_FEED_ROOTS = frozenset({"rss", "feed", "rdf"})
_ADDRESS = re.compile(r"https?://\S+")
_EXPECTED = "a sitemap, an index of sitemaps, a feed or a list of addresses"

Fields = Mapping[str, str]


def parse_sitemap(text: str, url: str) -> Sitemap:
    """Parse a sitemap, an index, a feed, a list of addresses or a robots.txt.

    Args:
        text: The decoded file; its declared encoding is ignored.
        url: Its address, the base of relative ones.

    Raises:
        BadListing: It is none of these, declares entities that are no plain texts, or has
            more than ``MAX_ENTRIES`` addresses.
    """
    start = text[:2000].lstrip("\ufeff\u200b \t\r\n\0")
    if not start.startswith("<"):
        return _plain(text, url, start)
    xml = xmltext.repair(text)
    found = _ROOT.match(xml)
    root = found[1].rpartition(":")[2].lower() if found else ""
    if root in _FEED_ROOTS:
        return _of_feed(text, url)
    if root not in {"urlset", "sitemapindex"}:
        raise BadListing(expected=_EXPECTED, found=described_document(xml, root))
    kind = "index" if root == "sitemapindex" else "urlset"
    try:
        return _collected(kind, url, map(_fields, _streamed(xml)))
    except etree.XMLSyntaxError:
        return _salvaged(kind, url, xml)


def _collected(
    kind: str, url: str, items: Iterator[Fields], broken: tuple[tuple[str, ParseError], ...] = ()
) -> Sitemap:
    entries: dict[str, SitemapEntry] = {}
    files: dict[str, SitemapFile] = {}
    skipped = 0
    for fields in items:
        address = _address(url, fields.get("loc", ""))
        if not address:
            skipped += 1
        elif fields[""] == "sitemap":
            files.setdefault(
                address, SitemapFile(url=address, changed_raw=fields.get("lastmod", ""))
            )
        elif address not in entries:
            entries[address] = _entry(address, fields)
        if max(len(entries), len(files)) > MAX_ENTRIES:
            raise BadListing(
                expected=f"at most {MAX_ENTRIES:,} addresses in one sitemap", found="more"
            )
    return Sitemap(
        kind=kind,
        entries=tuple(entries.values()),
        files=tuple(files.values()),
        broken=broken,
        skipped=skipped,
    )


def _entry(address: str, fields: Fields) -> SitemapEntry:
    return SitemapEntry(
        url=address,
        changed_raw=fields.get("lastmod", ""),
        published_raw=fields.get("publication_date", ""),
        title=html.unescape(fields.get("title", "")),
        publisher=html.unescape(fields.get("name", "")),
        language=fields.get("language", ""),
        keywords=html.unescape(fields.get("keywords", "")),
        image=fields.get("image", ""),
    )


def _address(base: str, found: str) -> str:
    """Return an absolute http address without its fragment; empty when it is none."""
    # Some generators escape an address twice.
    address = html.unescape(found) if "&" in found else found
    if not address or any(mark in address for mark in " \t\n<>"):
        address = "".join(address.split())
    url = absolute(base, address) if address else ""
    return url.partition("#")[0] if url.startswith(("http://", "https://")) else ""


def _streamed(xml: str) -> Iterator[etree._Element]:
    """Yield each ``url`` and ``sitemap`` element; what is before it is freed."""
    events = etree.iterparse(
        BytesIO(xml.encode("utf-8", "replace")),
        events=("end",),
        tag=("{*}url", "{*}sitemap", "{*}Url", "{*}URL"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    for _, element in events:
        parent = element.getparent()
        if parent is not None and parent.getparent() is None:
            yield element
            parent.remove(element)


def _fields(element: etree._Element) -> Fields:
    """Return the texts of an element by local name; ``""`` has its own name.

    The location of a picture is ``image``; other elements of other namespaces are left out.
    """
    found = {"": _name(element.tag)}
    for child in element:
        name = _name(child.tag)
        if len(child):  # news:news or image:image
            for inner in child.iter(etree.Element):
                key = _name(inner.tag)
                if name == "news" or (name == "image" and key == "loc"):
                    found.setdefault("image" if name == "image" else key, _text(inner))
        elif name in {"loc", "lastmod"} and (text := _text(child)):
            found.setdefault(name, text)
    return found


def _text(element: etree._Element) -> str:
    return " ".join((element.text or "").split())


@lru_cache(maxsize=1000)
def _name(tag: str) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _salvaged(kind: str, url: str, xml: str) -> Sitemap:
    """Return what can be read of a document that is not well-formed."""
    broken: list[tuple[str, ParseError]] = []
    pieces = [found[0] for found in _PIECE.finditer(xml)]
    root = _ROOT_TAG.match(xml)
    start = root[0] if root else f"<{kind}>"
    name = start[1:].split(None, 1)[0].rstrip(">/")
    if not re.search(rf"</{re.escape(name)}\s*>\s*\Z", xml[-2000:], re.IGNORECASE):
        error = BadListing(
            expected="the end of the sitemap",
            found=f"...{xml[-80:]}",
            hint=f"the file is truncated after {max(len(pieces) - 1, 0)} addresses",
        )
        broken.append((xml[-500:], error))
    elif not pieces:
        raise BadListing(expected="a well-formed sitemap", found=xml[:200])
    items = filter(None, map(partial(_alone, start, broken), pieces))
    found = _collected(kind, url, items)
    if not found.entries and not found.files and broken:
        raise broken[0][1]
    # The iterator has filled the list by now.
    return Sitemap(
        kind=kind,
        entries=found.entries,
        files=found.files,
        broken=tuple(broken),
        skipped=found.skipped,
    )


def _alone(root_tag: str, broken: list[tuple[str, ParseError]], piece: str) -> Fields | None:
    name = root_tag[1:].split(None, 1)[0].rstrip(">/")
    is_cut = not _PIECE_END.search(piece[-200:])
    try:
        return _fields(xmltext.parse(f"{root_tag}{piece}</{name}>")[0])
    except (etree.XMLSyntaxError, IndexError) as error:
        if not (is_cut and broken):  # the cut itself is reported once
            reason = LayoutChanged(
                expected="a <url> that is well-formed", found=piece[:200], hint=str(error)
            )
            broken.append((piece[:500], reason))
    return None


def _of_feed(text: str, url: str) -> Sitemap:
    """Return a feed as a sitemap: the links of its items."""
    feed = parse_feed(text, url)
    entries: dict[str, SitemapEntry] = {}
    for item in feed.items:
        if is_http(item.link):
            address = item.link.partition("#")[0]
            one = SitemapEntry(
                url=address,
                title=item.title,
                published_raw=item.published_raw,
                changed_raw=item.updated_raw,
                image=item.image,
            )
            entries.setdefault(address, one)
    return Sitemap(
        kind="feed",
        entries=tuple(entries.values()),
        broken=tuple((bad.raw, bad.error) for bad in feed.broken),
        skipped=sum(not is_http(item.link) for item in feed.items),
    )


def _plain(text: str, url: str, start: str) -> Sitemap:
    if is_robots(text):
        files = tuple(SitemapFile(url=one) for one in robots_sitemaps(text, url))
        return Sitemap(kind="robots", files=files)
    lines = [line.strip("\ufeff \t\r") for line in text.split("\n")]
    found = dict.fromkeys(
        line.partition("#")[0] for line in lines if _ADDRESS.fullmatch(line) and is_http(line)
    )
    if not found:
        named = f"text that begins with {start[:80]!r}" if start else "an empty document"
        raise BadListing(expected=_EXPECTED, found=named)
    if len(found) > MAX_ENTRIES:
        raise BadListing(expected=f"at most {MAX_ENTRIES:,} addresses in one sitemap", found="more")
    skipped = sum(bool(line) and not _ADDRESS.fullmatch(line) for line in lines)
    return Sitemap(
        kind="text", entries=tuple(SitemapEntry(url=one) for one in found), skipped=skipped
    )
