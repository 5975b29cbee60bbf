"""The reparse: archived pages through today's parsers, without network.

A page is parsed under the time of its fetch. So an old page never replaces newer content,
and a better parse of the newest page does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime

from flows.archive import ArchiveError
from flows.archive.index import listing_pages, read_response
from flows.callbacks import OnProgress, no_progress
from flows.errors import Interrupted
from flows.fetch import FetchResponse, decode_page
from flows.pipeline import load, locks, rows, steps
from flows.pipeline.batch import Batch, FetchedPage
from flows.pipeline.field_changes import FieldChanges
from flows.pipeline.identity import settle_ids
from flows.pipeline.next_pages import add_next_pages
from flows.pipeline.reparse_failures import ReparseFailures
from flows.pipeline.restore import require_warehouse
from flows.pipeline.run import RunContext
from flows.pipeline.stats import page_problem
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.errors import ParseError
from parsers.model import Entry, Listing, Page, Source
from warehouse.errors import WarehouseLost, WarehouseMissing
from warehouse.read import archived_fetches
from warehouse.read.archived_fetches import ArchivedPage

PAGES_PER_BATCH = 200


def require_pages(settings: Settings) -> None:
    """Refuse a reparse where nothing was ever stored.

    Raises:
        WarehouseMissing: There is no warehouse.
    """
    try:
        require_warehouse(settings)
    except WarehouseLost:
        raise
    except WarehouseMissing as error:
        raise WarehouseMissing(
            f"{error}. There is no page to parse again; "
            "`copydesk backfill SOURCE --archive FOLDER` reads WARC files"
        ) from error


def reparse_source(
    run: RunContext,
    slug: str,
    *,
    since: datetime | None = None,
    diff: bool = False,
    do_batch: Callable[[Reparser, Sequence[ArchivedPage], str], object] | None = None,
    on_progress: OnProgress = no_progress,
) -> FieldChanges:
    """Reparse every archived page of one source; return the changes, if ``diff`` is set.

    Args:
        run: The run.
        slug: The source.
        since: Only pages fetched at this time or later (UTC).
        diff: Compare and store nothing.
        do_batch: Called with each batch and its name, in place of ``Reparser.process``.
        on_progress: Called after each batch.
    """
    reparser = Reparser(run, slug, since=since, diff=diff)
    stats, total, done, started = reparser.stats, reparser.count(), 0, time.monotonic()
    try:
        for pages in reparser.batches():
            name = f"{slug} {done + 1} to {done + len(pages)} of {total}"
            try:
                with nullcontext() if diff else _lock(run, slug):
                    if do_batch is None:
                        reparser.process(pages)
                    else:
                        do_batch(reparser, pages, name)
            except Interrupted:  # while it waited for the lock
                break
            done += len(pages)
            on_progress(slug, done, total)
        reparser.report_failures()
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started
    if not total:
        stats.warnings.append(f"no page is archived{' since then' if since else ''}")
    elif diff:
        stats.warnings += reparser.changes.messages()
    return reparser.changes


def _lock(run: RunContext, slug: str) -> AbstractContextManager[None]:
    """The lock of the source for one batch, so that syncs run in between."""
    return locks.acquire(
        run.settings,
        slug,
        flow="reparse",
        run_id=run.id,
        wait_seconds=locks.LONG_WAIT_SECONDS,
        notify=run.environment.notify,
        stop=run.environment.stop,
    )


class Reparser:
    """The archived pages of one source, oldest first."""

    def __init__(self, run: RunContext, slug: str, *, since: datetime | None, diff: bool) -> None:
        self.run = run
        self.source: Source = run.settings.source(slug)
        self.stats = run.stats_of(slug)
        self.changes = FieldChanges()
        self._since = since
        self._is_diff = diff
        self._failures = ReparseFailures(slug)
        self._listings = listing_pages(self.source)
        regular = self.source.parser.listings(self.source)
        self._carrying = {one.channel: one for one in regular if one.has_content}
        self._channels = {one.channel for one in regular} | {registry.SHARE_LINK}
        self._next_page_urls: set[str] = set()
        self._skipped: dict[str, int] = {}

    def count(self) -> int:
        """Return the number of archived pages."""
        with self.run.reading() as store:
            slugs = [self.source.slug]
            return archived_fetches.count_archived(store, slugs, since=self._since)

    def batches(self) -> Iterator[list[ArchivedPage]]:
        """Yield the archived pages, oldest first, until the run stops."""
        after = None
        while not self.run.is_stopping:
            with self.run.reading() as store:
                pages = archived_fetches.archived_pages(
                    store, [self.source.slug], since=self._since, after=after, limit=PAGES_PER_BATCH
                )
            if not pages:
                break
            yield pages
            after = pages[-1].place
        for channel, count in self._skipped.items():
            self.stats.warnings.append(
                f"{count} archived pages of the channel {channel!r} were skipped: the source has "
                "no such channel now"
            )

    def process(self, pages: Sequence[ArchivedPage]) -> None:
        """Parse some pages, then load them, or only compare them with what is stored."""
        batch = Batch()
        for page in pages:
            try:
                batch.pages += self._pages_of(page)
            except ArchiveError as error:
                self.stats.add(discovered=1)
                self.stats.fail(f"{page.url}: {error}")
        self.stats.add(discovered=len(batch.pages))
        steps.parse(self.run, self.source, batch, on_failure=self._failures.add)
        batch.fetches.clear()  # the fetches are recorded
        self._failures.add_parsed(batch.articles)
        if self._is_diff:
            self._compare(batch)
        else:
            load.load(self.run, self.source, batch)

    def report_failures(self) -> None:
        """Count and report the failures that no later page resolved."""
        with self.run.reading() as store:
            found = self._failures.unresolved(store)
        for one in found.pages:
            message = one.message.partition("\n")[0]
            article = (one.article_id or "").partition(":")[2]
            self.stats.quarantine(message, page_problem(article, message))
        # A page that failed as an earlier or later one did, or whose article parsed, is skipped.
        self.stats.add(skipped=self._failures.page_count - len(found.pages))
        for one in found.listings:
            self.stats.add(discovered=1)
            self.stats.fail(f"{one.url}: {one.message}")
        # ``load`` reports stored pages that are older than their article.
        resolved = found.resolved_listings + (found.resolved_pages if self._is_diff else 0)
        if resolved:
            self.stats.warnings.append(
                f"{pluralize(resolved, 'unreadable page')} older than a page that parsed"
            )

    def _pages_of(self, page: ArchivedPage) -> list[FetchedPage]:
        """The articles of an archived page: one, those that a listing carries, or none."""
        response = self._response(page)
        if listing := self._listing_of(page):
            try:
                entries = registry.entries(self.source, listing, decode_page(response, None))
            except ParseError as error:
                self._failures.add(
                    rows.listing_failure(self.source, listing.channel, response, error)
                )
                return []
            return [
                FetchedPage(entry, decode_page(response, entry))
                for entry in entries
                if isinstance(entry, Entry) and entry.content is not None
            ]
        entry = rows.entry_from_json(page.entry)
        if entry is not None:
            whole = self._with_next_pages(page, decode_page(response, entry))
            return [FetchedPage(entry, whole, response)]
        # Else a next page, parsed with its first one, or a listing without articles.
        if page.url not in self._next_page_urls and page.channel not in self._channels:
            self._skipped[page.channel] = self._skipped.get(page.channel, 0) + 1
        return []

    def _listing_of(self, page: ArchivedPage) -> Listing | None:
        """The listing of a page, also under the URL that it had before."""
        if known := self._listings.get(page.url):
            return known
        carrying = None if page.entry else self._carrying.get(page.channel)
        return replace(carrying, url=page.url) if carrying else None

    def _with_next_pages(self, page: ArchivedPage, first: Page) -> Page:
        def archived(url: str) -> Page | None:
            self._next_page_urls.add(url)
            with self.run.reading() as store:
                found = archived_fetches.nearest_page(
                    store, url, page.fetched_at, run_id=page.run_id
                )
            return decode_page(self._response(found), None) if found else None

        return add_next_pages(self.source, first, archived)

    def _response(self, page: ArchivedPage) -> FetchResponse:
        response = read_response(
            self.run.settings.archive.path,
            page.archive_file,
            page.archive_offset,
            page.url,
            page.final_url,
        )
        return replace(response, fetched_at=page.fetched_at)

    def _compare(self, batch: Batch) -> None:
        with self.run.reading() as store:
            batch.observations = settle_ids(store, batch.observations)
            keys = [(row.article_id, row.fetched_at) for row in batch.articles]
            stored = archived_fetches.articles_as_of(store, keys)
            lost = archived_fetches.parsed_before(store, batch.failures)
        for row in batch.articles:
            if before := stored.get((row.article_id, row.fetched_at)):
                self.changes.add(row, before)
                is_same = row.content_hash == before["content_hash"]
                self.stats.add(**{"unchanged" if is_same else "updated": 1})
            else:
                self.changes.add_new(row)
                self.stats.add(skipped=1)
        for number in sorted(lost):
            failure = batch.failures[number]
            message = failure.message.partition("\n")[0]
            self.changes.add_failed(
                failure.article_id or "", failure.url, message, failure.parser_version
            )
