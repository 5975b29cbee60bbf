"""The configured sources, and a check of what each yields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from flows.fetch import (
    Fetcher,
    FetchFailure,
    FetchRequest,
    FetchResponse,
    decode_page,
    redact_url,
)
from flows.pipeline.run import fetch_policy
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.errors import BadListing, ParseError
from parsers.model import Article, BadEntry, Entry, Listing, Page, Source
from parsers.text.characters import single_line

FIRST_ENTRIES = 5
MAX_FILES = 6
"""How many listings a check reads to find the entries of an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What one source yields now.

    Attributes:
        entries: Readable entries of all listings; without listings, the configured addresses.
        bad_entries: Entries that cannot be read.
        sample: Title of one parsed article; empty when none of three could be parsed.
        article: That article.
        first_entries: The first readable entries.
        errors: One sentence each.
    """

    source: str
    parser: str
    listings: int
    entries: int
    bad_entries: int
    sample: str
    errors: tuple[str, ...]
    article: Article | None = None
    first_entries: tuple[Entry, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether there are no errors, and entries in the listings if it has any."""
        return bool(self.entries or not self.listings) and not self.errors

    @property
    def exit_code(self) -> int:
        """3 unless the source is ok."""
        return 0 if self.is_ok else 3

    def as_json(self) -> dict[str, Any]:
        """The part of the JSON document."""
        return {
            "source": self.source,
            "parser": self.parser,
            "listings": self.listings,
            "entries": self.entries,
            "bad_entries": self.bad_entries,
            "sample": self.sample,
            "errors": list(self.errors),
            "ok": self.is_ok,
        }

    def __str__(self) -> str:
        """One line, and one for each error."""
        bad = f", {pluralize(self.bad_entries, 'bad entry', 'bad entries')}"
        lines = [
            f"{self.source} ({self.parser}): {'ok' if self.is_ok else 'WARNING'}: "
            f"{pluralize(self.entries, 'entry', 'entries')} in "
            f"{pluralize(self.listings, 'listing')}{bad if self.bad_entries else ''}"
            f"{'' if self.listings else ' (articles are fetched by address)'}"
            f"{f'; for example: {single_line(self.sample)}' if self.sample else ''}",
            *(f"    ! {single_line(error)}" for error in self.errors),
        ]
        return "\n".join(lines)


def describe_sources(settings: Settings) -> list[dict[str, Any]]:
    """The configured sources as JSON, with their channels and the URLs of their listings.

    A source whose parser cannot be used has an ``error`` instead.
    """
    rows: list[dict[str, Any]] = []
    for source in settings.usable_sources():
        listings = source.parser.listings(source)
        own = settings.sources[source.slug]
        rows.append(
            {
                "source": source.slug,
                "parser": source.parser.name,
                "schedule": own.schedule or None,
                "time_zone": own.time_zone,
                "channels": list(dict.fromkeys(one.channel for one in listings)),
                "listings": [redact_url(one.url) for one in listings],
            }
        )
    unusable = settings.unusable_sources().items()
    return rows + [{"source": slug, "error": message} for slug, message in unusable]


def sources_text(settings: Settings) -> str:
    """The configured sources as text: one line each, and one for each listing."""
    lines = []
    for source in settings.usable_sources():
        own = settings.sources[source.slug]
        when = f"schedule {own.schedule} ({own.time_zone})" if own.schedule else "no schedule"
        lines.append(f"{source.slug}: parser {source.parser.name}, {when}")
        listings = source.parser.listings(source)
        width = max((len(one.channel) for one in listings), default=0)
        lines += [f"    {one.channel:<{width}}  {redact_url(one.url)}" for one in listings]
    lines += [f"{slug}: WARNING: {text}" for slug, text in settings.unusable_sources().items()]
    return "\n".join(lines) or "no source is configured: add a [sources.<name>] section"


def check_sources(settings: Settings, names: tuple[str, ...] = ()) -> list[SourceCheck]:
    """Fetch each listing of the named sources (default: all) and one article; store nothing.

    Raises:
        ConfigurationError: A source is unknown.
    """
    sources = settings.selected_sources(names)
    with Fetcher(fetch_policy(settings, settings.usable_sources())) as fetcher:
        return [check_source(fetcher, source) for source in sources]


@dataclass(slots=True)
class _Found:
    """What the listings of a source have.

    Attributes:
        good: Entries, each with the page of its listing.
    """

    good: list[tuple[Entry, Page | None]] = field(default_factory=list)
    bad_entries: int = 0
    errors: list[str] = field(default_factory=list)


def check_source(fetcher: Fetcher, source: Source) -> SourceCheck:
    """Fetch each listing of a source and one article."""
    listings, found = source.parser.listings(source), _Found()
    pages = fetcher.fetch_all(FetchRequest(url=url) for url in {one.url for one in listings})
    results = {result.request.url: result for result in pages}
    for listing in listings:
        if result := results.get(listing.url):
            _read(fetcher, source, listing, result, found)
    if not listings:
        addresses = registry.article_url_entries(source)
        found.good += [(entry, None) for entry in addresses if isinstance(entry, Entry)]
    article, sample_error = _parse_sample(fetcher, source, found.good)
    return SourceCheck(
        source=source.slug,
        parser=source.parser.name,
        listings=len(listings),
        entries=len(found.good),
        bad_entries=found.bad_entries,
        sample=(article and article.title) or "",
        errors=(*found.errors, *([sample_error] if sample_error else [])),
        article=article,
        first_entries=tuple(entry for entry, _ in found.good[:FIRST_ENTRIES]),
    )


def _read(
    fetcher: Fetcher,
    source: Source,
    listing: Listing,
    result: FetchResponse | FetchFailure,
    found: _Found,
) -> None:
    """Add the entries of a listing; of an index of sitemaps those of its newest files."""
    waiting, seen = [listing], {listing.url}
    count = len(found.good)
    for number in range(MAX_FILES):
        if not waiting:
            break
        one = waiting.pop(0)
        if number:
            next_result = next(iter(fetcher.fetch_all([FetchRequest(url=one.url)])), None)
            if next_result is None:
                return
            result = next_result
        if isinstance(result, FetchFailure):
            found.errors.append(f"{one.channel}: {result.error}")
            continue
        files = _add_entries(source, one, decode_page(result, None), found)
        if len(found.good) > count:
            return
        waiting += [file for file in files if file.is_archive and file.url not in seen]
        seen.update(file.url for file in waiting)
    if not found.errors:
        found.errors.append(f"{listing.channel}: the listing is empty: {listing.url}")


def _add_entries(
    source: Source, listing: Listing, page: Page, found: _Found
) -> tuple[Listing, ...]:
    """Add the entries of one page; return the listings that it names."""
    try:
        content = registry.read_listing(source, listing, page)
    except ParseError as error:
        found.errors.append(f"{listing.channel}: {error}")
        return ()
    bad = [one for one in content.entries if isinstance(one, BadEntry)]
    entries = [one for one in content.entries if isinstance(one, Entry)]
    found.bad_entries += len(bad)
    found.good += [(entry, page) for entry in entries]
    if bad and (not entries or any(isinstance(one.error, BadListing) for one in bad)):
        found.errors.append(f"{listing.channel}: {bad[-1].error}")
    return content.listings


def _parse_sample(
    fetcher: Fetcher, source: Source, good: list[tuple[Entry, Page | None]]
) -> tuple[Article | None, str | None]:
    """The first parsable article of three, and the error when none is."""
    message = None
    for entry, listing in good[:3]:
        try:
            return _article(fetcher, source, entry, listing), None
        except (ParseError, LookupError) as error:
            message = f"{entry.channel}: {error}"
    return None, message


def _article(fetcher: Fetcher, source: Source, entry: Entry, listing: Page | None) -> Article:
    if listing is not None and entry.content is not None:
        return registry.parse(source, replace(listing, entry=entry))
    result = next(fetcher.fetch_all([FetchRequest(url=entry.url)]), None)
    if result is None or isinstance(result, FetchFailure):
        raise LookupError(str(result.error) if result else "interrupted")
    return registry.parse(source, decode_page(result, entry))
