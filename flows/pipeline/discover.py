"""Discover: fetch the listings of a source and read their entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flows.fetch import Cancelled, FetchFailure, FetchResponse, decode_page
from flows.pipeline import rows
from flows.pipeline.batch import DiscoveryResult, FetchTarget, build_request
from flows.pipeline.listing_tree import ListingTree, slim
from flows.pipeline.revisit import VisitPlan, plan_visits
from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, fetch_problem
from flows.pipeline.stored_state import stored_state
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, ListingContent, Page, Source
from warehouse.records import fetches, not_modified
from warehouse.records.not_modified import NotModified
from warehouse.rows import Gap, NewGap, Validators, Watermark

MAX_IDS = 5000
"""How many entries of one listing are compared with earlier ones, to find gaps."""

MAX_HELD_BYTES = 16_000_000
"""How many bytes of listings wait in memory for the decision to archive them."""


def discover(run: RunContext, source: Source) -> DiscoveryResult:
    """The entries of a source. A failed listing is counted, not raised."""
    stats = run.stats[source.slug]
    if run.suppressed.has_source(source.slug):
        stats.warnings.append(
            f"{source.slug} was erased on request and is not fetched: remove [sources."
            f"{source.slug}], or run `copydesk erase --undo --source {source.slug}`"
        )
        return DiscoveryResult()
    discovery = _Discovery(run, source)
    listings = source.parser.listings(source)
    marks = discovery.take_stored_state(listings)
    discovery.read_listings(listings, marks)
    result = discovery.result
    stats.is_broken = 0 < len(listings) == result.unread_count and not run.is_stopping
    if run.limit is None:
        discovery.detect_gaps(marks)
    else:
        result.listings.watermarks.clear()  # entries beyond the limit are not handled
    discovery.report_earlier_gaps()
    discovery.add_article_urls()
    targets, result.targets = result.targets, result.targets[: run.limit]
    stats.add(discovered=len(targets), skipped=len(targets) - len(result.targets))
    stats.has_listed |= bool(targets) or not listings
    plan = plan_visits(run, source, result.targets)
    discovery.record_listings(plan)
    result.targets = plan.targets
    result.listings.seen += plan.seen
    result.listings.open_channels |= plan.open_channels | discovery.tree.incomplete
    result.listed_count, result.late_count = len(targets), plan.late_count
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadListing:
    """A listing that arrived, and the lines that this run handles.

    Attributes:
        is_stale: Its last recorded fetch is too old for conditional requests.
        may_be_unmodified: It names no other listings and has no older entries, which a later
            304 would hide.
    """

    listing: Listing
    response: FetchResponse
    lines: tuple[Entry | BadEntry, ...]
    is_stale: bool
    may_be_unmodified: bool


class _Discovery:
    """The listings of one source in one run.

    Attributes:
        ids: The article ids of each channel that may list only a part of its entries.
        garbled: Channels with lines that could not be read.
        unreported: Open gaps of runs that were killed.
        read: The listings that arrived and could be parsed.
        validators: Of the listings that this run asks for, by address.
    """

    def __init__(self, run: RunContext, source: Source) -> None:
        self.run = run
        self.source = source
        self.stats = run.stats[source.slug]
        self.health = run.health[source.slug]
        self.result = DiscoveryResult()
        self.ids: dict[str, list[str]] = {}
        self.garbled: set[str] = set()
        self.unreported: list[Gap] = []
        self.read: list[_ReadListing] = []
        self.validators: dict[str, Validators | None] = {}
        self._held_bytes = 0
        self.tree = ListingTree(run, source, source.parser.listings(source))

    def take_stored_state(self, listings: Sequence[Listing]) -> Mapping[str, Watermark]:
        """Watermarks by channel; loads validators and known failures, too."""
        run, slug = self.run, self.source.slug
        stored = stored_state(run, slug, listings)
        if not run.is_dry:
            run.known_failures[slug] = stored.failures.alerted
            run.open_failures[slug] = stored.failures.open
            run.dismissed[slug] = stored.failures.dismissed
            self.unreported = list(stored.unreported)
        self.validators |= {one.url: stored.validators.get(one.url) for one in listings}
        return stored.marks

    def read_validators(self, listings: Sequence[Listing]) -> None:
        """Read the validators of listings that were not asked for yet."""
        urls = [one.url for one in listings if one.url not in self.validators]
        if not urls:
            return
        with self.run.reading() as db:
            found = fetches.validators(db, urls, source=self.source.slug)
        self.validators |= {url: found.get(url) for url in urls}

    def read_listings(self, listings: Sequence[Listing], marks: Mapping[str, Watermark]) -> None:
        """Fetch the listings and those that they name; add their entries in their order."""
        self.tree.marks = marks
        while wave := self.tree.next_wave():
            self.read_validators(wave)
            since = self.run.trusted_since
            requests = [
                replace(
                    build_request(one.url, self.validators[one.url], trusted_since=since),
                    archive_later=True,
                )
                for one in wave
            ]
            responses = {one.request.url: one for one in self.run.fetch_all(requests)}
            for listing in wave:
                response = responses.get(listing.url)
                known = self.validators[listing.url]
                is_read = response is not None and self._read_listing(listing, response, known)
                if not is_read and listing in listings:
                    self.result.unread_count += 1

    def _read_listing(
        self,
        listing: Listing,
        response: FetchResponse | FetchFailure,
        known: Validators | None,
    ) -> bool:
        """Add the entries of a listing; false when it could not be read."""
        channel, batch = listing.channel, self.result.listings
        if isinstance(response, FetchFailure):
            if not isinstance(response.error, Cancelled):
                problem = fetch_problem("listing", channel, response.error)
                self.stats.add(discovered=1)
                self.stats.fail(str(response.error), problem)
                self.health.listing_failed(channel)
                batch.record_fetch(self.source, channel, response)
            return False
        if response.not_modified:
            self.stats.add(discovered=1, not_modified=1)
            self.stats.has_listed = True
            self.tree.unread_channels.add(channel)
            self.health.listing(channel, None)
            if known is not None:
                unchanged = NotModified(channel=channel, at=response.fetched_at)
                batch.listings_not_modified.append((unchanged, known.fetched_at))
        else:
            page = decode_page(response, None)
            try:
                content = registry.read_listing(self.source, listing, page)
            except ParseError as error:
                response = self.run.archive(response)
                failure = rows.listing_failure(self.source, channel, response, error)
                batch.failures.append(failure)
                self.stats.add(discovered=1)
                self.run.quarantine(failure, str(error), Problem("listing", channel))
                self.health.listing_failed(channel, str(error))
                batch.record_fetch(self.source, channel, response)
                return False
            read = _ReadListing(
                listing=listing,
                response=response,
                lines=self._add_lines(listing, page, content),
                is_stale=known is not None and known.fetched_at < self.run.trusted_since,
                may_be_unmodified=not content.listings and not listing.is_archive,
            )
            self._held_bytes += len(response.body)
            if self._held_bytes > MAX_HELD_BYTES:
                self._record(read)  # recorded once, so that its body can go
                read = replace(read, response=replace(response, body=b"", unarchived=()))
            self.read.append(read)
        batch.listings_read.append(listing.url)
        return True

    def record_listings(self, plan: VisitPlan) -> None:
        """Archive and record the listings with news; an unchanged one leaves no trace.

        A file for each run of each source would be 100,000 files a year.
        """
        batch = self.result.listings
        for read in self.read:
            bad = [line for line in read.lines if isinstance(line, BadEntry)]
            failures = [
                rows.entry_failure(self.source, read.listing.url, line, read.response.fetched_at)
                for line in bad
            ]
            for failure, line in zip(failures, bad, strict=True):
                self.stats.add(discovered=1)
                self.run.quarantine(failure, str(line.error), Problem("line", line.channel))
            if (
                read.is_stale
                or self.run.limit is not None
                or plan.is_news(read.lines)
                or not all(map(self.run.is_reported, failures))
            ):
                # A replay of a line needs the listing of its last failure.
                batch.failures += failures
                self._record(read)

    def _record(self, read: _ReadListing) -> None:
        channel, url = read.listing.channel, read.listing.url
        is_whole = channel not in self.garbled and self.run.limit is None
        is_handled = read.may_be_unmodified and url not in self.tree.incomplete
        response = self.run.archive(read.response)
        self.result.listings.record_fetch(
            self.source, channel, response, keep_validators=is_whole and is_handled
        )

    def _add_lines(
        self, listing: Listing, page: Page, content: ListingContent
    ) -> tuple[Entry | BadEntry, ...]:
        channel, batch = listing.channel, self.result.listings
        lines = self.tree.take(listing, page, content)
        entries = [line for line in lines if isinstance(line, Entry)]
        self._count_entries(channel, content)
        origin = slim(page) if listing.is_archive else page
        self.result.targets += [FetchTarget(entry, origin) for entry in entries]
        listed = [line for line in content.entries if isinstance(line, Entry)][:MAX_IDS]
        ids = [f"{self.source.slug}:{entry.source_article_id}" for entry in listed]
        is_first = channel not in batch.watermarks or not (listing.depth or listing.is_archive)
        if ids and is_first:
            batch.watermarks[channel] = (page.fetched_at, ids[0])
        if not listing.is_complete:
            self.ids.setdefault(channel, []).extend(ids)
        for line in lines:
            if isinstance(line, BadEntry):
                self.stats.has_listed = True
                self.garbled.add(channel)
        return lines

    def _count_entries(self, channel: str, content: ListingContent) -> None:
        count = sum(isinstance(line, Entry) for line in content.entries)
        if content.entries and not count:
            self.health.listing_failed(channel, "no line that can be read")
        elif count or not content.listings:
            self.health.listing(channel, count)
        else:  # an index of listings has no entries of its own
            self.health.listing(channel, None)

    def detect_gaps(self, marks: Mapping[str, Watermark]) -> None:
        """Find channels that list nothing seen before: entries may have scrolled out unseen."""
        for channel, mark in marks.items():
            if (ids := self.ids.get(channel)) is None or channel in self.tree.unread_channels:
                continue
            if not ids:
                is_empty = channel not in self.garbled
                reason = "is empty" if is_empty else "has no line that can be read"
                self.stats.add(discovered=1)
                self.stats.fail(f"listing {channel} {reason}; its newest entry was {mark.value}")
            elif not is_continuous(self.run, channel, ids, mark.value):
                reason = f"{gap_reason(len(ids))}; the newest before was {mark.value}"
                until, _ = self.result.listings.watermarks[channel]
                gap = NewGap(
                    source=self.source.slug,
                    channel=channel,
                    from_at=min(mark.at, until) if mark.at else None,  # the clock may go back
                    to_at=until,
                    detected_by=reason,
                )
                self.result.gaps.append(gap)
                self.stats.gap(f"possible gap in {channel}: {reason}")

    def report_earlier_gaps(self) -> None:
        """Report the gaps of killed runs, except in channels where this run finds one."""
        found = {gap.channel for gap in self.result.gaps}
        for gap in self.unreported:
            if gap.row.channel not in found:
                self.stats.gap(
                    f"possible gap in {gap.row.channel}, found by run {gap.run_id}, which did not "
                    f"end: {gap.row.detected_by}"
                )

    def add_article_urls(self) -> None:
        """Add the articles whose addresses are configured, unless a listing has them.

        A listing gives more than the page of an article, for example the seconds of its time.
        """
        slug, configured = self.source.slug, dict[str, Entry]()
        for line in registry.article_url_entries(self.source):
            if isinstance(line, Entry):
                configured[f"{slug}:{line.source_article_id}"] = line
            else:
                self.stats.add(discovered=1)
                self.stats.fail(f"share link {line.raw}: {line.error}")
        listed = {f"{slug}:{one.entry.source_article_id}" for one in self.result.targets}
        if wanted := configured.keys() - listed:
            with self.run.reading() as db:
                listed |= not_modified.ids_in_other_channels(
                    db, wanted, channel=registry.SHARE_LINK
                )
        self.result.targets += [
            FetchTarget(entry, None) for id_, entry in configured.items() if id_ not in listed
        ]


def gap_reason(entry_count: int) -> str:
    """Why a channel has a gap: it lists no entry that was seen there."""
    if entry_count == 1:
        return "the only entry listed now was not seen there before"
    return f"none of the {entry_count} entries listed now was seen there before"


def is_continuous(
    run: RunContext, channel: str, listed: Sequence[str], newest_before: str | None
) -> bool:
    """Whether a channel lists an entry of its last run, so that nothing is missed between them.

    An entry that only another channel has listed does not count. The newest entry of the last run
    counts even if it was not stored: that run has reported its failure.
    """
    if newest_before in listed or any(one in run.suppressed for one in listed):
        return True
    with run.reading() as db:
        return bool(not_modified.ids_in_channel(db, listed, channel=channel))
