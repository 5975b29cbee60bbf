"""From the configuration to entries: fetch a source's listings and read their lines."""

from __future__ import annotations

from collections.abc import Sequence

from flows.fetch import FetchFailure, FetchResponse
from flows.pipeline import rows
from flows.pipeline.batch import DiscoveryResult, FetchTarget, build_request, decode_page
from flows.pipeline.run import RunContext
from flows.pipeline.stats import Problem, fetch_problem
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, Page, Source
from warehouse.rows import NewGap


def discover(run: RunContext, source: Source) -> DiscoveryResult:
    """What the source's listings lead to; failed listings are told, not raised."""
    found, tally = DiscoveryResult(), run.stats[source.slug]
    if run.forbidden.source(source.slug):
        tally.notes.append(
            f"{source.slug} is to be forgotten, so nothing is fetched: remove [sources."
            f"{source.slug}], or let it in again with `copydesk forget --undo --source {source.slug}`"
        )
        return found
    listings = source.parser.listings(source)
    whole = [
        listing
        for listing, fetched in _fetch_listings(run, listings)
        if _take_answer(run, source, listing, fetched, found)
    ]
    found.unread = len(listings) - len(whole)
    tally.is_broken = bool(listings) and not whole and not run.is_stopping
    _watch_for_gaps(run, source, whole, found)
    _take_links(run, source, found)
    found.leads = found.leads[: run.limit]
    tally.add(discovered=len(found.leads))
    return found


def _fetch_listings(
    run: RunContext, listings: Sequence[Listing]
) -> list[tuple[Listing, FetchResponse | FetchFailure]]:
    """Each listing with its answer, in the order configured; none once interrupted."""
    # Only a listing that carries its articles is asked for conditionally: elsewhere the
    # listing may stay as it is while an article behind it changes.
    known = run.validators([one.url for one in listings if one.carries_articles])
    requests = [build_request(one.url, known.get(one.url)) for one in listings]
    answers = {answer.request.url: answer for answer in run.fetch_all(requests)}
    return [(one, answers[one.url]) for one in listings if one.url in answers]


def _take_answer(
    run: RunContext,
    source: Source,
    listing: Listing,
    fetched: FetchResponse | FetchFailure,
    found: DiscoveryResult,
) -> bool:
    """Take what a listing says; False when it says nothing that can be read."""
    tally = run.stats[source.slug]
    if isinstance(fetched, FetchFailure):
        tally.fail(str(fetched.error), fetch_problem("listing", listing.channel, fetched.error))
        found.rest.note(source, listing.channel, fetched)
        return False
    if fetched.not_modified:
        tally.add(not_modified=1)
        found.rest.answered.append(listing.url)
        found.rest.note(source, listing.channel, fetched, keep_validators=True)
        return True
    page = decode_page(fetched, None)
    try:
        lines = registry.entries(source, listing, page)
    except ParseError as error:
        failed = rows.listing_failure(source, listing.channel, fetched, error)
        found.rest.bad.append(failed)
        about = Problem("listing", listing.channel)
        tally.quarantine(str(error), about, is_known=run.is_known_failure(failed))
        found.rest.note(source, listing.channel, fetched)
        return False
    found.answered.add(listing.channel)
    found.rest.answered.append(listing.url)
    is_clean = _take_lines(run, source, listing, page, lines, found)
    keep = listing.carries_articles and is_clean and run.limit is None
    found.rest.note(source, listing.channel, fetched, keep_validators=keep)
    return True


def _take_lines(
    run: RunContext,
    source: Source,
    listing: Listing,
    page: Page,
    lines: Sequence[Entry | BadEntry],
    found: DiscoveryResult,
) -> bool:
    """Add a listing's good lines as leads; True when there were no others."""
    tally = run.stats[source.slug]
    bad = [line for line in lines if isinstance(line, BadEntry)]
    tally.add(discovered=len(bad))
    if bad:
        found.garbled.add(listing.channel)
    for line in bad:
        failed = rows.entry_failure(source, listing.url, line, page.fetched_at)
        found.rest.bad.append(failed)
        is_known = run.is_known_failure(failed)
        tally.quarantine(str(line.error), Problem("line", line.channel), is_known=is_known)
    leads = [FetchTarget(line, page) for line in lines if isinstance(line, Entry)]
    found.leads += leads
    if leads:
        first = f"{source.slug}:{leads[0].entry.source_article_id}"
        found.rest.reached[listing.channel] = (page.fetched_at, first)
    return not bad


def _watch_for_gaps(
    run: RunContext, source: Source, listings: Sequence[Listing], found: DiscoveryResult
) -> None:
    """Notice a channel of which nothing was seen before: something may have scrolled by."""
    if run.limit is not None:
        # The lines beyond the limit are not read, so nothing is done up to here.
        found.rest.reached.clear()
        return
    open_ended = [one.channel for one in listings if not one.is_whole]
    marks = run.watermarks(source.slug, open_ended)
    ids = {
        channel: [
            f"{source.slug}:{lead.entry.source_article_id}"
            for lead in found.leads
            if lead.entry.channel == channel
        ]
        for channel in marks
    }
    for channel in set(ids) & found.answered:
        if not ids[channel]:
            nothing = "has no line that can be read" if channel in found.garbled else "is empty"
            run.stats[source.slug].fail(
                f"listing {channel} {nothing}; the newest entry before was {marks[channel].value}"
            )
    for channel, of_channel in ids.items():
        if of_channel and not is_continuous(run, channel, of_channel, marks[channel].value):
            how = f"{gap_reason(len(of_channel))}; the newest before was {marks[channel].value}"
            until, _ = found.rest.reached[channel]
            since = marks[channel].at
            since = min(since, until) if since else None  # the clock may have been set back
            gap = NewGap(source=source.slug, channel=channel, from_at=since, to_at=until, how=how)
            found.rest.gaps.append(gap)
            run.stats[source.slug].gap(f"possible gap in {channel}: {how}")


def gap_reason(entries: int) -> str:
    """That a channel lists nothing that was seen there."""
    if entries == 1:
        return "the only entry listed now was not seen there before"
    return f"none of the {entries} entries listed now was seen there before"


def is_continuous(
    run: RunContext, channel: str, listed: Sequence[str], newest_before: str | None
) -> bool:
    """Whether what a channel lists now follows on what it listed the last time.

    An entry that another channel brought tells nothing of this one. The newest one of the
    last time does, stored or not: a run that could store nothing has told so itself.
    """
    if newest_before in listed or any(one in run.forbidden for one in listed):
        return True
    return bool(run.seen_in(listed, channel=channel))


def _take_links(run: RunContext, source: Source, found: DiscoveryResult) -> None:
    """Add the articles that the configuration names one by one.

    A listing tells more of an article than its page does (the seconds of its time, say),
    so what a listing led to, now or before, is left to the listing.
    """
    linked: dict[str, Entry] = {}
    for line in registry.article_url_entries(source):
        if isinstance(line, Entry):
            linked[f"{source.slug}:{line.source_article_id}"] = line
        else:
            run.stats[source.slug].fail(f"share link {line.raw}: {line.error}")
    listed = {f"{source.slug}:{lead.entry.source_article_id}" for lead in found.leads}
    listed |= run.seen_elsewhere(linked.keys() - listed, channel=registry.SHARE_LINK)
    found.leads += [FetchTarget(entry, None) for one, entry in linked.items() if one not in listed]
