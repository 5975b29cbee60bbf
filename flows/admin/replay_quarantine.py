"""The replay of the quarantine: every open failure through today's parsers.

The quarantine holds the pages of articles and the text that a feed carried, so these need no
network. A listing or an entry of one leads to articles, and those are fetched.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from flows.archive import ArchiveError
from flows.archive.index import listing_pages, read_response
from flows.callbacks import Notify, OnProgress
from flows.errors import ConfigurationError, Interrupted
from flows.fetch import decode_page, stored_response
from flows.pipeline import load, locks, steps
from flows.pipeline import rows as mappers
from flows.pipeline.batch import Batch, FetchedPage, FetchTarget
from flows.pipeline.next_pages import add_next_pages
from flows.pipeline.restore import require_warehouse
from flows.pipeline.rows import IMPORT_CHANNEL
from flows.pipeline.run import RunContext, RunEnvironment, use_environment
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport, upsert_counts
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError
from parsers.frontmatter import PostDefaults, read_post
from parsers.model import BadEntry, Entry, Listing, Page, Source
from warehouse.errors import BadRow
from warehouse.read import archived_fetches
from warehouse.records import not_modified, quarantine, runs
from warehouse.rows import (
    Counters,
    NewQuarantineEntry,
    QuarantineEntry,
    StoredPost,
    UpsertCounts,
)
from warehouse.upsert import articles
from warehouse.upsert.observations import Observation, observe

LOCK_TIMEOUT_SECONDS = 300.0
"""How long to wait for a sync of the source."""


def replay_quarantine(
    settings: Settings,
    *,
    reason: str | None = None,
    source: str | None = None,
    only: str | None = None,
    notify: Notify,
    on_progress: OnProgress,
) -> RunReport:
    """Parse every open failure again, in this process and without Prefect.

    Args:
        settings: Where the warehouse is, and the sources.
        reason: Only failures of this kind (``layout_changed``).
        source: Only failures of this source.
        only: One failure, by its id or the beginning of its id.
        notify: Called when the replay waits for a lock.
        on_progress: Called after each source.

    Raises:
        ConfigurationError: The source is unknown.
        SourceLocked: A run holds a source's lock until the timeout.
        WarehouseError: There is no warehouse, it cannot be written, or no failure has that id.
    """
    require_warehouse(settings)
    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=on_progress, notify=notify)
    with use_environment(environment), graceful_shutdown(stop, notify):
        run = RunContext("replay", settings, ())
        with run:
            failures = _open_failures(run, reason, source, only)
            if source is not None and not failures:
                settings.source(source)  # imported posts may have a source that is not configured
            for slug in dict.fromkeys(one.row.source for one in failures):
                with suppress(Interrupted):
                    own = [one for one in failures if one.row.source == slug]
                    _replay_source(run, slug, reason, only, _sources_of(slug, own))
                if run.is_stopping:
                    break
            report = run.finish()
            run.publish()
    return report


def _open_failures(
    run: RunContext, reason: str | None, source: str | None, only: str | None
) -> list[QuarantineEntry]:
    with run.reading() as store:
        if only is not None:
            return [quarantine.get(store, only)]
        return quarantine.open_failures(store, reason=reason, source=source)


def _sources_of(slug: str, failures: Sequence[QuarantineEntry]) -> set[str]:
    """The sources that the replay of some failures stores articles of."""
    found = {slug}
    for one in failures:
        if one.row.channel == IMPORT_CHANNEL:
            with suppress(ParseError):
                found.add(read_post(one.row.page, one.row.url, source=slug).article.source)
    return found


def _replay_source(
    run: RunContext, slug: str, reason: str | None, only: str | None, sources: set[str]
) -> None:
    started, stats = time.monotonic(), run.stats_of(slug)
    with run.writing() as store:
        run.begin_sources(store)
    with locks.acquire_all(
        run.settings, sources, flow="replay", run_id=run.id, wait_seconds=LOCK_TIMEOUT_SECONDS,
        notify=run.environment.notify, stop=run.environment.stop,
    ):  # fmt: skip
        # Read under the lock: a sync may have resolved some, or kept a newer page.
        failures = _open_failures(run, reason, slug, only)
        stats.add(discovered=len(failures))
        if posts := [one for one in failures if one.row.channel == IMPORT_CHANNEL]:
            _replay_posts(run, slug, posts)
        if pages := [one for one in failures if one.row.channel != IMPORT_CHANNEL]:
            try:
                _replay_pages(run, run.settings.source(slug), pages)
            except ConfigurationError as error:
                stats.fail(f"{len(pages)} failures stay in quarantine: {error}")
        with run.reading() as store:
            left = quarantine.open_ids(store, [one.quarantine_id for one in failures])
    stats.seconds = time.monotonic() - started
    stats.warnings.append(f"{len(failures) - len(left)} of {len(failures)} resolved")
    run.environment.on_progress(slug, len(failures), len(failures))


# --- imported posts --------------------------------------------------------------------


def _replay_posts(run: RunContext, slug: str, failures: Sequence[QuarantineEntry]) -> None:
    imported: list[Observation] = []
    failed: list[NewQuarantineEntry] = []
    resolved: list[str] = []
    for one in failures:
        path, data, at = one.row.url, one.row.page, one.row.fetched_at
        try:
            known = PostDefaults(source_article_id=(one.row.article_id or "").partition(":")[2])
            post = read_post(
                data, path, source=slug, zones=run.settings.time_zones(), defaults=known
            )
            file = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
            row = mappers.article_row(post.article, channel=IMPORT_CHANNEL, seen_at=at, post=file)
            seen = observe(row)
        except (ParseError, BadRow) as error:
            run.stats_of(slug).quarantine(f"{path}: {error}")
            failed.append(mappers.post_failure(slug, path, data, error, at))
        else:
            run.stats_of(slug).add(fetched=1)
            run.stats_of(row.source)  # a post may name a source of its own
            imported.append(seen)
            resolved.append(one.quarantine_id)
    with run.writing() as store:
        run.begin_sources(store)
        upserted = articles.upsert_articles(store, imported, run_id=run.id)
        quarantine.put(store, failed, run_id=run.id)
        quarantine.resolve(store, run_id=run.id, quarantine_ids=resolved)
        for name, stats in run.stats.items():
            stats.add(**upsert_counts(upserted.get(name, UpsertCounts())))
            runs.add_counters(store, run.id, name, Counters(**stats.uncounted()))
            stats.mark_counted()


# --- pages, entries and listings -------------------------------------------------------


def _replay_pages(run: RunContext, source: Source, failures: Sequence[QuarantineEntry]) -> None:
    _replay_articles(run, source, [one.row for one in failures if one.row.article_id is not None])
    of_listing: dict[tuple[str, datetime], list[QuarantineEntry]] = defaultdict(list)
    for one in failures:
        if one.row.article_id is None:
            url = one.row.url or json.loads(one.row.listing_entry or "{}").get("listing", "")
            of_listing[url, one.row.fetched_at].append(one)
    listings = listing_pages(source) if of_listing else {}
    for (url, at), entries in of_listing.items():
        if run.is_stopping:  # what is not fetched is not resolved
            break
        try:
            _replay_listing(run, source, listings.get(url), url, at, entries)
        except (ParseError, ArchiveError) as error:
            for _ in entries:
                run.stats_of(source.slug).quarantine(f"listing {url}: {error}")


def _replay_articles(
    run: RunContext, source: Source, failures: Sequence[NewQuarantineEntry]
) -> None:
    """Parse pages of articles; the quarantine holds all that this needs."""
    batch, stats = Batch(), run.stats_of(source.slug)
    for one in failures:
        entry = mappers.entry_from_json(one.listing_entry)
        if entry is None:
            stats.quarantine(f"{one.url}: its entry of a listing is not kept")
            continue
        try:
            batch.pages.append(_fetched_page(source, one, entry))
        except ParseError as error:
            stats.quarantine(str(error))
    stats.add(fetched=len(batch.pages))
    steps.parse(run, source, batch)
    batch.fetches.clear()  # these were fetched by other runs
    load.load(run, source, batch)


def _fetched_page(source: Source, failure: NewQuarantineEntry, entry: Entry) -> FetchedPage:
    """The page of a failure; one that a feed carried is in its entry."""
    at = failure.fetched_at
    if entry.content is not None:
        return FetchedPage(entry, Page(url=entry.url, text="", fetched_at=at, entry=entry))
    response = stored_response(
        entry.url, failure.page, content_type=failure.content_type, fetched_at=at
    )
    page = decode_page(response, entry)
    texts = iter(failure.page_more)

    def kept(url: str) -> Page | None:
        text = next(texts, None)
        if text is None:
            return None
        return Page(url=url, text=text.decode("utf-8", "surrogatepass"), fetched_at=at)

    return FetchedPage(entry, add_next_pages(source, page, kept), response)


def _replay_listing(
    run: RunContext,
    source: Source,
    listing: Listing | None,
    url: str,
    at: datetime,
    failures: Sequence[QuarantineEntry],
) -> None:
    """Parse a listing, or entries of it, and fetch the articles that are not stored.

    Raises:
        ParseError: It still cannot be parsed.
        ArchiveError: The archive does not hold it.
    """
    if listing is None:
        raise ArchiveError("the source has no such listing now; the failure stays for the record")
    page = _listing_page(run, url, at, failures)
    entries = registry.entries(source, listing, page)
    bad = {
        one.raw.encode("utf-8", "surrogatepass"): one
        for one in entries
        if isinstance(one, BadEntry)
    }
    good = [(f"{source.slug}:{e.source_article_id}", e) for e in entries if isinstance(e, Entry)]
    with run.reading() as store:
        known = not_modified.stored_ids(store, [article_id for article_id, _ in good])
    targets = [FetchTarget(entry, page) for article_id, entry in good if article_id not in known]
    stats = run.stats_of(source.slug)
    failed_before = stats.counts["failed"]
    batch = steps.parse(run, source, steps.fetch(run, source, Batch(targets)))
    is_complete = stats.counts["failed"] == failed_before and not run.is_stopping
    resolved = []
    for one in failures:
        if (entry := bad.get(one.row.page)) is not None:
            stats.quarantine(f"{entry.channel}: {entry.error}")
            batch.failures.append(mappers.entry_failure(source, url, entry, at))
        elif is_complete:
            resolved.append(one.quarantine_id)
    load.load(
        run,
        source,
        batch,
        on_commit=lambda store: quarantine.resolve(store, run_id=run.id, quarantine_ids=resolved),
    )


def _listing_page(
    run: RunContext, url: str, at: datetime, failures: Sequence[QuarantineEntry]
) -> Page:
    row = failures[0].row
    if row.url:
        kept = stored_response(url, row.page, content_type=row.content_type, fetched_at=at)
        return decode_page(kept, None)
    with run.reading() as store:
        found = archived_fetches.page_at(store, url, at)
    if found is None:
        raise ArchiveError("the archive does not hold it; the next sync reads the listing again")
    response = read_response(run.archive_store, found.archive_file, found.archive_offset, url)
    return replace(decode_page(response, None), fetched_at=at)
