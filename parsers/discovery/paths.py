"""Addresses where sites usually have their feeds and sitemaps."""

from __future__ import annotations

import re

from parsers.text.urls import absolute, host_of, url_parts

_FEEDS = (
    "feed/", "feed.xml", "rss", "rss.xml", "rss/feed.xml", "atom.xml", "feed.atom", "index.xml",
    "index.rss", "feed.json",
)  # fmt: skip
_SITEMAPS = (
    "sitemap.xml", "sitemap_index.xml", "sitemap-index.xml", "sitemap_news.xml",
    "sitemap-news.xml", "sitemap.xml.gz", "sitemap_index.xml.gz", "sitemap-index.xml.gz",
    "sitemap", ".sitemap.xml", "sitemap/sitemap-index.xml", "admin/config/search/xmlsitemap",
)  # fmt: skip
_REPOSITORY = re.compile(r"/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
_OWNER = re.compile(r"/([\w-]+)/?")
_CHANNEL = re.compile(r"/channel/(UC[\w-]{10,})")
_PLAYLIST = re.compile(r"(?:^|&)list=([\w-]{10,})")


def start_page(url: str) -> str:
    """Return the front page of the site of an address."""
    return absolute(url, "/")


def feed_urls(url: str) -> tuple[str, ...]:
    """Return where a site may have a feed: rules of its host, its root, beside the page."""
    own = _of_host(url)
    if own:
        return own
    parts = url_parts(url)
    beside = parts.path.rpartition("/")[0] + "/" if parts.path else "/"
    at_root = [absolute(url, f"/{path}") for path in _FEEDS]
    if beside == "/":
        return tuple(at_root)
    return tuple(dict.fromkeys([*(absolute(url, f"{beside}{path}") for path in _FEEDS), *at_root]))


def sitemap_urls(url: str) -> tuple[str, ...]:
    """Return where a site may have a sitemap that its robots.txt does not name."""
    return tuple(absolute(url, f"/{path}") for path in _SITEMAPS)


def _of_host(url: str) -> tuple[str, ...]:
    host, parts = host_of(url).removeprefix("www."), url_parts(url)
    if host == "github.com":
        if found := _REPOSITORY.fullmatch(parts.path):
            base = f"https://github.com/{found[1]}/{found[2]}"
            return (f"{base}/releases.atom", f"{base}/commits.atom")
        if found := _OWNER.fullmatch(parts.path):
            return (f"https://github.com/{found[1]}.atom",)
    if host == "youtube.com":
        feeds = "https://www.youtube.com/feeds/videos.xml"
        if found := _CHANNEL.match(parts.path):
            return (f"{feeds}?channel_id={found[1]}",)
        if found := _PLAYLIST.search(parts.query):
            return (f"{feeds}?playlist_id={found[1]}",)
    return ()
