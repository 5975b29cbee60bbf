"""Feeds that the tests of parsers write, and the articles that are read from them."""

from __future__ import annotations

from parsers.model import Article
from tests import feeds_peers

URL = "https://quay.example/blog/feed"
LINK = "<link>https://quay.example/1</link>"
ALTERNATE = '<link href="https://quay.example/1"/><id>urn:1</id>'
TEXT = "<description>Gulls return.</description>"
NAMESPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0"'
)


def read(text: str, content_type: str = "application/xml") -> list[Article]:
    found, bad = feeds_peers.articles(text.encode(), content_type, URL)
    assert bad == []
    return found


def rss(item: str, channel: str = "<title>Quay Post</title>") -> Article:
    (article,) = read(f"<rss {NAMESPACES}><channel>{channel}<item>{item}</item></channel></rss>")
    return article


def rss_item(inner: str, channel: str = "<title>Quay Post</title>") -> Article:
    """The article of an item with a title, a link, a text and further elements."""
    return rss(f"<title>Gulls</title>{LINK}{TEXT}{inner}", channel)


def atom(entry: str, feed: str = "<title>Quay Post</title>", attributes: str = "") -> Article:
    (article,) = read(
        f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>{feed}<entry>{entry}</entry></feed>'
    )
    return article


def atom_entry(inner: str, feed: str = "<title>Quay Post</title>", attributes: str = "") -> Article:
    """The article of an entry with a title, a link, a text and further elements."""
    text = "<summary>Gulls return.</summary>"
    return atom(f"<title>Gulls</title>{ALTERNATE}{text}{inner}", feed, attributes)
