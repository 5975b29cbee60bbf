"""The quarantine once more: every failure with today's parsers, after a fix.

What failed as a page, or was carried by a feed, lies whole in the quarantine and needs no
network. Of a listing, or a line of one, only the articles it leads to are fetched.
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
from flows.fetch import decode_page
from flows.pipeline import locks, steps
from flows.pipeline import rows as bridge
from flows.pipeline.batch import Batch, FetchedPage, FetchTarget
from flows.pipeline.checkpoint import CheckpointedRun
from flows.pipeline.run import RunEnvironment, use_environment
from flows.pipeline.signals import graceful_shutdown
from flows.pipeline.stats import RunReport, upsert_counts
from flows.publishing.import_files import CHANNEL as IMPORTED
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError
from parsers.frontmatter import read_post
from parsers.model import BadEntry, Entry, Listing, Page, Source
from parsers.text.charset import decode
from warehouse.duckdb_errors import missing_error
from warehouse.errors import BadRow
from warehouse.read import archived_fetches
from warehouse.records import not_modified, quarantine, runs
from warehouse.rows import (
    ArticleRow,
    Counters,
    NewQuarantineEntry,
    QuarantineEntry,
    StoredPost,
    UpsertCounts,
)
from warehouse.upsert import articles
from warehouse.upsert.observations import check_row

LEASE_WAIT_SECONDS = 300.0
"""How long to wait for a sync of the source."""


def replay_quarantine(
    settings: Settings,
    *,
    reason: str | None = None,
    source: str | None = None,
    only: str | None = None,
    notify: Notify,
    progress: OnProgress,
) -> RunReport:
    """Try every open failure again, in this process; it needs no Prefect.

    Args:
        settings: Where the warehouse is, and the sources.
        reason: Only failures of this kind (``layout_changed``).
        source: Only failures of this source.
        only: One failure by its id, or the beginning of it.
        notify: Told about waits.
        progress: Told how far it is.

    Raises:
        ConfigurationError: There is no such source.
        SourceBusy: A run of a source does not end.
        WarehouseError: There is none, it could not be written, or no failure has that id.
    """
    if source is not None and source not in settings.sources:
        settings.source(source)
    if not settings.warehouse.path.exists():
        raise missing_error(settings.warehouse.path)
    stop = threading.Event()
    environment = RunEnvironment(stop=stop, on_progress=progress, notify=notify)
    with use_environment(environment), graceful_shutdown(stop, notify):
        run = CheckpointedRun("replay", settings, ())
        with run:
            for slug in _sources_of(run, reason, source, only):
                with suppress(Interrupted):
                    _replay_source(run, slug, reason, only)
                if run.is_stopping:
                    break
            report = run.finish()
            run.publish()
    return report


def _sources_of(
    run: CheckpointedRun, reason: str | None, source: str | None, only: str | None
) -> list[str]:
    return list(dict.fromkeys(one.row.source for one in _wanted(run, reason, source, only)))


def _wanted(
    run: CheckpointedRun, reason: str | None, source: str | None, only: str | None
) -> list[QuarantineEntry]:
    with run.reading() as store:
        if only is not None:
            return [quarantine.get(store, only)]
        return quarantine.open_failures(store, reason=reason, source=source)


def _replay_source(run: CheckpointedRun, slug: str, reason: str | None, only: str | None) -> None:
    started, stats = time.monotonic(), run.stats_of(slug)
    with run.writing() as store:
        run.begin_sources(store)
    with locks.acquire(
        run.settings, slug, flow="replay", run_id=run.id,
        wait_seconds=LEASE_WAIT_SECONDS, notify=run.environment.notify, stop=run.environment.stop,
    ):  # fmt: skip
        # Looked up with the lease: a sync may have resolved some meanwhile, or kept a newer page.
        failures = _wanted(run, reason, slug, only)
        stats.add(discovered=len(failures))
        if posts := [one for one in failures if one.row.channel == IMPORTED]:
            _replay_posts(run, slug, posts)
        if pages := [one for one in failures if one.row.channel != IMPORTED]:
            _replay_pages(run, slug, pages)
        with run.reading() as store:
            left = quarantine.open_ids(store, [one.quarantine_id for one in failures])
    stats.seconds = time.monotonic() - started
    stats.warnings.append(f"{len(failures) - len(left)} of {len(failures)} resolved")
    run.environment.on_progress(slug, len(failures), len(failures))


# --- imported posts --------------------------------------------------------------------


def _replay_posts(run: CheckpointedRun, slug: str, posts: Sequence[QuarantineEntry]) -> None:
    rows: list[ArticleRow] = []
    bad: list[NewQuarantineEntry] = []
    done: list[str] = []
    for one in posts:
        path, data, at = one.row.url, one.row.page, one.row.fetched_at
        try:
            post = read_post(data, path, source=slug)
            own = StoredPost(dialect=post.dialect, path=post.path, data=post.data)
            row = bridge.article_row(post.article, channel=IMPORTED, seen_at=at, post=own)
            check_row(row)
        except (ParseError, BadRow) as error:
            run.stats_of(slug).quarantine(f"{path}: {error}")
            bad.append(bridge.post_failure(slug, path, data, error, at))
        else:
            run.stats_of(slug).add(fetched=1)
            rows.append(row)
            done.append(one.quarantine_id)
    with run.writing() as store:
        for row in rows:
            run.stats_of(row.source)
        run.begin_sources(store)
        upserted = articles.upsert_articles(store, rows, run_id=run.id)
        quarantine.put(store, bad, run_id=run.id)
        quarantine.resolve(store, run_id=run.id, quarantine_ids=done)
        for name, stats in run.stats.items():
            stats.add(**upsert_counts(upserted.get(name, UpsertCounts())))
            runs.add_counters(store, run.id, name, Counters(**stats.uncounted()))
            stats.mark_counted()


# --- pages, lines and listings ---------------------------------------------------------


def _replay_pages(run: CheckpointedRun, slug: str, failures: Sequence[QuarantineEntry]) -> None:
    try:
        source = run.settings.source(slug)
    except ConfigurationError as error:
        run.stats_of(slug).fail(f"{len(failures)} stay where they are: {error}")
        return
    _replay_articles(run, source, [one for one in failures if one.row.article_id is not None])
    lines: dict[tuple[str, datetime], list[QuarantineEntry]] = defaultdict(list)
    for one in failures:
        if one.row.article_id is None:
            url = one.row.url or json.loads(one.row.facts or "{}").get("listing", "")
            lines[url, one.row.fetched_at].append(one)
    listings = listing_pages(source) if lines else {}
    for (url, at), of_listing in lines.items():
        if run.is_stopping:  # what is not fetched any more is not mended
            break
        try:
            _replay_listing(run, source, listings.get(url), url, at, of_listing)
        except (ParseError, ArchiveError) as error:
            for _ in of_listing:
                run.stats_of(slug).quarantine(f"listing {url}: {error}")


def _replay_articles(
    run: CheckpointedRun, source: Source, failures: Sequence[QuarantineEntry]
) -> None:
    """Article pages: all that a replay needs lies in the quarantine."""
    batch = Batch()
    for one in failures:
        entry = bridge.entry_from_json(one.row.facts)
        if entry is None:
            run.stats_of(source.slug).quarantine(
                f"{one.row.url}: its line of a listing is not kept"
            )
            continue
        try:
            batch.pages.append(FetchedPage(entry, _page(source, one.row, entry)))
        except ParseError as error:
            run.stats_of(source.slug).quarantine(str(error))
    run.stats_of(source.slug).add(fetched=len(batch.pages))
    bodies = {(one.row.article_id, one.row.url): one.row for one in failures}
    steps.parse(run, source, batch)
    batch.failures = [
        _with_page(bad, bodies.get((bad.article_id, bad.url))) for bad in batch.failures
    ]
    steps.load(run, source, batch)


def _resolve(store: object, run_id: str, ids: Sequence[str]) -> None:
    quarantine.resolve(store, run_id=run_id, quarantine_ids=ids)  # type: ignore[arg-type]


def _with_page(bad: NewQuarantineEntry, before: NewQuarantineEntry | None) -> NewQuarantineEntry:
    """A failure that is one again keeps its page."""
    if before is None:
        return bad
    return replace(
        bad, page=before.page, page_more=before.page_more, content_type=before.content_type
    )


def _page(source: Source, row: NewQuarantineEntry, entry: Entry) -> Page:
    if entry.content is not None:
        return Page(url=entry.url, text="", fetched_at=row.fetched_at, entry=entry)
    decoded = decode(row.page, row.content_type)
    first = Page(
        url=entry.url,
        final_url=entry.url,
        text=decoded.text,
        fetched_at=row.fetched_at,
        encoding=decoded.encoding,
        replacement_count=decoded.replacement_count,
        entry=entry,
    )
    if not row.page_more:
        return first
    urls = registry.next_pages(source, first)
    parts = [part.decode("utf-8", "surrogatepass") for part in row.page_more]
    return replace(
        first,
        next_pages=tuple(
            Page(url=url, text=text, fetched_at=row.fetched_at)
            for url, text in zip(urls, parts, strict=False)
        ),
    )


def _replay_listing(
    run: CheckpointedRun,
    source: Source,
    listing: Listing | None,
    url: str,
    at: datetime,
    failures: Sequence[QuarantineEntry],
) -> None:
    """A listing, or lines of it: what they target to now, and is not stored, is fetched.

    Raises:
        ParseError: It still cannot be read.
        ArchiveError: It is archived no more.
    """
    if listing is None:
        raise ArchiveError("it is none of the source's listings now; it stays for the record")
    page = _listing_page(run, url, at, failures)
    lines = registry.entries(source, listing, page)
    still = {
        line.raw.encode("utf-8", "surrogatepass"): line
        for line in lines
        if isinstance(line, BadEntry)
    }
    good = [line for line in lines if isinstance(line, Entry)]
    ids = [f"{source.slug}:{line.source_article_id}" for line in good]
    with run.reading() as store:
        known = not_modified.stored_ids(store, ids)
    new = [line for line in good if f"{source.slug}:{line.source_article_id}" not in known]
    stats = run.stats_of(source.slug)
    failed = stats.counts["failed"]
    batch = steps.fetch(run, source, Batch(FetchTarget(line, page) for line in new))
    batch = steps.parse(run, source, batch)
    mended = []
    for one in failures:
        line = still.get(one.row.page)
        if line is not None:
            stats.quarantine(f"{line.channel}: {line.error}")
            batch.failures.append(bridge.entry_failure(source, url, line, at))
        elif stats.counts["failed"] == failed and not run.is_stopping:
            mended.append(one.quarantine_id)
    run.along(lambda store: _resolve(store, run.id, mended))
    steps.load(run, source, batch)


def _listing_page(
    run: CheckpointedRun, url: str, at: datetime, failures: Sequence[QuarantineEntry]
) -> Page:
    row = failures[0].row
    if row.url:
        decoded = decode(row.page, row.content_type)
        return Page(url=url, final_url=url, text=decoded.text, fetched_at=at)
    with run.reading() as store:
        found = archived_fetches.page_at(store, url, at)
    if found is None:
        raise ArchiveError("it is archived no more; the next sync reads the listing anew")
    folder = run.settings.archive.path
    fetched = read_response(folder, found.archive_file, found.archive_offset, url)
    return replace(decode_page(fetched, None), fetched_at=at)
