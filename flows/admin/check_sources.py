"""What is configured, and whether it answers: the work behind ``copydesk sources``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flows.fetch import Fetcher, FetchFailure, FetchRequest, decode_page, redact_url
from flows.pipeline.run import fetch_policy
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.errors import BadListing, ParseError
from parsers.model import BadEntry, Entry, Listing, Page, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """What one source yielded just now.

    Attributes:
        entries: Good lines of all its listings.
        bad: Lines that could not be read.
        sample: Title of an article that was read to the end, as far as one could be.
        problems: What is wrong, one sentence each.
    """

    source: str
    parser: str
    listings: int
    entries: int
    bad: int
    sample: str
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """3 when something needs attention."""
        return 3 if self.problems or not self.entries else 0

    def as_json(self) -> dict[str, Any]:
        """The source's part of the JSON document."""
        return {
            "source": self.source,
            "parser": self.parser,
            "listings": self.listings,
            "entries": self.entries,
            "bad": self.bad,
            "sample": self.sample,
            "problems": list(self.problems),
            "ok": self.exit_code == 0,
        }

    def words(self) -> str:
        """One line, and one for each problem."""
        verdict = "ok" if self.exit_code == 0 else "NOT WELL"
        bad = f", {pluralize(self.bad, 'unreadable line')}" if self.bad else ""
        sample = f"; for example: {self.sample}" if self.sample else ""
        problems = "".join(f"\n    ! {problem}" for problem in self.problems)
        return (
            f"{self.source} ({self.parser}): {verdict}: {pluralize(self.entries, 'entry', 'entries')} "
            f"in {pluralize(self.listings, 'listing')}{bad}{sample}{problems}"
        )


def describe_sources(settings: Settings) -> list[dict[str, Any]]:
    """The configured sources, one row each, with the channels and the addresses of their listings."""
    rows = []
    for source in settings.selected_sources():
        listings = source.parser.listings(source)
        channels = dict.fromkeys(one.channel for one in listings)
        rows.append(
            {
                "source": source.slug,
                "parser": source.parser.name,
                "schedule": settings.sources[source.slug].schedule,
                "channels": list(channels),
                "listings": [redact_url(one.url) for one in listings],
            }
        )
    return rows


def sources_text(settings: Settings) -> str:
    """The configured sources for people: a line each, and below it one for each listing."""
    blocks = [
        "\n".join([_headline(settings, source), *_listing_lines(source)])
        for source in settings.selected_sources()
    ]
    return "\n".join(blocks) or "no source is configured: add a [sources.<name>] section"


def _headline(settings: Settings, source: Source) -> str:
    own = settings.sources[source.slug]
    when = f"read on {own.schedule} ({own.time_zone})" if own.schedule else "read by hand only"
    return f"{source.slug}: parser {source.parser.name}, {when}"


def _listing_lines(source: Source) -> list[str]:
    listings = source.parser.listings(source)
    width = max((len(one.channel) for one in listings), default=0)
    return [f"    {one.channel:<{width}}  {redact_url(one.url)}" for one in listings]


def check_sources(settings: Settings, names: tuple[str, ...] = ()) -> list[SourceCheck]:
    """Fetch each listing of the named sources (all by default) and one article; store nothing.

    Raises:
        ConfigurationError: A source is unknown.
    """
    sources = settings.selected_sources(names)
    with Fetcher(fetch_policy(settings.fetch, settings.selected_sources())) as fetcher:
        return [_check(fetcher, source) for source in sources]


def _check(fetcher: Fetcher, source: Source) -> SourceCheck:
    listings = source.parser.listings(source)
    good: list[tuple[Entry, Page]] = []
    bad, problems = 0, []
    requests = {one.url: one for one in listings}
    for result in fetcher.fetch_all(FetchRequest(url=url) for url in requests):
        listing = requests[result.request.url]
        if isinstance(result, FetchFailure):
            problems.append(f"{listing.channel}: {result.error}")
            continue
        page = decode_page(result, None)
        try:
            lines = registry.entries(source, listing, page)
        except ParseError as error:
            problems.append(f"{listing.channel}: {error}")
            continue
        broken = [line for line in lines if isinstance(line, BadEntry)]
        entries = [line for line in lines if isinstance(line, Entry)]
        bad += len(broken)
        good += [(entry, page) for entry in entries]
        if not lines:
            problems.append(_empty(listing))
        elif not entries or any(isinstance(line.error, BadListing) for line in broken):
            problems.append(f"{listing.channel}: {broken[-1].error}")
    sample, problem = _read_one(fetcher, source, good)
    return SourceCheck(
        source=source.slug,
        parser=source.parser.name,
        listings=len(listings),
        entries=len(good),
        bad=bad,
        sample=sample,
        problems=(*problems, *([problem] if problem else [])),
    )


def _empty(listing: Listing) -> str:
    return f"{listing.channel}: the listing is empty: {listing.url}"


def _read_one(
    fetcher: Fetcher, source: Source, good: list[tuple[Entry, Page]]
) -> tuple[str, str | None]:
    """The title of the first article that can be read; what is wrong if none of three can."""
    problem = None
    for entry, listing in good[:3]:
        try:
            return _read_entry(fetcher, source, entry, listing), None
        except (ParseError, LookupError) as error:
            problem = f"{entry.channel}: {error}"
    return "", problem


def _read_entry(fetcher: Fetcher, source: Source, entry: Entry, listing: Page) -> str:
    if entry.content is not None:
        return registry.parse(source, replace(listing, entry=entry)).title
    result = next(fetcher.fetch_all([FetchRequest(url=entry.url)]), None)
    if result is None or isinstance(result, FetchFailure):
        raise LookupError(str(result.error) if result else "interrupted")
    return registry.parse(source, decode_page(result, entry)).title
