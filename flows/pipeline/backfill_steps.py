"""The pieces of a backfill, each done by a plain function.

    walk      read one listing page, add the entries it lists as pieces, and the next page
    entries   fetch, read and store some articles
    records   read and store some pages of an archive, without network
    close     say how far a channel was covered, and close the gaps that were

``backfill.py`` runs them as Prefect tasks. Watermarks stay as they are: they belong to the
schedule.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from flows.fetch import Cancelled, FetchFailure, FetchRequest, FetchResponse, decode_page
from flows.pipeline import backfill_archive, rows, steps
from flows.pipeline.backfill_context import BackfillContext, aware
from flows.pipeline.backfill_entries import named, note_days, pieces, read_entries, tell_lost
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.checkpoint import CLOSE_GAPS, FETCH_ENTRIES, LIST_PAGES, READ_ARCHIVE, new_chunk
from flows.pipeline.date_range import DateRange
from flows.pipeline.discover import gap_reason, is_continuous
from flows.pipeline.stats import Problem, fetch_problem
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from parsers.model import BadEntry, Entry, Listing, Source
from warehouse.records import gaps, watermarks
from warehouse.records.backfill_chunks import DONE, INCOMPLETE, Chunk, NewChunk
from warehouse.rows import NewGap

MOST_PAGES = 5000
_GONE = frozenset({404, 410})


def plan_chunks(work: BackfillContext) -> None:
    """Make the first pieces of a plan that has none; an archive may have grown.

    What is wrong with the addresses or the archive is told at every call.
    """
    if work.asked.archive:
        for words in work.index.damaged:
            work.stats.fail(words)
        work.plan.grow(backfill_archive.pieces(work, work.index))
    elif work.asked.window:
        if not work.plan.chunks:
            channels = dict.fromkeys(one.channel for one in _listings(work.source))
            work.plan.grow([_walk(channel) for channel in channels])
    else:
        from_addresses = named(work, work.asked.urls)
        if work.plan.chunks:
            tell_lost(work)
        else:
            work.plan.grow(from_addresses)


def run_chunk(work: BackfillContext, chunk: Chunk) -> None:
    """Do one piece, whatever it is."""
    if chunk.kind == LIST_PAGES:
        list_pages(work, chunk)
    elif chunk.kind == FETCH_ENTRIES:
        read_entries(work, chunk)
    elif chunk.kind == READ_ARCHIVE:
        backfill_archive.read_records(work, work.index, chunk)
    else:
        close_gaps(work, chunk)


# --- a window: listing pages, further and further back ---------------------------------


def _walk(channel: str, turn: int = 0, oldest: str = "", since: str = "") -> NewChunk:
    spec = {"channel": channel, "turn": turn, "oldest": oldest, "since": since}
    return new_chunk(LIST_PAGES, f"listing {channel}, page {turn + 1}", spec)


def _listings(source: Source) -> tuple[Listing, ...]:
    return source.parser.listings(source)


def listing_at(source: Source, channel: str, turn: int) -> Listing | None:
    """The listing page of a channel: those the schedule reads, then the older ones."""
    regular = [one for one in _listings(source) if one.channel == channel]
    if turn < len(regular):
        return regular[turn]
    if turn >= MOST_PAGES:
        return None
    return source.parser.older_listing(source, channel, turn - len(regular) + 1)


def list_pages(work: BackfillContext, chunk: Chunk) -> None:
    """Read one listing page: its entries of the window become pieces."""
    spec = json.loads(chunk.spec)
    channel, turn = spec["channel"], spec["turn"]
    listing = listing_at(work.source, channel, turn)
    batch = Batch()
    if listing is None:
        _end_walk(work, spec, None)
        work.plan.end(chunk)
        work.store(batch)
        return
    answer = next(iter(work.run.fetch_all([FetchRequest(url=listing.url)])), None)
    if answer is None or (isinstance(answer, FetchFailure) and isinstance(answer.error, Cancelled)):
        return
    lines = _lines(work, listing, answer, batch)
    if lines is None:
        has_ended = isinstance(answer, FetchFailure) and answer.error.status in _GONE and turn > 0
        if has_ended:
            _end_walk(work, spec, None)
        else:
            if isinstance(answer, FetchFailure):
                about = fetch_problem("listing", channel, answer.error)
                work.stats.fail(str(answer.error), about)
        work.plan.end(chunk, DONE if has_ended else INCOMPLETE)
    else:
        spec["since"] = spec["since"] or answer.fetched_at.isoformat()
        if turn == 0:
            _watch_for_gap(work, listing, answer.fetched_at, lines, batch)
        _take(work, listing, answer, lines, batch)
        _go_on(work, listing, spec, lines)
        work.plan.end(chunk)
    work.store(batch)


def _lines(
    work: BackfillContext, listing: Listing, answer: FetchResponse | FetchFailure, batch: Batch
) -> list[Entry] | None:
    """The good lines of a listing page; ``None`` when it cannot be read."""
    batch.record_fetch(work.source, listing.channel, answer)
    if isinstance(answer, FetchFailure):
        return None
    try:
        lines = registry.entries(work.source, listing, decode_page(answer, None))
    except ParseError as error:
        work.stats.quarantine(str(error), Problem("listing", listing.channel))
        batch.failures.append(rows.listing_failure(work.source, listing.channel, answer, error))
        return None
    for line in lines:
        if isinstance(line, BadEntry):
            work.stats.add(discovered=1)
            work.stats.quarantine(str(line.error), Problem("line", line.channel))
            batch.failures.append(
                rows.entry_failure(work.source, listing.url, line, answer.fetched_at)
            )
    return [line for line in lines if isinstance(line, Entry)]


def _watch_for_gap(
    work: BackfillContext, listing: Listing, at: datetime, lines: list[Entry], batch: Batch
) -> None:
    """Note a gap that the next sync could no longer see, because it will know these entries."""
    with work.run.reading() as store:
        mark = watermarks.get(store, work.source.slug, listing.channel)
    regular = sum(one.channel == listing.channel for one in _listings(work.source))
    if mark is None or listing.is_complete or regular > 1 or not lines:
        return
    listed = [f"{work.source.slug}:{one.source_article_id}" for one in lines]
    if not is_continuous(work.run, listing.channel, listed, mark.value):
        how = f"{gap_reason(len(lines))}; found by a backfill"
        work.stats.gap(f"possible gap in {listing.channel}: {how}")
        batch.gaps.append(
            NewGap(
                source=work.source.slug,
                channel=listing.channel,
                from_at=min(mark.at, at) if mark.at else None,
                to_at=at,
                how=how,
            )
        )


def _take(
    work: BackfillContext,
    listing: Listing,
    answer: FetchResponse | FetchFailure,
    lines: list[Entry],
    batch: Batch,
) -> None:
    """The entries of the window: what the listing carries is read now, the rest planned."""
    window = work.asked.window
    assert window is not None  # noqa: S101  # only a window has walks
    new = [
        entry
        for entry in lines
        if window.holds(window.published(entry)) and entry.source_article_id not in work.planned
    ]
    work.planned.update(entry.source_article_id for entry in new)
    carried = [entry for entry in new if entry.content is not None]
    what = f"{listing.channel}, {_days(window, new)}"
    work.plan.grow(pieces(work, [one for one in new if one.content is None], what))
    if carried and isinstance(answer, FetchResponse):
        work.stats.add(discovered=len(carried), fetched=len(carried))
        batch.pages = [FetchedPage(entry, decode_page(answer, entry)) for entry in carried]
        steps.parse(work.run, work.source, batch)
        note_days(work, batch)


def _days(window: DateRange, entries: Sequence[Entry]) -> str:
    days = sorted(at for entry in entries if (at := window.published(entry)))
    if not days:
        return "days unknown"
    first, last = (at.astimezone(window.zone).date() for at in (days[0], days[-1]))
    return str(first) if first == last else f"{first} to {last}"


def _go_on(
    work: BackfillContext, listing: Listing, spec: dict[str, str], lines: list[Entry]
) -> None:
    """Plan the next page, unless this one reaches back beyond the window or is the last."""
    window = work.asked.window
    assert window is not None  # noqa: S101  # only a window has walks
    dated = [at for entry in lines if (at := window.published(entry))]
    oldest = lines[-1].source_article_id if lines else ""
    turn = int(spec["turn"]) + 1
    if listing.is_complete or (dated and dated[-1] < window.start):
        _end_walk(work, spec, window.start)
    elif not lines or oldest == spec["oldest"]:
        _end_walk(work, spec, dated[-1] if dated else None)
    elif listing_at(work.source, listing.channel, turn):
        work.plan.grow([_walk(listing.channel, turn, oldest, spec["since"])])
    else:
        _end_walk(work, spec, dated[-1] if dated else None)


def _end_walk(work: BackfillContext, spec: dict[str, str], reached: datetime | None) -> None:
    """Plan the last piece of a channel: how far back its listing went."""
    facts = {
        "channel": spec["channel"],
        "since": spec["since"],
        "reached": reached.isoformat() if reached else "",
    }
    work.plan.grow([new_chunk(CLOSE_GAPS, f"channel {spec['channel']}", facts)])


def close_gaps(work: BackfillContext, chunk: Chunk) -> None:
    """Close the gaps of a channel that was covered; say so of one that was not."""
    window, run = work.asked.window, work.run
    assert window is not None  # noqa: S101  # only a window has walks
    spec = json.loads(chunk.spec)
    if any(one.state != DONE for one in work.plan.chunks if one.kind != CLOSE_GAPS):
        return  # pages are missing: nothing is closed before they came
    reached = datetime.fromisoformat(spec["reached"]) if spec["reached"] else None
    reached = reached or work.oldest.get(spec["channel"])
    if spec["since"] and aware(spec["since"]) < window.end <= datetime.now(UTC):
        work.stats.warnings.append(
            f"{spec['channel']}: its listing was read on {aware(spec['since']):%Y-%m-%d %H:%M} UTC, "
            "before the window was over; ask again for what came later"
        )
    if reached is None or reached > window.start:
        _tell_uncovered(work, spec["channel"], reached)
    elif not run.is_dry:
        until = min(window.end, aware(spec["since"]))
        run.along(
            lambda store: work.stats.warnings.extend(
                [f"closed {pluralize(count, 'gap')} of {spec['channel']}"]
                if (
                    count := gaps.close_gaps(
                        store, work.source.slug, spec["channel"],
                        from_at=window.start, to_at=until, run_id=run.id,
                    )
                )
                else []
            )
        )  # fmt: skip
    work.plan.end(chunk)
    work.store(Batch())


def _tell_uncovered(work: BackfillContext, channel: str, reached: datetime | None) -> None:
    window = work.asked.window
    assert window is not None  # noqa: S101  # only a window has walks
    far = (
        f"the listing goes back to {reached.astimezone(window.zone):%Y-%m-%d %H:%M} only"
        if reached
        else "the listing does not say of which days it is"
    )
    # No gap of the schedule's: such a stretch is not in the table of gaps, for no later window
    # could close it.
    work.stats.warn(
        f"{channel}: {far}; what it does not list of {work.asked.stretch} can be had by "
        "address (--urls) or from an archive (--archive)"
    )
