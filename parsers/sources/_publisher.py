"""Helpers for a publication read from its own site."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bs4 import Tag

from parsers.errors import UnknownUrl
from parsers.html import select
from parsers.model import Extracted, Source
from parsers.text.urls import absolute, host_of, is_in_domain, url_parts

CHINESE = Extracted("zh-CN", "source declaration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The site of a publication and the form of its article URLs.

    Attributes:
        home: The base URL of the site.
        domain: The domain of the site and its subdomains.
        article_path: The path of an article. The group ``id`` is the article's id.
        example: The URL of an article, for messages.
        title_suffix: The name of the site in the title element of a page.
    """

    home: str
    domain: str
    article_path: re.Pattern[str]
    example: str
    title_suffix: re.Pattern[str]

    def article_id(self, url: str, hosts: tuple[str, ...] = ()) -> str:
        """Return the id in an article's URL.

        Args:
            url: The URL.
            hosts: Hosts that serve the publication in addition to its domain.

        Raises:
            UnknownUrl: The URL names no article of the publication.
        """
        found = self.article_path.fullmatch(url_parts(url).path)
        host = host_of(url)
        if not found or not (is_in_domain(host, self.domain) or host in hosts):
            raise UnknownUrl(expected=f"an article such as {self.example}", found=url[:200])
        return found["id"]

    def configured_id(self, source: Source, url: str) -> str:
        """Return the id in an article's URL at the site or at the source's ``base_url``.

        Raises:
            UnknownUrl: The URL names no article of the publication.
        """
        return self.article_id(url, (host_of(base_url(source)),))

    def at_base(self, source: Source, url: str) -> str:
        """Return the URL at the source's ``base_url``, such as a mirror or a test server."""
        return _moved(url, self.home, base_url(source))

    def at_home(self, source: Source, url: str) -> str:
        """Return a URL below the source's ``base_url`` at the publication's own site."""
        return _moved(url, base_url(source), self.home)

    def page_title(self, page: Tag) -> Extracted[str]:
        """Return the title element of a page without the name of the site.

        Raises:
            LayoutChanged: The page has no title element.
        """
        title = select.text_of(select.select_one(page, "head title"))
        return Extracted(self.title_suffix.sub("", title), "css:title without the site's name")


def base_url(source: Source) -> str:
    """Return the option ``base_url`` without a slash at its end."""
    return source.text("base_url").rstrip("/")


def declared_categories(source: Source) -> Extracted[tuple[str, ...]]:
    """Return the option ``categories``."""
    return Extracted(source.texts("categories"), "source declaration")


def _moved(url: str, home: str, base: str) -> str:
    if base == home:
        return url
    parts = url_parts(url)
    query = f"?{parts.query}" if parts.query else ""
    return absolute(f"{base}/", f".{parts.path}{query}")
