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
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property

from flows import bridge, records, steps
from flows.chunks import CLOSE, ENTRIES, RECORDS, WALK, ChunkRun, Plan, piece
from flows.fetch import Fetched, FetchFailure, FetchRequest, Stopped
from flows.windows import Asked, Window
from flows.work import Arrived, Batch, Lead, page_of
from parsers import registry
from parsers.article import BadEntry, Entry, Listing, Source
from parsers.errors import ParseError, UnknownUrl
from warehouse import gaps
from warehouse.chunks import DONE, INCOMPLETE, Chunk, NewChunk
from warehouse.rows import GapRow, PageRow

MOST_PAGES = 5000
_MAY_COME = frozenset({408, 425, 429})
_GONE = frozenset({404, 410})


class Work:
    """One backfill under way: what its pieces share.

    Attributes:
        entries_each: How many articles a piece holds: what a kill repeats at most, and how
            long the schedule waits for its turn.
    """

    entries_each = 100

    def __init__(self, run: ChunkRun, asked: Asked, *, restart: bool = False) -> None:
        self.run = run
        self.asked = asked
        self.source: Source = run.settings.source(asked.source)
        self.tally = run.tally(asked.source)
        self.plan = Plan(run, asked.plan, asked.source)
        self.was_done = self.plan.is_done and not self._is_open_ended()
        if restart or (self.plan.is_done and not self.was_done and not asked.archive):
            self.plan.restart()
            self.was_done = False
        self.oldest: dict[str, datetime] = {}
        self.planned = {
            entry.source_article_id
            for chunk in self.plan.chunks
            if chunk.kind == ENTRIES
            for entry in entries_of(chunk)
        }

    @cached_property
    def index(self) -> records.Index:
        """What the archive holds."""
        assert self.asked.archive is not None  # noqa: S101  # only an archive has records
        return records.index(self.asked.archive, self.source)

    def _is_open_ended(self) -> bool:
        """Whether there may be more by now: of a window that was not over, of an archive."""
        if self.asked.archive:
            return True
        window, ended = self.asked.window, self.plan.ended_at
        return window is not None and ended is not None and ended < window.end

    def begin(self) -> None:
        """Make the first pieces of a plan that has none; an archive may have grown."""
        if self.asked.archive:
            self.tally.problems += self.index.damaged
            self.plan.grow(records.pieces(self, self.index))
            return
        if self.plan.chunks:
            return
        if self.asked.window:
            channels = dict.fromkeys(one.channel for one in _listings(self.source))
            self.plan.grow([_walk(channel) for channel in channels])
        else:
            self.plan.grow(_named(self, self.asked.urls))

    def do(self, chunk: Chunk) -> None:
        """Do one piece, whatever it is."""
        if chunk.kind == WALK:
            walk(self, chunk)
        elif chunk.kind == ENTRIES:
            read_entries(self, chunk)
        elif chunk.kind == RECORDS:
            records.read_records(self, self.index, chunk)
        else:
            close(self, chunk)

    def store(self, batch: Batch) -> None:
        """Store a batch, and what became of its piece with it."""
        if not self.run.is_dry:
            steps.store(self.run, self.source, batch)


# --- addresses -------------------------------------------------------------------------


def _named(work: Work, urls: Sequence[str]) -> list[NewChunk]:
    """The pieces of a list of addresses; one that the source does not know is told."""
    entries: dict[str, Entry] = {}
    for url in urls:
        try:
            entry = work.source.parser.entry_of(work.source, url)
        except (UnknownUrl, ValueError) as error:
            work.tally.fail(f"{url[:200]}: {error}")
        else:
            entries.setdefault(entry.source_article_id, entry)
    return _pieces(work, list(entries.values()), "addresses")


def _pieces(work: Work, entries: Sequence[Entry], what: str) -> list[NewChunk]:
    each = work.entries_each
    parts = [entries[i : i + each] for i in range(0, len(entries), each)]
    return [
        piece(ENTRIES, f"{len(part)} of {what}", [asdict(entry) for entry in part], len(part))
        for part in parts
    ]


def entries_of(chunk: Chunk) -> list[Entry]:
    """The entries of a piece."""
    return [Entry(**facts) for facts in json.loads(chunk.spec)]


def read_entries(work: Work, chunk: Chunk) -> None:
    """Fetch, read and store the articles of a piece."""
    run, source, tally = work.run, work.source, work.tally
    entries = _left_to_listings(work, entries_of(chunk))
    tally.add(discovered=chunk.entries)
    if run.is_dry:
        tally.notes += [f"would fetch {entry.url}" for entry in entries]
        work.plan.end(chunk)
        return
    batch = steps.fetch(run, source, Batch(Lead(entry, None) for entry in entries))
    batch = steps.read(run, source, batch)
    _note_days(work, batch)
    if not run.is_stopping:
        missing = any(_may_come(batch.page_rows.get(entry.url)) for entry in entries)
        work.plan.end(chunk, INCOMPLETE if missing else DONE)
    work.store(batch)


def _left_to_listings(work: Work, entries: list[Entry]) -> list[Entry]:
    """Those entries that no listing tells more of than their page does.

    The page behind a share link gives a time to the minute where the listing gave the
    second: what a listing brought is newer knowledge, and stays.
    """
    shared = {
        f"{work.source.slug}:{entry.source_article_id}"
        for entry in entries
        if entry.channel == registry.SHARED
    }
    known = work.run.seen_elsewhere(shared, channel=registry.SHARED)
    if known:
        work.tally.add(unmodified=len(known))
        work.tally.notes.append(f"{len(known)} known from their listings, which tell more")
    return [one for one in entries if f"{work.source.slug}:{one.source_article_id}" not in known]


def _may_come(row: PageRow | None) -> bool:
    """Whether a page that is not there may be there another time."""
    if row is None:
        return True
    return row.error is not None and (
        row.status is None or row.status >= 500 or row.status in _MAY_COME
    )


def _note_days(work: Work, batch: Batch) -> None:
    """Learn how far back undated listings go from the articles themselves.

    What turns out to be of other days is stored all the same: it has been read.
    """
    window = work.asked.window
    if window is None:
        return
    if outside := sum(not window.holds(row.published_at) for row in batch.rows):
        work.tally.notes.append(f"{outside} read that are not of {work.asked.stretch}")
    for row in batch.rows:
        if row.published_at is not None:
            known = work.oldest.get(row.channel)
            work.oldest[row.channel] = min(known or row.published_at, row.published_at)


# --- a window: listing pages, further and further back ---------------------------------


def _walk(channel: str, turn: int = 0, oldest: str = "", since: str = "") -> NewChunk:
    spec = {"channel": channel, "turn": turn, "oldest": oldest, "since": since}
    return piece(WALK, f"listing {channel}, page {turn + 1}", spec)


def _listings(source: Source) -> tuple[Listing, ...]:
    return source.parser.listings(source)


def listing_at(source: Source, channel: str, turn: int) -> Listing | None:
    """The listing page of a channel: those the schedule reads, then the older ones."""
    regular = [one for one in _listings(source) if one.channel == channel]
    if turn < len(regular):
        return regular[turn]
    if turn >= MOST_PAGES:
        return None
    return source.parser.older(source, channel, turn - len(regular) + 1)


def walk(work: Work, chunk: Chunk) -> None:
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
    if answer is None or (isinstance(answer, FetchFailure) and isinstance(answer.error, Stopped)):
        return
    lines = _lines(work, listing, answer, batch)
    if lines is None:
        has_ended = isinstance(answer, FetchFailure) and answer.error.status in _GONE and turn > 0
        if has_ended:
            _end_walk(work, spec, None)
        else:
            _tell_unread(work, channel, answer)
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
    work: Work, listing: Listing, answer: Fetched | FetchFailure, batch: Batch
) -> list[Entry] | None:
    """The good lines of a listing page; ``None`` when it cannot be read."""
    batch.note(work.source, listing.channel, answer)
    if isinstance(answer, FetchFailure):
        return None
    try:
        lines = registry.entries(work.source, listing, page_of(answer, None))
    except ParseError as error:
        batch.bad.append(bridge.failed_listing(work.source, listing.channel, answer, error))
        return None
    for line in lines:
        if isinstance(line, BadEntry):
            work.tally.add(discovered=1)
            work.tally.quarantine(f"{line.channel}: {line.error}")
            batch.bad.append(bridge.failed_line(work.source, listing.url, line, answer.fetched_at))
    return [line for line in lines if isinstance(line, Entry)]


def _watch_for_gap(
    work: Work, listing: Listing, at: datetime, lines: list[Entry], batch: Batch
) -> None:
    """Note a gap that the next sync could no longer see, because it will know these entries."""
    (mark,) = work.run.watermarks(work.source.slug, [listing.channel]).values() or (None,)
    regular = sum(one.channel == listing.channel for one in _listings(work.source))
    if mark is None or listing.is_whole or regular > 1 or not lines:
        return
    known = work.run.known(f"{work.source.slug}:{one.source_article_id}" for one in lines)
    if not known:
        how = f"none of the {len(lines)} entries listed now was known; found by a backfill"
        batch.gaps.append(
            GapRow(
                source=work.source.slug, channel=listing.channel, from_at=mark.at, to_at=at, how=how
            )
        )


def _tell_unread(work: Work, channel: str, answer: Fetched | FetchFailure) -> None:
    if isinstance(answer, FetchFailure):
        work.tally.fail(f"listing {channel}: {answer.error}")
    else:
        work.tally.quarantine(f"listing {channel}: {answer.url} cannot be read")


def _take(
    work: Work, listing: Listing, answer: Fetched | FetchFailure, lines: list[Entry], batch: Batch
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
    work.plan.grow(_pieces(work, [one for one in new if one.content is None], what))
    if carried and isinstance(answer, Fetched):
        work.tally.add(discovered=len(carried), fetched=len(carried))
        batch.pages = [Arrived(entry, page_of(answer, entry)) for entry in carried]
        steps.read(work.run, work.source, batch)
        _note_days(work, batch)


def _days(window: Window, entries: Sequence[Entry]) -> str:
    days = sorted(at for entry in entries if (at := window.published(entry)))
    if not days:
        return "days unknown"
    first, last = (at.astimezone(window.zone).date() for at in (days[0], days[-1]))
    return str(first) if first == last else f"{first} to {last}"


def _go_on(work: Work, listing: Listing, spec: dict[str, str], lines: list[Entry]) -> None:
    """Plan the next page, unless this one reaches back beyond the window or is the last."""
    window = work.asked.window
    assert window is not None  # noqa: S101  # only a window has walks
    dated = [at for entry in lines if (at := window.published(entry))]
    oldest = lines[-1].source_article_id if lines else ""
    turn = int(spec["turn"]) + 1
    if listing.is_whole or (dated and dated[-1] < window.start):
        _end_walk(work, spec, window.start)
    elif not lines or oldest == spec["oldest"]:
        _end_walk(work, spec, dated[-1] if dated else None)
    elif listing_at(work.source, listing.channel, turn):
        work.plan.grow([_walk(listing.channel, turn, oldest, spec["since"])])
    else:
        _end_walk(work, spec, dated[-1] if dated else None)


def _end_walk(work: Work, spec: dict[str, str], reached: datetime | None) -> None:
    """Plan the last piece of a channel: how far back its listing went."""
    facts = {
        "channel": spec["channel"],
        "since": spec["since"],
        "reached": reached.isoformat() if reached else "",
    }
    work.plan.grow([piece(CLOSE, f"channel {spec['channel']}", facts)])


def close(work: Work, chunk: Chunk) -> None:
    """Close the gaps of a channel that was covered; say so of one that was not."""
    window, run = work.asked.window, work.run
    assert window is not None  # noqa: S101  # only a window has walks
    spec = json.loads(chunk.spec)
    if any(one.state != DONE for one in work.plan.chunks if one.kind != CLOSE):
        return  # pages are missing: nothing is closed before they came
    reached = datetime.fromisoformat(spec["reached"]) if spec["reached"] else None
    reached = reached or work.oldest.get(spec["channel"])
    if reached is None or reached > window.start:
        _tell_uncovered(work, spec["channel"], reached)
    elif not run.is_dry:
        until = min(window.end, datetime.fromisoformat(spec["since"]).astimezone(UTC))
        run.along(
            lambda store: work.tally.notes.extend(
                [f"closed {count} gaps of {spec['channel']}"]
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


def _tell_uncovered(work: Work, channel: str, reached: datetime | None) -> None:
    window = work.asked.window
    assert window is not None  # noqa: S101  # only a window has walks
    far = (
        f"the listing goes back to {reached.astimezone(window.zone):%Y-%m-%d %H:%M} only"
        if reached
        else "the listing does not say of which days it is"
    )
    work.tally.gap(
        f"{channel}: {far}; what it does not list of {work.asked.stretch} can be had by "
        "address (--urls) or from an archive (--archive)"
    )
