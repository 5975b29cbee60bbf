"""Discover: fetch the listings of a source and read their entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flows.fetch import Cancelled, FetchFailure, FetchResponse, decode_page
from flows.pipeline import rows
from flows.pipeline.batch import DiscoveryResult, FetchTarget, build_request
from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, fetch_problem
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, Page, Source
from warehouse.records import alerts, fetches, not_modified, watermarks
from warehouse.rows import NewGap, Validators, Watermark


@dataclass(frozen=True, slots=True)
class _Channels:
    """What the listings of a run showed, by channel.

    Attributes:
        open_ended: Channels that were read, of whose entries some may scroll out unseen.
        ids: The article ids listed now; none for a listing that was not modified.
        with_bad_lines: Channels with lines that could not be read.
    """

    open_ended: set[str] = field(default_factory=set)
    ids: dict[str, list[str]] = field(default_factory=dict)
    with_bad_lines: set[str] = field(default_factory=set)


def discover(run: RunContext, source: Source) -> DiscoveryResult:
    """The entries of a source. A failed listing is counted, not raised."""
    result, stats = DiscoveryResult(), run.stats[source.slug]
    if run.suppressed.has_source(source.slug):
        stats.warnings.append(
            f"{source.slug} was erased on request and is not fetched: remove [sources."
            f"{source.slug}], or run `copydesk erase --undo --source {source.slug}`"
        )
        return result
    listings = source.parser.listings(source)
    validators, marks = _stored_state(run, source, listings)
    channels = _Channels()
    for listing, response in _fetch_listings(run, listings, validators):
        if not _read_listing(run, source, listing, response, channels, result):
            result.unread_count += 1
    stats.is_broken = 0 < len(listings) == result.unread_count and not run.is_stopping
    if run.limit is None:
        _detect_gaps(run, source, marks, channels, result)
    else:
        result.listings.watermarks.clear()  # entries beyond the limit are not handled
    _add_article_urls(run, source, result)
    stats.add(discovered=len(result.targets))
    stats.has_listed |= bool(result.targets)
    stats.add(skipped=len(result.targets[run.limit :]) if run.limit is not None else 0)
    result.targets = result.targets[: run.limit]
    return result


def _stored_state(
    run: RunContext, source: Source, listings: Sequence[Listing]
) -> tuple[dict[str, Validators], dict[str, Watermark]]:
    """Validators by address and watermarks by channel; notes the known failures of the source."""
    # Only a listing that carries its articles is asked for conditionally: another listing may
    # stay the same while an article behind it changes.
    urls = [one.url for one in listings if one.has_content]
    with run.reading() as db:
        if not run.is_dry:
            run.known_failures[source.slug] = alerts.alerted_failures(db, source.slug)
        marks = {one.channel: watermarks.get(db, source.slug, one.channel) for one in listings}
        validators = fetches.validators(db, urls)
    return validators, {channel: mark for channel, mark in marks.items() if mark is not None}


def _fetch_listings(
    run: RunContext, listings: Sequence[Listing], validators: Mapping[str, Validators]
) -> list[tuple[Listing, FetchResponse | FetchFailure | None]]:
    """Each listing with its response, in the configured order; none after an interruption."""
    requests = [build_request(one.url, validators.get(one.url)) for one in listings]
    responses = {one.request.url: one for one in run.fetch_all(requests)}
    return [(one, responses.get(one.url)) for one in listings]


def _read_listing(
    run: RunContext,
    source: Source,
    listing: Listing,
    response: FetchResponse | FetchFailure | None,
    channels: _Channels,
    result: DiscoveryResult,
) -> bool:
    """Add the entries of a listing; false when it could not be read."""
    stats, batch, channel = run.stats[source.slug], result.listings, listing.channel
    if response is None:
        return False
    if isinstance(response, FetchFailure):
        if not isinstance(response.error, Cancelled):
            stats.add(discovered=1)
            stats.fail(str(response.error), fetch_problem("listing", channel, response.error))
            batch.record_fetch(source, channel, response)
        return False
    if response.not_modified:
        stats.add(discovered=1, not_modified=1)
        stats.has_listed = True
        batch.record_fetch(source, channel, response, keep_validators=True)
        batch.listings_read.append(listing.url)
        return True
    page = decode_page(response, None)
    try:
        lines = registry.entries(source, listing, page)
    except ParseError as error:
        failure = rows.listing_failure(source, channel, response, error)
        batch.failures.append(failure)
        stats.add(discovered=1)
        is_known = run.is_known_failure(failure)
        stats.quarantine(str(error), Problem("listing", channel), is_known=is_known)
        batch.record_fetch(source, channel, response)
        return False
    bad_lines = [line for line in lines if isinstance(line, BadEntry)]
    _quarantine_lines(run, source, listing, page, bad_lines, result)
    entries = [line for line in lines if isinstance(line, Entry)]
    result.targets += [FetchTarget(entry, page) for entry in entries]
    ids = [f"{source.slug}:{entry.source_article_id}" for entry in entries]
    if ids:
        batch.watermarks[channel] = (page.fetched_at, ids[0])
    channels.ids.setdefault(channel, []).extend(ids)
    if bad_lines:
        channels.with_bad_lines.add(channel)
    if not listing.is_complete:
        channels.open_ended.add(channel)
    keep = listing.has_content and not bad_lines and run.limit is None
    batch.record_fetch(source, channel, response, keep_validators=keep)
    batch.listings_read.append(listing.url)
    return True


def _quarantine_lines(
    run: RunContext,
    source: Source,
    listing: Listing,
    page: Page,
    lines: Sequence[BadEntry],
    result: DiscoveryResult,
) -> None:
    stats = run.stats[source.slug]
    stats.add(discovered=len(lines))
    stats.has_listed |= bool(lines)
    for line in lines:
        failure = rows.entry_failure(source, listing.url, line, page.fetched_at)
        result.listings.failures.append(failure)
        is_known = run.is_known_failure(failure)
        stats.quarantine(str(line.error), Problem("line", line.channel), is_known=is_known)


def _detect_gaps(
    run: RunContext,
    source: Source,
    marks: Mapping[str, Watermark],
    channels: _Channels,
    result: DiscoveryResult,
) -> None:
    """Find channels that list nothing seen before: entries may have scrolled out unseen."""
    stats = run.stats[source.slug]
    for channel, mark in marks.items():
        if channel not in channels.open_ended:
            continue
        ids = channels.ids[channel]
        if not ids:
            is_empty = channel not in channels.with_bad_lines
            reason = "is empty" if is_empty else "has no line that can be read"
            stats.add(discovered=1)
            stats.fail(f"listing {channel} {reason}; its newest entry was {mark.value}")
        elif not is_continuous(run, channel, ids, mark.value):
            reason = f"{gap_reason(len(ids))}; the newest before was {mark.value}"
            until, _ = result.listings.watermarks[channel]
            since = min(mark.at, until) if mark.at else None  # the clock may have been set back
            gap = NewGap(
                source=source.slug, channel=channel, from_at=since, to_at=until, detected_by=reason
            )
            result.gaps.append(gap)
            stats.gap(f"possible gap in {channel}: {reason}")


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

    Args:
        run: Under way.
        channel: Of a source.
        listed: The article ids listed now.
        newest_before: The article id of the watermark.
    """
    if newest_before in listed or any(one in run.suppressed for one in listed):
        return True
    with run.reading() as db:
        return bool(not_modified.ids_in_channel(db, listed, channel=channel))


def _add_article_urls(run: RunContext, source: Source, result: DiscoveryResult) -> None:
    """Add the articles whose addresses are configured, unless a listing has them.

    A listing gives more than the page of an article, for example the seconds of its time.
    """
    configured: dict[str, Entry] = {}
    for line in registry.article_url_entries(source):
        if isinstance(line, Entry):
            configured[f"{source.slug}:{line.source_article_id}"] = line
        else:
            run.stats[source.slug].add(discovered=1)
            run.stats[source.slug].fail(f"share link {line.raw}: {line.error}")
    listed = {f"{source.slug}:{one.entry.source_article_id}" for one in result.targets}
    if configured.keys() <= listed:
        return
    with run.reading() as db:
        listed |= not_modified.ids_in_other_channels(
            db, configured.keys() - listed, channel=registry.SHARE_LINK
        )
    result.targets += [
        FetchTarget(entry, None) for id, entry in configured.items() if id not in listed
    ]
