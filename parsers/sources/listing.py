"""Any site with a page that links its articles: a section, an archive, a front page.

* ``links`` selects the links of articles, ``next_page`` the link to older ones. ``date`` and
  ``title`` are selected in the box of a link: the largest element around it without a link of
  another article.
* ``links`` must match, and ``date`` in at least one box, so that a new layout becomes an
  error. ``?`` behind a selector makes it optional.
* The first sync reads ``pages`` pages. Later ones read on until they find a known entry, and a
  backfill reads pages until it is before its range.
* ``include``, ``exclude``, ``allowed_domains`` and ``select`` are those of ``sitemap``.

An article's id is its canonical address in the listing.
"""

from __future__ import annotations

from dataclasses import replace

from bs4 import BeautifulSoup, Tag

from parsers.errors import BadListing, OptionError
from parsers.html.select import document, text_of
from parsers.html.selector import Selector, parse_selector
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
from parsers.sources import generic
from parsers.sources._linked import (
    OPTIONS,
    OTHER_SITE,
    AddressFilter,
    check_options,
    completed,
    day_in_path,
    linked_entry,
)
from parsers.text.dates import find_time_text, parse_time
from parsers.text.urls import absolute, canonicalize, is_http

CHANNEL = "listing"

_MIN_TITLE_WORDS = 4
"""A link of fewer words may be ``Read more``; its text is then no title."""

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def listings(source: Source) -> tuple[Listing, ...]:
    """Return the first page.

    Raises:
        OptionError: An option has a wrong value.
    """
    check_options(source)
    if not source.text("links").strip():
        raise OptionError(
            "links: this key is required: a CSS selector of the links to articles, such as "
            "'article h2 a'; `copydesk sources add URL` proposes one"
        )
    for name in ("links", "next_page", "date", "title"):
        _selector(source, name)
    return (Listing(channel=CHANNEL, url=source.text("url")),)


def read_listing(source: Source, listing: Listing, page: Page) -> ListingContent:
    """Return the entries of a page, and the next page.

    Raises:
        BadListing: ``links`` or ``date`` matches nothing.
    """
    soup = document(page.text)
    base = _base(soup, page)
    links = _selector(source, "links")
    assert links is not None  # noqa: S101  # ``listings`` requires it
    found: dict[str, list[Tag]] = {}
    for href, anchor in links.links(soup):
        url = absolute(base, href).partition("#")[0]
        if is_http(url):
            found.setdefault(url, []).append(anchor)
    if not found and not (links.is_optional or listing.is_next_page):
        raise BadListing(
            where="links",
            expected=f"a link that {links.text!r} selects",
            found=f"none in the page that begins {text_of(soup)[:80]!r}",
            hint="the layout changed, or the page builds its links with scripts",
        )
    why_left_out = AddressFilter(source).why_left_out
    reasons = {url: why_left_out(url) for url in found}
    boxes = _Boxes(source, found, base)
    entries = [
        boxes.entry(url, anchors, listing.channel)
        for url, anchors in found.items()
        if not reasons[url]
    ]
    boxes.check_dates(soup, has_entries=bool(entries))
    others = list(reasons.values()).count(OTHER_SITE)
    notes = [f"{listing.url}: {others} links {OTHER_SITE} are left out"] if others else []
    return ListingContent(
        entries=unique_entries(entries),
        listings=_next_page(source, listing, soup, base),
        notes=tuple(notes),
    )


def entries(source: Source, listing: Listing, page: Page) -> tuple[Entry | BadEntry, ...]:
    """Return the entries of a page.

    Raises:
        BadListing: ``links`` or ``date`` matches nothing.
    """
    return read_listing(source, listing, page).entries


def parse(source: Source, page: Page) -> Article:
    """Parse the page that the listing links.

    Raises:
        LayoutChanged: The page has no article that can be found.
        WrongPage: It is another page.
    """
    return completed(source, page, generic.parse(source, page), "listing")


def entry_of(_source: Source, url: str) -> Entry:
    """Return the entry of an article's URL.

    Raises:
        UnknownUrl: It is no http or https URL.
    """
    return linked_entry(url, CHANNEL, {})


class _Boxes:
    """The boxes around the links of a page.

    Attributes:
        date_count: Boxes with a match of ``date``.
    """

    def __init__(self, source: Source, found: dict[str, list[Tag]], base: str) -> None:
        self.source = source
        self.base = base
        self.date = _selector(source, "date")
        self.title = _selector(source, "title")
        self.date_count = 0
        self._links = {id(one): url for url, anchors in found.items() for one in anchors}
        self._urls_in: dict[int, set[str]] = {}
        for url, anchors in found.items():
            for one in anchors:
                for parent in (one, *one.parents):
                    self._urls_in.setdefault(id(parent), set()).add(url)

    def entry(self, url: str, anchors: list[Tag], channel: str) -> Entry:
        """The entry of one address, of all its links."""
        boxes = [self._box(one, url) for one in anchors]
        published = next(filter(None, map(self._published, boxes)), "")
        facts = {
            "title": self._title(boxes, anchors),
            "published": published,
            "day": day_in_path(url),
        }
        self.date_count += bool(published)
        return linked_entry(url, channel, {name: value for name, value in facts.items() if value})

    def check_dates(self, soup: BeautifulSoup, *, has_entries: bool) -> None:
        """Refuse a page without any date, if the source selects dates.

        Raises:
            BadListing: No box has one.
        """
        if self.date is None or self.date.is_optional or self.date_count or not has_entries:
            return
        count = len(self.date.elements(soup))
        raise BadListing(
            where="date",
            expected=f"a date that {self.date.text!r} selects near a link",
            found=f"{count} in the page, and none near a link" if count else "none in the page",
            hint="the layout changed, or the selector needs a ? because pages may lack it",
        )

    def _box(self, anchor: Tag, url: str) -> Tag:
        """The largest element around a link that has no link of another article."""
        box = anchor
        for parent in anchor.parents:
            if self._urls_in.get(id(parent)) != {url} or parent.name in {"body", "html"}:
                break
            box = parent
        return box

    def _published(self, box: Tag) -> str:
        if self.date is None:
            return ""
        zone = self.source.zone()
        for raw in self.date.values(box):
            if parse_time(raw, zone, "").at is not None:
                return raw
            if text := find_time_text(raw):
                return text
        return ""

    def _title(self, boxes: list[Tag], anchors: list[Tag]) -> str:
        if self.title is not None:
            return next((value for box in boxes for value in self.title.values(box)), "")
        for box in boxes:
            if heading := box.find(_HEADINGS) or box.find_parent(_HEADINGS):
                return text_of(heading)
        text = max(map(text_of, anchors), key=len)
        return text if len(text.split()) >= _MIN_TITLE_WORDS else ""


def _next_page(
    source: Source, listing: Listing, soup: BeautifulSoup, base: str
) -> tuple[Listing, ...]:
    selector = _selector(source, "next_page")
    for href, _ in selector.links(soup) if selector else ():
        url = absolute(base, href).partition("#")[0]
        is_other = is_http(url) and canonicalize(url) != canonicalize(listing.url)
        if is_other and AddressFilter(source).why_left_out(url) != OTHER_SITE:
            return (replace(listing, url=url, is_next_page=True, depth=listing.depth + 1),)
    return ()


def _base(soup: BeautifulSoup, page: Page) -> str:
    own = page.final_url or page.url
    tag = soup.select_one("base[href]")
    declared = absolute(own, str(tag.get("href"))) if tag else own
    return declared if is_http(declared) else own


def _selector(source: Source, name: str) -> Selector | None:
    text = source.text(name)
    return parse_selector(name, text) if text else None


PARSER = Parser(
    name="listing",
    version="3",
    options={
        "url": "",
        "links": "",
        "next_page": "",
        "date": "",
        "title": "",
        "pages": 1,
        **OPTIONS,
    },
    listings=listings,
    entries=entries,
    read_listing=read_listing,
    parse=parse,
    entry_of=entry_of,
    next_pages=generic.next_pages,
    joins_incomplete=True,
    accepts_any_url=True,
)
