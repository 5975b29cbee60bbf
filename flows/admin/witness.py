"""The witness of a source: a second list of its articles, to compare the warehouse with.

A witness is the address of a feed or a sitemap, or another configured source. The parsers that
read listings read it, with the listings that it names; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from flows.addresses import check_url
from flows.errors import ConfigurationError, RunFailed
from flows.fetch import Fetcher, FetchFailure, FetchRequest, decode_page, redact_url
from flows.pipeline.date_range import DateRange, time_zone_of
from flows.pipeline.run import fetch_policy
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError, UnknownUrl
from parsers.model import Entry, Listing, ListingContent, Page, Source
from parsers.text.dates import parse_time
from parsers.text.urls import canonicalize, is_http

MAX_LISTINGS = 2000
"""How many files of a sitemap an audit reads."""

MAX_PAGES = 200
"""How many pages of a listing an audit reads."""

_PARSERS = ("feed", "sitemap")
"""The parsers of an address, the first that can read it."""

_SHARED_OPTIONS = ("identity", "include", "exclude", "allowed_domains", "time_zone")
"""Options of the audited source that its witness has, too."""


class WitnessUnreadable(RunFailed):
    """A witness that cannot be read, so that nothing was compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArticle:
    """An article that a witness lists.

    Attributes:
        url: Its address for readers.
        title: Empty when the witness gives none.
        published_at: UTC; ``None`` when the witness gives no time.
        changed_at: UTC, the last change that the witness gives.
        names: The ids and addresses that the audited source may have it under.
    """

    url: str
    title: str
    published_at: datetime | None
    changed_at: datetime | None
    names: frozenset[str]

    def may_be_in(self, window: DateRange | None) -> bool:
        """Whether it may have been published in a window; no article is older than a change."""
        if window is None:
            return True
        if self.published_at is None and self.changed_at is not None:
            return self.changed_at >= window.start
        return window.contains(self.published_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What a witness lists.

    Attributes:
        name: Its address without secrets, or the name of its source.
        articles: Each article once.
        unreadable_count: Entries that cannot be read.
        foreign_count: Entries that lead to no article of the audited source.
        notes: What was left out, as sentences.
    """

    name: str
    articles: tuple[ListedArticle, ...]
    unreadable_count: int = 0
    foreign_count: int = 0
    notes: tuple[str, ...] = ()


def witness_sources(
    settings: Settings, source: Source, named: str | None = None
) -> tuple[Source, ...]:
    """The witness of a source as a source of its own: one for each parser that may read it.

    Args:
        settings: The configuration.
        source: The audited source.
        named: An address or a source, instead of the configured witness.

    Raises:
        ConfigurationError: The source has no witness, or it cannot be used.
    """
    witness = named or settings.sources[source.slug].witness
    if not witness:
        raise ConfigurationError(
            f'sources.{source.slug} has no witness: add witness = "..." (the address of a feed or '
            "a sitemap, or another source), or name one with --witness"
        )
    if "://" not in witness:
        if witness == source.slug:
            raise ConfigurationError(
                f"{source.slug} cannot be its own witness: name another source, or the address of "
                "a feed or a sitemap"
            )
        return (settings.source(witness),)
    try:
        check_url(witness)
    except ValueError as error:
        raise ConfigurationError(f"the witness of {source.slug}: {error}") from None
    url = SECRETS.mask(witness, owner=source.slug)
    return tuple(
        registry.make_source(source.slug, name, {"url": url, **_shared_options(source, name)})
        for name in _PARSERS
    )


def read_witness(
    settings: Settings,
    source: Source,
    witnesses: Sequence[Source],
    window: DateRange | None = None,
) -> Witness:
    """Fetch and parse the listings of a witness that may have articles of a window.

    Raises:
        WitnessUnreadable: A listing cannot be read, or no article is listed.
    """
    first = witnesses[0]
    is_url = first.slug == source.slug
    reading = _Reading(
        source=source,
        witnesses=list(witnesses),
        name=redact_url(first.text("url")) if is_url else first.slug,
        window=window,
        zone=time_zone_of(settings, source if is_url else first),
    )
    sources = (*settings.usable_sources(), first)
    with Fetcher(fetch_policy(settings, sources)) as fetcher:
        reading.read(fetcher)
    return reading.result()


def names_at(source: Source, url: str) -> frozenset[str]:
    """The ids and addresses that an article at an address may have in a source.

    They are none when the address is not one of an article of the source.
    """
    try:
        entry = source.parser.entry_of(source, url)
        return frozenset({entry.source_article_id, url, canonicalize(url)})
    except UnknownUrl:
        return frozenset()


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A witness while it is read.

    Attributes:
        witnesses: The parsers that may read it; one, after the first page.
    """

    source: Source
    witnesses: list[Source]
    name: str
    window: DateRange | None
    zone: ZoneInfo
    articles: dict[str, ListedArticle] = field(default_factory=dict)
    entry_count: int = 0
    unreadable_count: int = 0
    foreign_count: int = 0
    notes: dict[str, None] = field(default_factory=dict)

    def read(self, fetcher: Fetcher) -> None:
        """Read the listings, then those that they name, each once."""
        witness = self.witnesses[0]
        waiting = {one.url: one for one in witness.parser.listings(witness)}
        seen = set(waiting)
        while waiting:
            found: dict[str, Listing] = {}
            for page, listing in self._pages(fetcher, waiting):
                content = self._content(listing, page)
                self._take(content)
                named = content.listings if self._reaches_window(listing, content) else ()
                found |= {one.url: one for one in named if self._may_have(one)}
            waiting = {url: one for url, one in found.items() if url not in seen}
            if len(seen) + len(waiting) > MAX_LISTINGS:
                raise self._unreadable(
                    f"it has more than {MAX_LISTINGS:,} listings; name days with --from and --to, "
                    "or a smaller sitemap"
                )
            seen |= set(waiting)

    def result(self) -> Witness:
        """What the witness lists."""
        if not self.entry_count:
            raise self._unreadable("it lists no article")
        return Witness(
            name=self.name,
            articles=tuple(self.articles.values()),
            unreadable_count=self.unreadable_count,
            foreign_count=self.foreign_count,
            notes=tuple(self.notes),
        )

    def _pages(
        self, fetcher: Fetcher, listings: dict[str, Listing]
    ) -> Iterator[tuple[Page, Listing]]:
        for result in fetcher.fetch_all(FetchRequest(url=url) for url in listings):
            if isinstance(result, FetchFailure):
                raise self._unreadable(str(result.error)) from result.error
            yield decode_page(result, None), listings[result.request.url]

    def _content(self, listing: Listing, page: Page) -> ListingContent:
        """The content of a listing, by the first parser that can read it."""
        errors = []
        for witness in self.witnesses:
            own = listing
            if len(self.witnesses) > 1:  # the first page: each parser has a listing of its own
                (own,) = witness.parser.listings(witness)
            try:
                content = registry.read_listing(witness, own, page)
            except ParseError as error:
                errors.append(str(error))
            else:
                self.witnesses = [witness]
                return content
        raise self._unreadable("; ".join(dict.fromkeys(errors)))

    def _take(self, content: ListingContent) -> None:
        self.notes |= dict.fromkeys(content.notes)
        for entry in content.entries:
            if not isinstance(entry, Entry):
                self.unreadable_count += 1
                continue
            self.entry_count += 1
            if names := self._names(entry):
                article = _listed(entry, names, self.zone)
                if article.may_be_in(self.window):
                    self.articles.setdefault(canonicalize(article.url), article)
            else:
                self.foreign_count += 1

    def _names(self, entry: Entry) -> frozenset[str]:
        link = entry.link or entry.url
        names = names_at(self.source, link)
        if not names:
            return names
        if entry.url != link and is_http(entry.url):
            names |= {entry.url, canonicalize(entry.url)}
        if self.witnesses[0].parser.name == self.source.parser.name:  # their ids are made alike
            names |= {entry.source_article_id, *entry.other_ids}
        return names

    def _may_have(self, listing: Listing) -> bool:
        """Whether a listing that another one names may have articles of the window."""
        if listing.is_next_page and listing.depth > MAX_PAGES:
            self.notes[f"{self.name}: only the first {MAX_PAGES} pages were read"] = None
            return False
        if self.window is None:
            return True
        if listing.changed_at is not None and listing.changed_at < self.window.start:
            return False
        first, last = listing.period or (self.window.first, self.window.last)
        return first <= self.window.last and last >= self.window.first

    def _reaches_window(self, listing: Listing, content: ListingContent) -> bool:
        """Whether the pages after this one may have articles of the window."""
        if self.window is None or listing.is_archive:
            return True
        times = [
            _time(one, self.zone, "published", "day")
            for one in content.entries
            if isinstance(one, Entry)
        ]
        dated = [at for at in times if at is not None]
        return not dated or dated[-1] >= self.window.start

    def _unreadable(self, reason: str) -> WitnessUnreadable:
        which = "" if self.name in reason else f" {self.name}"
        return WitnessUnreadable(
            f"{self.source.slug}: the witness{which} cannot be read: {reason}. Nothing was compared"
        )


def _shared_options(source: Source, parser: str) -> dict[str, object]:
    known = registry.PARSERS[parser].options
    return {
        name: source.options[name]
        for name in _SHARED_OPTIONS
        if name in known and name in source.options
    }


def _listed(entry: Entry, names: Iterable[str], zone: ZoneInfo) -> ListedArticle:
    return ListedArticle(
        url=entry.link or entry.url,
        title=entry.facts.get("title", "").strip(),
        published_at=_time(entry, zone, "published", "day"),
        changed_at=_time(entry, zone, "updated"),
        names=frozenset(names),
    )


def _time(entry: Entry, zone: ZoneInfo, *facts: str) -> datetime | None:
    """The first time among some facts (UTC)."""
    texts = filter(None, (entry.facts.get(name, "") for name in facts))
    times = (parse_time(text, zone, "listing").at for text in texts)
    return next((at for at in times if at is not None), None)
