"""Any site with a sitemap: an index, a news sitemap, a file of addresses, or its robots.txt.

* ``url`` is a sitemap, an index of sitemaps, or a robots.txt with ``Sitemap:`` lines. The
  listings of an index are read with it, newest first.
* ``lastmod`` is a change and no publication. A file whose entries all have one ``lastmod``
  has the time of its build there, so that it is ignored.
* ``news:publication_date`` is a time of publication. Title, language and keywords of a news
  sitemap are used where the page has none.
* A sync takes the entries of the last ``max_age_days`` that are new or have changed; a
  backfill takes those of its range. ``include`` and ``exclude`` are patterns of paths.
* Addresses of other sites are left out unless ``allowed_domains`` has them.

An article's id is its canonical address in the sitemap.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from parsers.compose import one_line
from parsers.listings import unique_entries
from parsers.model import (
    Article,
    BadEntry,
    Entry,
    Listing,
    ListingContent,
    Page,
    Parser,
    Source,
)
from parsers.sitemaps import Sitemap, SitemapEntry, SitemapFile, parse_sitemap
from parsers.sources import generic
from parsers.sources._linked import (
    OPTIONS,
    OTHER_SITE,
    AddressFilter,
    check_options,
    completed,
    day_in_path,
    linked_entry,
    period_in_name,
)
from parsers.text.dates import parse_time

CHANNEL = "sitemap"
MAX_DEPTH = 11
"""How many indexes may lead to a file."""

_MIN_BUILT = 10
"""From so many entries on, one ``lastmod`` for all of them is the time of the build."""


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the sitemap.

    Raises:
        OptionError: An option has a wrong value.
    """
    check_options(source)
    return (Listing(channel=CHANNEL, url=source.text("url"), is_archive=True),)


def read_listing(source: Source, listing: Listing, page: Page) -> ListingContent:
    """Return the entries of a file, and the files that it names, newest first.

    Raises:
        BadListing: The page is no sitemap.
    """
    sitemap = parse_sitemap(page.text, page.final_url or listing.url)
    why_left_out = AddressFilter(source).why_left_out
    reasons = [why_left_out(one.url) for one in sitemap.entries]
    has_change = not _is_build_time(sitemap)
    entries = [
        _entry(one, listing.channel, has_change=has_change)
        for one, reason in zip(sitemap.entries, reasons, strict=True)
        if not reason
    ]
    broken = [
        BadEntry(channel=listing.channel, raw=raw, error=error) for raw, error in sitemap.broken
    ]
    files = sitemap.files if listing.depth < MAX_DEPTH else ()
    found = [_listing(source, listing, one) for one in files]
    notes = []
    if others := reasons.count(OTHER_SITE):
        notes.append(f"{listing.url}: {others} addresses {OTHER_SITE} are left out")
    if sitemap.skipped:
        notes.append(f"{listing.url}: {sitemap.skipped} addresses are no http addresses")
    if len(files) < len(sitemap.files):
        notes.append(f"{listing.url}: sitemaps below {MAX_DEPTH} indexes are not read")
    return ListingContent(
        entries=unique_entries([*entries, *broken]),
        listings=tuple(sorted(found, key=_age)),
        notes=tuple(notes),
    )


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return the entries of a file.

    Raises:
        BadListing: The page is no sitemap.
    """
    return read_listing(source, listing, page).entries


def parse(source: Source, page: Page) -> Article:
    """Parse the page that the sitemap names.

    Raises:
        LayoutChanged: The page has no article that can be found.
        WrongPage: It is another page.
    """
    article = completed(source, page, generic.parse(source, page), "sitemap")
    publisher = page.entry.facts.get("publisher", "") if page.entry else ""
    if not publisher or article.publisher:
        return article
    provenance = {**article.provenance, "publisher": "sitemap:news:name"}
    return replace(article, publisher=publisher, provenance=provenance)


def entry_of(_source: Source, url: str) -> Entry:
    """Return the entry of an article's URL.

    Raises:
        UnknownUrl: It is no http or https URL.
    """
    return linked_entry(url, CHANNEL, {})


def _entry(one: SitemapEntry, channel: str, *, has_change: bool) -> Entry:
    facts = {
        "title": one_line(one.title),
        "published": one.published_raw,
        "updated": one.changed_raw if has_change else "",
        "publisher": one.publisher,
        "language": one.language,
        "category": "\n".join(filter(None, (word.strip() for word in one.keywords.split(",")))),
        "image": one.image,
        "day": day_in_path(one.url),
    }
    return linked_entry(one.url, channel, {name: value for name, value in facts.items() if value})


def _is_build_time(sitemap: Sitemap) -> bool:
    changes = {one.changed_raw for one in sitemap.entries}
    return len(sitemap.entries) >= _MIN_BUILT and len(changes) == 1


def _listing(source: Source, listing: Listing, file: SitemapFile) -> Listing:
    changed = parse_time(file.changed_raw, source.zone(), "sitemap:lastmod")
    at = changed.at
    if at is not None and changed.precision == "day":
        at += timedelta(days=1)  # it may have changed at any time of the day
    return Listing(
        channel=listing.channel,
        url=file.url,
        is_archive=True,
        changed_at=at,
        period=period_in_name(file.url),
        depth=listing.depth + 1,
    )


def _age(listing: Listing) -> tuple[float, int]:
    """Return a key that sorts by the last change, then by the name, newest first."""
    changed: datetime | None = listing.changed_at
    day = listing.period[1].toordinal() if listing.period else 0
    return (-changed.timestamp() if changed else 0.0, -day)


PARSER = Parser(
    name="sitemap",
    version="3",
    options={"url": "", "max_age_days": 7, **OPTIONS},
    listings=listings,
    entries=entries,
    read_listing=read_listing,
    parse=parse,
    entry_of=entry_of,
    next_pages=generic.next_pages,
    joins_incomplete=True,
    accepts_any_url=True,
)
