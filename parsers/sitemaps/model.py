"""Values of a sitemap, as its file gives them."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.errors import ParseError

MAX_ENTRIES = 50_000
"""Addresses of one file (sitemaps.org); a file with more is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapEntry:
    """One ``<url>``.

    Attributes:
        url: Absolute.
        changed_raw: ``lastmod`` as found: a change, no publication.
        published_raw: ``news:publication_date``, or the time of a feed's item.
        title: ``news:title``, or that of a feed's item.
        publisher: ``news:name``.
        language: ``news:language``.
        keywords: ``news:keywords``.
        image: The first ``image:loc``.
    """

    url: str
    changed_raw: str = ""
    published_raw: str = ""
    title: str = ""
    publisher: str = ""
    language: str = ""
    keywords: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapFile:
    """A sitemap that an index or a robots.txt names."""

    url: str
    changed_raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitemap:
    """What a file of a sitemap holds.

    Attributes:
        kind: ``urlset``, ``index``, ``feed``, ``text`` or ``robots``.
        broken: Parts that cannot be read, with their markup.
        skipped: How many addresses are no http addresses, or no addresses.
    """

    kind: str
    entries: tuple[SitemapEntry, ...] = ()
    files: tuple[SitemapFile, ...] = ()
    broken: tuple[tuple[str, ParseError], ...] = ()
    skipped: int = 0
