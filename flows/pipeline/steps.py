"""The steps of a run after discovery: fetch, parse, load.

An expected failure is a value that ``load`` stores with its batch. Only an interruption, or a
warehouse that cannot be written, ends a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from flows.fetch import (
    Cancelled,
    FetchFailure,
    FetchResponse,
    PermanentFetchError,
    PolicyRefusal,
    decode_page,
)
from flows.pipeline import rows
from flows.pipeline.batch import (
    Batch,
    EntryAnswer,
    FetchedPage,
    Outcome,
    build_request,
    expected_body,
)
from flows.pipeline.gone import GoneEntries, is_gone
from flows.pipeline.lookups import FetchRun
from flows.pipeline.next_pages import fetch_next_pages
from flows.pipeline.repeated_pages import Parsed
from flows.pipeline.run import RunContext
from flows.pipeline.stats import SourceStats, fetch_problem, page_problem
from parsers import registry
from parsers.errors import NotAnArticle, ParseError
from parsers.model import Entry, Source
from warehouse.errors import BadRow
from warehouse.records.not_modified import NotModified
from warehouse.rows import NewQuarantineEntry, Validators
from warehouse.upsert.observations import Observation, observe

# --- fetch -----------------------------------------------------------------------------


def fetch(run: RunContext, source: Source, batch: Batch) -> Batch:
    """Fetch the pages of a batch's entries; an article that its listing carried needs no fetch."""
    if batch.targets:
        drop_suppressed(run, source, batch)
        fetch_targets(run, source, batch)
    return batch


def fetch_targets(run: FetchRun, source: Source, batch: Batch) -> None:
    """Add the pages of a batch's targets, and what is known of those without one."""
    stats = run.stats[source.slug]
    known_gone = GoneEntries(run, source, batch.targets)
    stats.add(skipped=len(batch.targets) - len(known_gone.due))
    batch.targets = known_gone.due
    entries_at: dict[str, list[Entry]] = defaultdict(list)
    for target in batch.targets:
        entry = target.entry
        if entry.content is None:
            entries_at[entry.url].append(entry)
        elif target.listing is not None:
            batch.pages.append(FetchedPage(entry, replace(target.listing, entry=entry)))
            known_gone.record_live([entry], target.listing.fetched_at, batch)
    known = run.lookups.validators(source.slug, entries_at)
    requests = [
        build_request(
            url,
            # One stored entry cannot stand for two, so their page is fetched whole.
            known.get(url) if len(entries) == 1 else None,
            entries[0],
            expect=expected_body(source),
            trusted_since=run.trusted_since,
        )
        for url, entries in entries_at.items()
    ]
    responses = {one.request.url: one for one in run.fetch_all(requests)}
    for url, entries in entries_at.items():
        response = responses.get(url)
        if isinstance(response, FetchResponse):
            known_gone.record_live(entries, response.fetched_at, batch)
        _take_response(source, entries, response, batch, known.get(url), stats, known_gone)
    stats.add(fetched=len(batch.pages))
    _add_next_pages(run, source, batch, known_gone)


def drop_suppressed(run: RunContext, source: Source, batch: Batch) -> None:
    """Leave out the targets whose articles were erased on request."""
    kept = [
        one
        for one in batch.targets
        if f"{source.slug}:{one.entry.source_article_id}" not in run.suppressed
    ]
    run.stats[source.slug].add(suppressed=len(batch.targets) - len(kept))
    batch.targets = kept


def _take_response(
    source: Source,
    entries: Sequence[Entry],
    response: FetchResponse | FetchFailure | None,
    batch: Batch,
    known: Validators | None,
    stats: SourceStats,
    known_gone: GoneEntries,
) -> None:
    """Add the pages of the entries at one address, or the reason why there are none."""
    first = entries[0]
    if response is None or (
        isinstance(response, FetchFailure) and isinstance(response.error, Cancelled)
    ):
        stats.add(skipped=len(entries))
        batch.open_channels |= {entry.channel for entry in entries}
    elif isinstance(response, FetchFailure):
        batch.open_channels |= {entry.channel for entry in entries}
        if is_gone(response):
            known_gone.record_gone(entries, response, batch, str(response.error))
            batch.answers += [
                EntryAnswer(entry=entry, at=response.fetched_at, keeps_article=True)
                for entry in entries
                if batch.is_revisit(entry)
            ]
        for entry in () if is_gone(response) else entries:
            problem = fetch_problem("page", entry.source_article_id, response.error)
            stats.fail(str(response.error), problem)
            batch.failed_entries.append(entry)
        batch.record_fetch(source, batch.channel_of(first), response, entry=first)
    elif response.not_modified:
        stats.add(not_modified=len(entries))
        for entry in entries:
            article_id = f"{source.slug}:{entry.source_article_id}"
            confirmed = NotModified(channel=batch.channel_of(entry), at=response.fetched_at)
            batch.not_modified[article_id] = confirmed
            answer = EntryAnswer(entry=entry, at=response.fetched_at, keeps_article=True)
            batch.answers.append(answer)
        channel = batch.channel_of(first)
        batch.record_fetch(source, channel, response, entry=first, keep_validators=True)
    else:
        is_trusted = known is None or not _is_false_validator(known, response)
        if not is_trusted:
            stats.warnings.append(
                f"{response.url}: the page changed and its validators did not; "
                "it is fetched whole from now on"
            )
        batch.pages += [
            FetchedPage(
                entry, decode_page(response, entry), response, is_trusted, batch.is_revisit(entry)
            )
            for entry in entries
        ]


def _is_false_validator(known: Validators, response: FetchResponse) -> bool:
    """Whether the validators stayed the same although the page changed."""
    same_tag = known.etag == response.etag
    is_same = same_tag and (bool(known.etag) or known.last_modified == response.last_modified)
    return (
        is_same
        and known.body_sha256 is not None
        and known.body_sha256 != rows.body_sha256(response)
    )


def _add_next_pages(run: FetchRun, source: Source, batch: Batch, known_gone: GoneEntries) -> None:
    """Complete the articles of several pages; drop those that cannot be stored without a page."""
    incomplete = fetch_next_pages(run, source, batch)
    dropped: set[int] = set()
    for number, failures in incomplete.items():
        one = batch.pages[number]
        if not _is_kept_incomplete(run, source, one, failures):
            dropped.add(number)
            _count_incomplete(one, failures, batch, run.stats[source.slug], known_gone)
            if any(failure.request.url in batch.permanent_failures for failure in failures):
                batch.permanent_failures.add(one.entry.url)
        elif not all(failure.request.url in batch.permanent_failures for failure in failures):
            batch.failed_entries.append(one.entry)  # the next run asks for its missing page
            batch.open_channels.add(one.entry.channel)
    batch.pages = [one for number, one in enumerate(batch.pages) if number not in dropped]


def _is_kept_incomplete(
    run: FetchRun, source: Source, one: FetchedPage, failures: Sequence[FetchFailure]
) -> bool:
    """Whether an article is stored without a page; it then is partial.

    A page that may arrive later never takes a part of a stored article away.
    """
    if not source.parser.joins_incomplete or not failures:
        return False
    stats, error = run.stats[source.slug], failures[0].error
    if isinstance(error, Cancelled):
        return False
    if isinstance(error, PermanentFetchError | PolicyRefusal):
        stats.warnings.append(f"{one.entry.link}: stored without a page of it: {error}")
        return True
    parsed = _parsed_or_none(source, one)
    if parsed is None:
        return True  # `parse` reports it
    if run.lookups.stored_ids([parsed.row.article_id]):
        return False
    stats.warn(f"{one.entry.link}: stored without a page of it: {error}. The next run retries")
    return True


def _parsed_or_none(source: Source, one: FetchedPage) -> Observation | None:
    with suppress(NotAnArticle):
        parsed = parse_fetched_page(source, one)
        if isinstance(parsed, Observation):
            return parsed
    return None


def _count_incomplete(
    one: FetchedPage,
    failures: Sequence[FetchFailure],
    batch: Batch,
    stats: SourceStats,
    known_gone: GoneEntries,
) -> None:
    batch.open_channels.add(one.entry.channel)
    if not failures or isinstance(failures[0].error, Cancelled):
        stats.add(skipped=1)
        return
    error = failures[0].error
    message = f"{one.entry.link}: not kept, because a page of it is missing: {error}"
    if is_gone(failures[0]):
        known_gone.record_gone([one.entry], failures[0], batch, message)
    else:
        stats.fail(message)
        batch.failed_entries.append(one.entry)


# --- parse -----------------------------------------------------------------------------


def parse(
    run: RunContext,
    source: Source,
    batch: Batch,
    *,
    on_failure: Callable[[NewQuarantineEntry], object] | None = None,
) -> Batch:
    """Parse each page into an article; a page that cannot be parsed goes to quarantine.

    Args:
        run: Under way.
        source: Of the pages.
        batch: Its pages become articles and failures.
        on_failure: Called with each failure, which is then not counted.
    """
    outcomes = batch.outcomes
    if outcomes is None:
        outcomes = parse_pages(source, batch.pages)
    return settle(run, source, batch, outcomes, on_failure=on_failure)


def parse_pages(source: Source, pages: Iterable[FetchedPage]) -> list[Outcome]:
    """Parse each page; this needs neither the run nor the warehouse."""
    return [_outcome(source, one) for one in pages]


def _outcome(source: Source, one: FetchedPage) -> Outcome:
    try:
        return parse_fetched_page(source, one)
    except NotAnArticle as error:
        return str(error)


def settle(
    run: RunContext,
    source: Source,
    batch: Batch,
    outcomes: Iterable[Outcome],
    *,
    on_failure: Callable[[NewQuarantineEntry], object] | None = None,
    whole: Callable[[FetchedPage], FetchedPage] | None = None,
) -> Batch:
    """Count what the pages of a batch gave, and add it to the batch; the pages are dropped.

    Args:
        run: Under way.
        source: Of the pages.
        batch: Its pages become articles and failures.
        outcomes: What each page gave.
        on_failure: As in ``parse``.
        whole: Returns a page with its body and texts, which a worker left behind.
    """
    stats = run.stats[source.slug]
    failed: set[str] = set()
    errors: dict[str, str] = {}
    pages: list[Parsed] = []
    for one, outcome in zip(batch.pages, outcomes, strict=True):
        if not one.is_trusted:
            errors[one.page.url] = "its validators stayed the same, the page changed"
        if isinstance(outcome, str):
            stats.add(skipped=1)
            errors[one.page.url] = f"not an article: {outcome}"
            batch.answers.append(EntryAnswer(entry=one.entry, at=one.page.fetched_at))
        else:
            pages.append((one, outcome))
    incomplete = {id(entry) for entry in batch.failed_entries}
    refused = run.repeated[source.slug].refuse(source, pages, whole)
    run.health[source.slug].repeated(pages, refused)
    for one, parsed in refused:
        if isinstance(parsed, NewQuarantineEntry):
            failed.add(one.page.url)
            batch.failures.append(parsed)
            batch.open_channels.add(one.entry.channel)
            batch.failed_entries.append(one.entry)
            if on_failure is not None:
                on_failure(parsed)
                continue
            text = parsed.message.partition("\n")[0]  # the notes are in the quarantine
            problem = page_problem(one.entry.source_article_id, text)
            run.quarantine(parsed, text, problem)
        else:
            batch.observations.append(parsed)
            if id(one.entry) not in incomplete:
                answer = EntryAnswer(entry=one.entry, at=one.page.fetched_at, observation=parsed)
                batch.answers.append(answer)
    for one in {one.page.url: one for one in reversed(batch.pages)}.values():
        if one.fetched is None:
            continue
        reason = errors.get(one.page.url)
        # A later "not modified" means this page, so all of it must be stored.
        keep = reason is None and one.page.url not in failed and not one.page.next_pages
        batch.record_fetch(
            source,
            one.channel,
            one.fetched,
            entry=one.entry,
            keep_validators=keep,
            error=reason,
        )
    batch.pages.clear()
    return batch


def parse_fetched_page(source: Source, one: FetchedPage) -> Observation | NewQuarantineEntry:
    """Parse a page into an article row that can be stored, or into a quarantine entry.

    Raises:
        NotAnArticle: It is a page of another kind.
    """
    try:
        article = registry.parse(source, one.page)
        if one.origin:
            article = replace(article, provenance={**article.provenance, "page": one.origin})
        row = rows.article_row(
            article,
            channel=one.channel,
            seen_at=one.page.fetched_at,
            other_ids=rows.other_ids(article, one.entry),
        )
        return observe(row)
    except NotAnArticle:
        raise
    except (ParseError, BadRow) as error:
        return rows.page_failure(source, one.entry, one.page, one.fetched, error)
