"""Look at a site for what it can be read by: its feeds, its sitemaps, its list of articles.

Every request goes through the fetcher, so that robots.txt, delays and the address policy hold.
A candidate is offered only after it was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from flows.errors import RunFailed
from flows.fetch import Fetcher, FetchFailure, FetchRequest, decode_page, redact_url
from flows.text import pluralize
from parsers.discovery import (
    FeedLink,
    feed_urls,
    page_links,
    propose_list,
    sitemap_urls,
    start_page,
)
from parsers.errors import ParseError
from parsers.feeds import Feed, parse_feed
from parsers.model import Page
from parsers.sitemaps import parse_sitemap, robots_sitemaps
from parsers.text.characters import single_line
from parsers.text.plain import plain_text
from parsers.text.urls import absolute, canonicalize, url_parts

MAX_REQUESTS = 40
"""Pages that one discovery fetches, robots.txt files of the fetcher left out."""

MAX_FEEDS = 5
MAX_SITEMAPS = 5
FULL_TEXT_SIZE = 1000
"""A feed whose items have so many characters carries its articles."""

Kind = Literal["feed", "sitemap", "listing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to read a site, and what it has now.

    Attributes:
        count: Items, addresses, files of an index, or links.
        unit: What is counted.
        options: The options of the source, beside parser and url.
        is_comments: A feed of comments, never the choice.
    """

    kind: Kind
    url: str
    title: str
    count: int
    unit: str
    options: dict[str, Any] = field(default_factory=dict)
    is_comments: bool = False

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON document."""
        return {
            "parser": self.kind,
            "url": redact_url(self.url),
            "title": self.title,
            "entries": self.count,
            "unit": self.unit,
            "options": self.options,
            "comments": self.is_comments,
        }

    def __str__(self) -> str:
        """One line."""
        title = f"  {single_line(self.title)[:60]}" if self.title not in ("", self.url) else ""
        note = "  (comments)" if self.is_comments else ""
        return f"{self.kind:<8} {redact_url(self.url)}  {self.count} {self.unit}{title}{note}"


class SiteDiscovery:
    """One look at one site.

    Attributes:
        notes: What could not be read, as sentences.
    """

    def __init__(self, fetcher: Fetcher, url: str) -> None:
        self.fetcher = fetcher
        self.url = url
        self.notes: list[str] = []
        self._pages: dict[str, Page | None] = {}

    def candidates(self) -> list[Candidate]:
        """What the site offers, the best choice of each kind first.

        Raises:
            RunFailed: The page cannot be fetched, or is an empty sitemap.
        """
        page = self._first()
        if own := self._of_document(page):
            return [own]
        feeds = self._feeds(page)
        sitemaps = self._sitemaps(page)
        listing = self._listing(page)
        return [*feeds, *sitemaps, *([listing] if listing else [])]

    def _first(self) -> Page:
        result = next(iter(self.fetcher.fetch_all([FetchRequest(url=self.url)])), None)
        if result is None or isinstance(result, FetchFailure):
            reason = result.error if result else "interrupted"
            raise RunFailed(f"{redact_url(self.url)} cannot be fetched: {reason}")
        page = decode_page(result, None)
        self._pages[self.url] = page
        return page

    def _get(self, url: str) -> Page | None:
        """A page, fetched once; ``None`` when it does not arrive or is somewhere else."""
        if url in self._pages:
            return self._pages[url]
        if len(self._pages) >= MAX_REQUESTS:
            return None
        result = next(iter(self.fetcher.fetch_all([FetchRequest(url=url)])), None)
        page = None
        if result is not None and not isinstance(result, FetchFailure):
            page = decode_page(result, None)
        self._pages[url] = page
        return page

    def _of_document(self, page: Page) -> Candidate | None:
        """The candidate of an address that is a feed or a sitemap itself."""
        if candidate := self._feed_of(page, "") or self._sitemap_of(page):
            return candidate
        try:
            parse_sitemap(page.text, page.final_url or page.url)
        except ParseError:
            return None
        raise RunFailed(f"{redact_url(page.url)} is a sitemap without addresses")

    # --- feeds ---

    def _feeds(self, page: Page) -> list[Candidate]:
        own = page.final_url or page.url
        links = list(_links(page))
        home = start_page(own)
        if all(one.is_comments for one in links) and canonicalize(home) != canonicalize(own):
            # The page of an article links its own comments only.
            links += _links(self._get(home))
        found = self._read_feeds(links)
        if not any(not one.is_comments for one in found):
            known = [FeedLink(url=url, title=url) for url in feed_urls(own)]
            found = [*self._read_feeds(known, is_guess=True), *found]
        return sorted(found, key=lambda one: (one.is_comments, one.count == 0))

    def _read_feeds(self, links: Iterable[FeedLink], *, is_guess: bool = False) -> list[Candidate]:
        found: dict[str, Candidate] = {}
        for link in links:
            page = self._get(link.url)
            if page is None or (is_guess and _is_elsewhere(page)):
                continue
            if candidate := self._feed_of(page, link.title, is_comments=link.is_comments):
                found.setdefault(candidate.url, candidate)
            elif not is_guess and link.is_declared:
                self.notes.append(f"{redact_url(link.url)} is declared as a feed and is none")
            if len(found) == (1 if is_guess else MAX_FEEDS):
                break
        return list(found.values())

    def _feed_of(self, page: Page, title: str, *, is_comments: bool = False) -> Candidate | None:
        try:
            feed = parse_feed(page.text, page.final_url or page.url)
        except ParseError:
            return None
        return Candidate(
            kind="feed",
            url=page.url,
            title=feed.title or title,
            count=len(feed.items),
            unit="items",
            options={"full_text": not _carries_articles(feed)},
            is_comments=is_comments,
        )

    # --- sitemaps ---

    def _sitemaps(self, page: Page) -> list[Candidate]:
        own = page.final_url or page.url
        robots_url = absolute(own, "/robots.txt")
        robots = self._get(robots_url)
        named = robots_sitemaps(robots.text, robots_url) if robots else ()
        found = [one for url in named[:MAX_SITEMAPS] if (one := self._sitemap_at(url))]
        for url in () if found else sitemap_urls(own):
            if url not in named and (candidate := self._sitemap_at(url, is_guess=True)):
                found = [candidate]
                break
        if len(named) > MAX_SITEMAPS:
            self.notes.append(
                f"robots.txt names {pluralize(len(named), 'sitemap')}; "
                f'url = "{redact_url(robots_url)}" reads all of them'
            )
        # A news sitemap has the times of publication.
        return sorted(found, key=lambda one: "news" not in url_parts(one.url).path.lower())

    def _sitemap_at(self, url: str, *, is_guess: bool = False) -> Candidate | None:
        page = self._get(url)
        if page is None or (is_guess and _is_elsewhere(page)):
            return None
        return self._sitemap_of(page)

    def _sitemap_of(self, page: Page) -> Candidate | None:
        try:
            found = parse_sitemap(page.text, page.final_url or page.url)
        except ParseError:
            return None
        if not found.entries and not found.files:
            return None
        count = len(found.files) or len(found.entries)
        unit = "sitemaps" if found.files else "addresses"
        return Candidate(kind="sitemap", url=page.url, title="", count=count, unit=unit)

    # --- listings ---

    def _listing(self, page: Page) -> Candidate | None:
        own = page.final_url or page.url
        try:
            proposal = propose_list(page.text, own)
        except ParseError as error:
            self.notes.append(str(error))
            return None
        if proposal is None:
            return None
        options: dict[str, Any] = {"links": proposal.links, "dates": proposal.dates}
        if proposal.next_page:
            options["next_page"] = proposal.next_page
        return Candidate(
            kind="listing",
            url=page.url,
            title="",
            count=proposal.count,
            unit="links",
            options=options,
        )


def _links(page: Page | None) -> tuple[FeedLink, ...]:
    if page is None:
        return ()
    try:
        return page_links(page.text, page.final_url or page.url).feeds
    except ParseError:
        return ()


def _is_elsewhere(page: Page) -> bool:
    """Whether a redirect led to another path: sites send unknown paths to their front page."""
    final = url_parts(page.final_url or page.url).path.rstrip("/")
    return final != url_parts(page.url).path.rstrip("/")


def _carries_articles(feed: Feed) -> bool:
    sizes = [len(plain_text(one.content or one.description)) for one in feed.items]
    return bool(sizes) and 2 * sum(size >= FULL_TEXT_SIZE for size in sizes) >= len(sizes)
