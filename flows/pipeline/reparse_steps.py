"""The reparse: archived pages through today's parsers, without network.

A page is parsed under the time of its fetch. So an old page never replaces newer content,
and a better parse of the newest page does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial

from flows.callbacks import OnProgress, no_progress
from flows.errors import Interrupted
from flows.pipeline import load, locks, steps
from flows.pipeline.archived_pages import (
    ArchivedPageParser,
    ParsedArchivedPage,
    ParseOrder,
    parse_order,
)
from flows.pipeline.batch import Batch, FetchedPage, Outcome
from flows.pipeline.cluster import MIN_ORDER_PAGES, SourceSpec, with_ahead
from flows.pipeline.field_changes import FieldChanges
from flows.pipeline.identity import settle_ids
from flows.pipeline.reparse_failures import ReparseFailures
from flows.pipeline.restore import require_warehouse
from flows.pipeline.run import RunContext
from flows.pipeline.stats import page_problem
from flows.settings import Settings
from flows.text import pluralize
from parsers import registry
from parsers.model import Source
from warehouse.errors import WarehouseLost, WarehouseMissing
from warehouse.read import archived_fetches
from warehouse.read.archived_fetches import ArchivedPage

PAGES_PER_BATCH = 200

DoBatch = Callable[["Reparser", Sequence[ArchivedPage], str], object]
"""What parses and stores a batch; the text is its name."""


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
    do_batch: DoBatch | None = None,
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
        for pages, store in _batches(reparser, total, do_batch):
            try:
                with nullcontext() if diff else _lock(run, slug):
                    store()
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


def _batches(
    reparser: Reparser, total: int, do_batch: DoBatch | None
) -> Iterator[tuple[list[ArchivedPage], Callable[[], object]]]:
    """Yield each batch with what stores it; the workers of a cluster parse those ahead."""
    cluster, done = reparser.run.cluster, 0
    slug, do_batch = reparser.source.slug, do_batch or _process

    def name_of(pages: Sequence[ArchivedPage]) -> str:
        nonlocal done
        first, done = done + 1, done + len(pages)
        return f"{slug} {first} to {done} of {total}"

    if cluster is None:
        for pages in reparser.batches():
            yield pages, partial(do_batch, reparser, pages, name_of(pages))
        return
    sent = (
        (pages, cluster.submit(name_of(pages), parse_order, reparser.order(pages)))
        for pages in reparser.batches()
    )
    for pages, pending in with_ahead(sent, cluster.orders_ahead):
        try:
            parsed = pending.result()
        except Interrupted:
            return
        yield pages, partial(reparser.store, pages, parsed)


def _process(reparser: Reparser, pages: Sequence[ArchivedPage], _name: str) -> None:
    reparser.process(pages)


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
        self._parser = ArchivedPageParser(self.source, run.archive_store)
        regular = self.source.parser.listings(self.source)
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
        after, size = None, PAGES_PER_BATCH
        if self.run.cluster is not None:
            size = max(MIN_ORDER_PAGES, self.run.settings.run.batch_size)
        while not self.run.is_stopping:
            with self.run.reading() as store:
                pages = archived_fetches.archived_pages(
                    store, [self.source.slug], since=self._since, after=after, limit=size
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
        self.store(pages, [self._parser.parse(page, self._find_page) for page in pages])

    def order(self, pages: Sequence[ArchivedPage]) -> ParseOrder:
        """The order of some pages for a worker."""
        archive, settings = self.run.archive_store, self.run.settings.archive
        files = [] if settings.url else [page.archive_file for page in pages]
        return ParseOrder(
            source=SourceSpec.of(self.source),
            archive=settings,
            files=tuple(name for name in dict.fromkeys(files) if archive.exists(name))[:1],
            pages=tuple(pages),
        )

    def store(self, pages: Sequence[ArchivedPage], parsed: Sequence[ParsedArchivedPage]) -> None:
        """Load what some pages gave, or only compare it with what is stored."""
        batch, outcomes = Batch(), list[Outcome]()
        places: dict[int, tuple[ArchivedPage, int]] = {}
        for page, given in zip(pages, parsed, strict=True):
            # A file may wait for its upload on this machine, where no worker sees it.
            is_left = given.is_left or bool(given.error and self.run.cluster)
            found = self._parser.parse(page, self._find_page) if is_left else given
            self._next_page_urls.update(found.next_urls)
            if found.error:
                self.stats.add(discovered=1)
                self.stats.fail(f"{page.url}: {found.error}")
            if found.failure:
                self._failures.add(found.failure)
            if found.is_unknown:
                self._skip(page)
            places |= {id(one): (page, number) for number, one in enumerate(found.articles)}
            batch.pages += found.articles
            outcomes += found.outcomes

        def whole(one: FetchedPage) -> FetchedPage:
            page, number = places[id(one)]
            return self._parser.parse(page, self._find_page).articles[number]

        self.stats.add(discovered=len(batch.pages))
        steps.settle(
            self.run, self.source, batch, outcomes, on_failure=self._failures.add, whole=whole
        )
        batch.fetches.clear()  # the fetches are recorded
        self._failures.add_parsed(batch.articles)
        if self._is_diff:
            self._compare(batch)
        else:
            load.load(self.run, self.source, batch)

    def _skip(self, page: ArchivedPage) -> None:
        """Count a page of a channel that is gone; a next page is parsed with its first one."""
        if page.url not in self._next_page_urls and page.channel not in self._channels:
            self._skipped[page.channel] = self._skipped.get(page.channel, 0) + 1

    def _find_page(self, url: str, page: ArchivedPage) -> ArchivedPage | None:
        with self.run.reading() as store:
            return archived_fetches.nearest_page(store, url, page.fetched_at, run_id=page.run_id)

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
