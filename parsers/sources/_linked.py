"""Helpers for sources whose listings link the pages of their articles."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from fnmatch import translate
from functools import lru_cache
from typing import Any

from parsers.compose import TIME_FIELDS, published_fields
from parsers.extract.selected import selectors_of
from parsers.model import Article, Entry, Extracted, Moment, OptionValue, Page, Source
from parsers.sources._feed import names, with_item_image
from parsers.text.dates import parse_time, unknown_time, without_future
from parsers.text.urls import canonicalize, host_of, is_in_domain, url_parts

OPTIONS: dict[str, OptionValue] = {
    "include": (),
    "exclude": (),
    "allowed_domains": (),
    "select": (),
    "categories": (),
    "time_zone": "",
    "language": "",
}
"""The options of every source whose listings are links."""

_DAY = re.compile(
    r"(?<![\d])((?:19|20)\d\d)[-/_.]?(0[1-9]|1[0-2])[-/_.]?(0[1-9]|[12]\d|3[01])(?!\d)"
)
_MONTH = re.compile(r"(?<![\d])((?:19|20)\d\d)[-/_.]?(0[1-9]|1[0-2])(?!\d)")
_YEAR = re.compile(r"(?<![\d])((?:19|20)\d\d)(?!\d)")


def check_options(source: Source) -> None:
    """Check the options that only a parser of links has.

    Raises:
        OptionError: ``select`` has an unknown field or a wrong selector.
    """
    selectors_of(source.options)


def completed(source: Source, page: Page, article: Article, prefix: str) -> Article:
    """Return the article of a linked page with its entry's id and what the page lacks.

    Args:
        source: The source.
        page: The page with its entry.
        article: What the page gives.
        prefix: The kind of the listing, for the provenance.
    """
    article = with_item_image(article, page.entry, prefix) if page.entry else article
    changes: dict[str, Any] = {}
    provenance = dict(article.provenance)

    def add(name: str, value: object, how: str) -> None:
        changes[name] = value
        provenance[name] = how

    if categories := source.texts("categories"):
        add("categories", categories, "source declaration")
    if entry := page.entry:
        changes["source_article_id"] = entry.source_article_id
        changes["article_id"] = f"{source.slug}:{entry.source_article_id}"
        published = item_time(source, entry.facts.get("published", ""), prefix, "publication")
        published = without_future(published, page.fetched_at)
        if article.published_at is None and published.at is not None:
            changes |= published_fields(published)
            provenance |= dict.fromkeys(TIME_FIELDS, published.provenance)
        authors, tags = item_names(entry, "author", prefix), item_names(entry, "category", prefix)
        language = item_language(source, entry.facts.get("language", ""), prefix)
        if authors.value and not article.authors:
            add("authors", authors.value, authors.provenance)
        if tags.value and not article.tags:
            add("tags", tags.value, tags.provenance)
        if language.value and not article.language:
            add("language", language.value, language.provenance)
    return replace(article, **changes, provenance=provenance)


def item_time(source: Source, raw: str, prefix: str, what: str) -> Moment:
    """Return a time of an item in the zone of the source."""
    if not raw:
        return unknown_time(raw, f"the item gives no time of its {what}")
    return parse_time(raw, source.zone(), f"{prefix}:time of its {what}")


def item_names(entry: Entry, name: str, prefix: str) -> Extracted[tuple[str, ...]]:
    """Return the lines of a fact of an item."""
    return names(entry.facts.get(name, ""), f"{prefix}:{name}", f"the item has no {name}")


def item_language(source: Source, declared: str, prefix: str) -> Extracted[str]:
    """Return the configured language, else the declared one."""
    if language := source.text("language"):
        return Extracted(language, "source declaration")
    if declared:
        return Extracted(declared, f"{prefix}:language")
    return Extracted(None, "absent: the source declares no language")


def linked_entry(url: str, channel: str, facts: dict[str, str]) -> Entry:
    """Return the entry of an article's address; its canonical form is the id.

    Raises:
        UnknownUrl: It is no http or https URL.
    """
    url = url.strip()
    return Entry(
        source_article_id=canonicalize(url), channel=channel, url=url, link=url, facts=facts
    )


OTHER_SITE = "of other sites (see allowed_domains)"


class AddressFilter:
    """The options that leave out addresses: the site, ``include`` and ``exclude``."""

    def __init__(self, source: Source) -> None:
        self._site = site_of(host_of(source.text("url")))
        self._domains = tuple(one.lower() for one in source.texts("allowed_domains"))
        self._include = source.texts("include")
        self._exclude = source.texts("exclude")

    def why_left_out(self, url: str) -> str:
        """Return why an address is left out; empty when it is not."""
        parts = url_parts(url)
        host = (parts.hostname or "").lower()
        is_own = site_of(host) == self._site
        if not is_own and not any(is_in_domain(host, one) for one in self._domains):
            return OTHER_SITE
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        if self._include and not _matches(self._include, path):
            return "without a match of include"
        return "with a match of exclude" if _matches(self._exclude, path) else ""


@lru_cache(maxsize=1000)
def site_of(host: str) -> str:
    """Return the part of a host that its subdomains share: ``gazette.co.uk``, ``example.org``."""
    labels = host.removeprefix("www.").split(".")
    if len(labels) < 3 or labels[-1].isdigit():
        return ".".join(labels)
    is_second_level = len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3:] if is_second_level else labels[-2:])


def day_in_path(url: str) -> str:
    """Return the day in the path of an address, as ``2026-03-14``; empty when there is none."""
    found = _DAY.search(url_parts(url).path)
    return "-".join(found.groups()) if found else ""


def period_in_name(url: str) -> tuple[date, date] | None:
    """Return the first and last day of the month or year in the name of a listing."""
    path = url_parts(url)
    text = f"{path.path}?{path.query}"
    if found := _DAY.search(text):
        try:
            day = date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return None
        return day, day
    if found := _MONTH.search(text):
        year, month = int(found[1]), int(found[2])
        following = date(year + month // 12, month % 12 + 1, 1)
        return date(year, month, 1), date.fromordinal(following.toordinal() - 1)
    if found := _YEAR.search(text):
        return date(int(found[1]), 1, 1), date(int(found[1]), 12, 31)
    return None


@lru_cache(maxsize=1000)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


def _matches(globs: tuple[str, ...], path: str) -> bool:
    return any(_pattern(glob).match(path) for glob in globs)
