"""Feeds and dates as one call each, for test suites that compare feed parsers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from parsers import registry
from parsers.errors import ParseError
from parsers.model import Article, BadEntry, Page
from parsers.text import charset
from parsers.text.dates import parse_time

__all__ = ["ParseError", "articles", "date"]

FETCHED_AT = datetime(2026, 11, 30, tzinfo=UTC)


def articles(body: bytes, content_type: str, url: str) -> tuple[list[Article], list[str]]:
    """Return the articles of a feed and the messages of its bad entries.

    Raises:
        ParseError: The body is no feed.
    """
    source = registry.make_source("feed", "feed", {"url": url})
    listing = source.parser.listings(source)[0]
    page = Page(url=url, text=charset.decode(body, content_type).text, fetched_at=FETCHED_AT)
    found: list[Article] = []
    bad: list[str] = []
    for entry in registry.entries(source, listing, page):
        if isinstance(entry, BadEntry):
            bad.append(str(entry.error))
            continue
        item = replace(page, url=entry.url, text=entry.content or "", entry=entry)
        try:
            found.append(registry.parse(source, item))
        except ParseError as error:
            bad.append(str(error))
    return found, bad


def date(raw: str, zone: str | None) -> tuple[str | None, str]:
    """Return a time as an ISO instant in UTC, or None, and how it was found."""
    moment = parse_time(raw, ZoneInfo(zone) if zone else None, "case")
    return moment.at and moment.at.isoformat(), moment.provenance
