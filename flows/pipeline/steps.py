"""The steps of a run after discovery, as plain functions: fetch, read, store.

``tasks.py`` wraps them for Prefect. Expected failures are values on their way to
``load``, which writes everything of a batch in one transaction; only a warehouse that
cannot be written, or an interrupt, ends a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from flows.fetch import Cancelled, Expect, FetchFailure, FetchRequest, FetchResponse
from flows.pipeline import rows
from flows.pipeline.batch import Batch, FetchedPage, build_request, decode_page
from flows.pipeline.run import RunContext
from flows.pipeline.stats import fetch_problem, page_problem, upsert_counts
from flows.text import pluralize
from parsers import registry
from parsers.errors import NotAnArticle, ParseError
from parsers.model import Entry, Source
from warehouse.errors import BadRow
from warehouse.records import fetches, gaps, not_modified, quarantine, runs, watermarks
from warehouse.records.not_modified import NotModified
from warehouse.rows import ArticleRow, Counters, NewQuarantineEntry, UpsertCounts, Validators
from warehouse.upsert import articles
from warehouse.upsert.observations import check_row


def fetch(run: RunContext, source: Source, batch: Batch) -> Batch:
    """Fetch the pages of a batch's entries; what a listing carried needs no fetch."""
    wanted: dict[str, list[Entry]] = defaultdict(list)
    _pass_over_forgotten(run, source, batch)
    for lead in batch.leads:
        if lead.entry.content is None:
            wanted[lead.entry.url].append(lead.entry)
    # What is listed twice is fetched once, and whole: one stored line cannot vouch for two.
    known = run.validators(wanted)
    requests = [
        build_request(
            url,
            known.get(url) if len(entries) == 1 else None,
            entries[0],
            expect=_expected(source),
            trusted_since=run.trusted_since,
        )
        for url, entries in wanted.items()
    ]
    results = {result.request.url: result for result in run.fetch_all(requests)}
    for lead in batch.leads:
        if lead.entry.content is not None and lead.listing is not None:
            batch.pages.append(FetchedPage(lead.entry, replace(lead.listing, entry=lead.entry)))
        elif result := results.get(lead.entry.url):
            _take_result(run, source, lead.entry, result, batch, known.get(lead.entry.url))
    run.stats[source.slug].add(fetched=len(batch.pages))
    _fetch_following_pages(run, source, batch)
    return batch


def _pass_over_forgotten(run: RunContext, source: Source, batch: Batch) -> None:
    kept = [
        one
        for one in batch.leads
        if f"{source.slug}:{one.entry.source_article_id}" not in run.forbidden
    ]
    batch.forgotten += len(batch.leads) - len(kept)
    batch.leads = kept


def _expected(source: Source) -> Expect:
    return "closed" if source.parser.is_closed else "any"


def _take_result(
    run: RunContext,
    source: Source,
    entry: Entry,
    result: FetchResponse | FetchFailure,
    batch: Batch,
    known: Validators | None,
) -> None:
    tally = run.stats[source.slug]
    if isinstance(result, FetchFailure):
        if not isinstance(result.error, Cancelled):
            about = fetch_problem("page", entry.source_article_id, result.error)
            tally.fail(str(result.error), about)
            batch.note(source, entry.channel, result, entry=entry)
    elif result.not_modified:
        tally.add(not_modified=1)
        batch.confirmed[f"{source.slug}:{entry.source_article_id}"] = NotModified(
            channel=entry.channel, at=result.fetched_at
        )
        batch.note(source, entry.channel, result, entry=entry, keep_validators=True)
    else:
        is_trusted = not (known and _lied(known, result))
        if not is_trusted:
            tally.notes.append(
                f"{result.url}: the page changed and its validators did not; "
                "it is fetched whole from now on"
            )
        batch.pages.append(FetchedPage(entry, decode_page(result, entry), result, is_trusted))


def _lied(known: Validators, result: FetchResponse) -> bool:
    """Whether the server's validators stayed the same although the page changed."""
    same_tag = known.etag == result.etag
    is_same = same_tag and (bool(known.etag) or known.last_modified == result.last_modified)
    return is_same and known.digest is not None and known.digest != rows.body_sha256(result)


def _fetch_following_pages(run: RunContext, source: Source, batch: Batch) -> None:
    """Complete the articles that go on over several pages; an incomplete one is not kept."""
    wanted: dict[int, tuple[str, ...]] = {}
    for number, one in enumerate(batch.pages):
        if one.fetched is not None:
            # What the parser cannot make of the page, it will say in `read`.
            with suppress(ParseError):
                if following := registry.next_pages(source, one.page):
                    wanted[number] = following
    urls = dict.fromkeys(url for following in wanted.values() for url in following)
    requests = [FetchRequest(url=url, expect=_expected(source)) for url in urls]
    results = {result.request.url: result for result in run.fetch_all(requests)}
    lost: set[int] = set()
    for number, following in wanted.items():
        more = [results.get(url) for url in following]
        for result in more:
            if result is not None:
                batch.note(source, batch.pages[number].entry.channel, result)
        if all(isinstance(result, FetchResponse) for result in more):
            pages_of_one = tuple(decode_page(r, None) for r in more if isinstance(r, FetchResponse))
            batch.pages[number].page = replace(batch.pages[number].page, more=pages_of_one)
        else:
            lost.add(number)
            _lose(run, source, batch.pages[number], more)
            if not batch.never.isdisjoint(following):
                batch.never.add(batch.pages[number].entry.url)
    batch.pages = [one for number, one in enumerate(batch.pages) if number not in lost]


def _lose(
    run: RunContext,
    source: Source,
    one: FetchedPage,
    more: Sequence[FetchResponse | FetchFailure | None],
) -> None:
    failures = [result for result in more if isinstance(result, FetchFailure)]
    if failures and not isinstance(failures[0].error, Cancelled):
        run.stats[source.slug].fail(
            f"{one.entry.link}: not kept, because a page of it is missing: {failures[0].error}"
        )


# --- read ------------------------------------------------------------------------------


def parse(run: RunContext, source: Source, batch: Batch) -> Batch:
    """Read each page into an article; a page that cannot be read goes to quarantine."""
    spoiled: set[str] = set()
    for one in batch.pages:
        try:
            row = parse_fetched_page(source, one)
        except NotAnArticle as error:
            words = f"not an article: {error}"
            batch.note(source, one.entry.channel, one.fetched, entry=one.entry, error=words)
            spoiled.add(one.page.url)
            continue
        if isinstance(row, NewQuarantineEntry):
            words = row.message.partition("\n")[0]  # its notes are kept with it
            batch.bad.append(row)
            run.stats[source.slug].quarantine(
                words,
                page_problem(one.entry.source_article_id, words),
                is_known=run.is_known_failure(row),
            )
            spoiled.add(one.page.url)
        else:
            batch.rows.append(row)
    for one in batch.pages:
        # A later "not modified" may stand for this page only if all it said is stored.
        keep = one.page.url not in spoiled and not one.page.more and one.is_trusted
        batch.note(
            source,
            one.entry.channel,
            one.fetched,
            entry=one.entry,
            keep_validators=keep,
            error=None if one.is_trusted else "its validators stayed the same, the page changed",
        )
    batch.pages.clear()
    return batch


def parse_fetched_page(source: Source, one: FetchedPage) -> ArticleRow | NewQuarantineEntry:
    """What a page says, as a row of the warehouse, or as one of quarantine.

    Raises:
        NotAnArticle: It is a page of another kind.
    """
    try:
        row = rows.article_row(
            registry.parse(source, one.page),
            channel=one.entry.channel,
            seen_at=one.page.fetched_at,
        )
        check_row(row)
    except NotAnArticle:
        raise
    except (ParseError, BadRow) as error:
        return rows.page_failure(source, one.entry, one.page, one.fetched, error)
    return row


# --- store -----------------------------------------------------------------------------


def load(run: RunContext, source: Source, batch: Batch) -> None:
    """Write everything of a batch in one transaction, its counters included."""
    tally = run.stats[source.slug]
    run.sync_archive()
    with run.writing() as db:
        upserted = articles.upsert_articles(db, batch.rows, run_id=run.id)
        done = upserted.get(source.slug, UpsertCounts())
        fetches.record(db, list(batch.page_rows.values()), run_id=run.id)
        not_modified.record(db, batch.confirmed, run_id=run.id)
        older_listing = len(quarantine.superseded(db, batch.bad))
        quarantine.put(db, batch.bad, run_id=run.id)
        quarantine.resolve_parsed(db, _read_at(batch), run_id=run.id)
        quarantine.resolve(db, run_id=run.id, urls=batch.answered)
        for gap in batch.gaps:
            gaps.open_gap(db, gap, run_id=run.id)
        if not run.is_stopping:  # or entries of this batch may have been left unfetched
            for channel, (at, value) in batch.reached.items():
                watermarks.advance(db, source.slug, channel, at=at, value=value, run_id=run.id)
        counts = tally.uncounted() | upsert_counts(done)
        forgotten = done.forgotten + batch.forgotten
        runs.add_counters(db, run.id, source.slug, Counters(**counts, forgotten=forgotten))
    tally.add(**upsert_counts(done))
    tally.mark_counted()
    run.publish_periodically()
    if older_listing:
        tally.notes.append(
            f"{pluralize(older_listing, 'unreadable page')} older than what the article says now, kept in "
            "quarantine as resolved"
        )
    if forgotten:
        tally.notes.append(
            f"{forgotten} passed over, because they are to be forgotten: `copydesk forget --list`"
        )


def _read_at(batch: Batch) -> dict[str, datetime]:
    """When the latest page of each article was fetched that could be read.

    Not where the very same page failed for another line that led to it: the failure stands.
    """
    failed = {(bad.article_id, bad.fetched_at) for bad in batch.bad}
    read: dict[str, datetime] = {}
    for row in batch.rows:
        if (row.article_id, row.fetched_at) not in failed:
            read[row.article_id] = max(row.fetched_at, read.get(row.article_id, row.fetched_at))
    return read
