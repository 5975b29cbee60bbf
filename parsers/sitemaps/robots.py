"""The ``Sitemap:`` lines of a robots.txt; they belong to no group of user agents."""

from __future__ import annotations

import re

from parsers.text.urls import absolute, is_http

_LINE = re.compile(r"^[ \t\ufeff]*site[ -]?map[ \t]*:[ \t]*(?P<url>[^\s#]+)", re.I | re.M)
_FIELD = re.compile(
    r"^[ \t\ufeff]*(?:user-?agent|(?:dis)?allow|crawl-delay|host|sitemap)[ \t]*:", re.I | re.M
)
MAX_CHARACTERS = 5_000_000


def is_robots(text: str) -> bool:
    """Return whether a text is a robots.txt, and no page that a server sends in its place."""
    start = text[:MAX_CHARACTERS].lstrip("\ufeff \t\r\n")
    return not start.startswith("<") and _FIELD.search(start) is not None


def robots_sitemaps(text: str, url: str) -> tuple[str, ...]:
    """Return the sitemaps that a robots.txt names, each once, in its order.

    Args:
        text: The file. A page of HTML has none.
        url: Its address, the base of relative values.
    """
    if not is_robots(text):
        return ()
    lines = text[:MAX_CHARACTERS].replace("\r", "\n")
    found = (absolute(url, match["url"]) for match in _LINE.finditer(lines))
    return tuple(dict.fromkeys(one for one in found if is_http(one)))
