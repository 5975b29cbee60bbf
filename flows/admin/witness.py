"""The witness of a source: a second list of its articles, to compare the warehouse with.

A witness is the address of a feed, or another configured source. The parsers that read
listings read it; nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flows.addresses import check_url
from flows.errors import ConfigurationError, RunFailed
from flows.fetch import Fetcher, FetchFailure, FetchRequest, FetchResponse, decode_page, redact_url
from flows.pipeline.date_range import time_zone_of
from flows.pipeline.run import fetch_policy
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError, UnknownUrl
from parsers.model import Entry, Listing, Source
from parsers.text.dates import parse_time
from parsers.text.urls import canonicalize, is_http


class WitnessUnreadable(RunFailed):
    """A witness that cannot be read, so that nothing was compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArticle:
    """An article that a witness lists.

    Attributes:
        url: Its address for readers.
        title: Empty when the witness gives none.
        published_at: UTC; ``None`` when the witness gives no time.
        names: The ids and addresses that the audited source may have it under.
    """

    url: str
    title: str
    published_at: datetime | None
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What a witness lists.

    Attributes:
        name: Its address without secrets, or the name of its source.
        articles: Each article once.
        unreadable_count: Entries that cannot be read.
        foreign_count: Entries that lead to no article of the audited source.
    """

    name: str
    articles: tuple[ListedArticle, ...]
    unreadable_count: int
    foreign_count: int


def witness_source(settings: Settings, source: Source, named: str | None = None) -> Source:
    """The witness of a source as a source of its own.

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
            f'sources.{source.slug} has no witness: add witness = "..." (the address of a feed, '
            "or another source), or name one with --witness"
        )
    if "://" not in witness:
        if witness == source.slug:
            raise ConfigurationError(
                f"{source.slug} cannot be its own witness: name another source, or the address of "
                "a feed"
            )
        return settings.source(witness)
    try:
        check_url(witness)
    except ValueError as error:
        raise ConfigurationError(f"the witness of {source.slug}: {error}") from None
    options: dict[str, object] = {"url": SECRETS.mask(witness, owner=source.slug)}
    if source.parser.name == "feed":
        options["identity"] = source.options["identity"]
    return registry.make_source(source.slug, "feed", options)


def read_witness(settings: Settings, source: Source, witness: Source) -> Witness:
    """Fetch and parse all listings of a witness.

    Raises:
        WitnessUnreadable: A listing cannot be read, or all of them are empty.
    """
    is_url = witness.slug == source.slug
    name = redact_url(witness.text("url")) if is_url else witness.slug
    sources = (*settings.usable_sources(), witness)
    entries: list[Entry] = []
    unreadable = 0
    with Fetcher(fetch_policy(settings.fetch, sources)) as fetcher:
        for listing, response in _responses(fetcher, witness):
            found = _entries(source, witness, name, listing, response)
            good = [one for one in found if isinstance(one, Entry)]
            entries += good
            unreadable += len(found) - len(good)
    if not entries:
        raise WitnessUnreadable(
            f"{source.slug}: the witness {name} lists no article that can be read. Nothing was "
            "compared"
        )
    zone = time_zone_of(settings, source if is_url else witness)
    articles: dict[str, ListedArticle] = {}
    foreign = 0
    for entry in entries:
        names = _names(source, witness, entry)
        if names:
            articles.setdefault(canonicalize(entry.link or entry.url), _listed(entry, names, zone))
        else:
            foreign += 1
    return Witness(
        name=name,
        articles=tuple(articles.values()),
        unreadable_count=unreadable,
        foreign_count=foreign,
    )


def names_at(source: Source, url: str) -> frozenset[str]:
    """The ids and addresses that an article at an address may have in a source.

    They are none when the address is not one of an article of the source.
    """
    try:
        entry = source.parser.entry_of(source, url)
        return frozenset({entry.source_article_id, url, canonicalize(url)})
    except UnknownUrl:
        return frozenset()


def _responses(
    fetcher: Fetcher, witness: Source
) -> Iterable[tuple[Listing, FetchResponse | FetchFailure]]:
    listings = {one.url: one for one in witness.parser.listings(witness)}
    for result in fetcher.fetch_all(FetchRequest(url=url) for url in listings):
        yield listings[result.request.url], result


def _entries(
    source: Source,
    witness: Source,
    name: str,
    listing: Listing,
    response: FetchResponse | FetchFailure,
) -> tuple[object, ...]:
    if isinstance(response, FetchFailure):
        error: Exception = response.error
    else:
        try:
            return registry.entries(witness, listing, decode_page(response, None))
        except ParseError as problem:
            error = problem
    which = "" if name in str(error) else f" {name}"
    raise WitnessUnreadable(
        f"{source.slug}: the witness{which} cannot be read: {error}. Nothing was compared"
    ) from error


def _names(source: Source, witness: Source, entry: Entry) -> frozenset[str]:
    link = entry.link or entry.url
    names = names_at(source, link)
    if not names:
        return names
    if is_http(entry.url):
        names |= {entry.url, canonicalize(entry.url)}
    if witness.parser.name == source.parser.name:  # their ids are made alike
        names |= {entry.source_article_id, *entry.other_ids}
    return names


def _listed(entry: Entry, names: frozenset[str], zone: ZoneInfo) -> ListedArticle:
    return ListedArticle(
        url=entry.link or entry.url,
        title=entry.facts.get("title", "").strip(),
        published_at=parse_time(entry.facts.get("published", ""), zone, "listing").at,
        names=names,
    )
