"""The sync of one source: discover, then fetch, parse and load, batch after batch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context

from flows.errors import Interrupted
from flows.pipeline import fetch_chunk, load, locks, steps
from flows.pipeline.batch import Batch, FetchTarget
from flows.pipeline.discover import discover
from flows.pipeline.gone import GoneEntries
from flows.pipeline.run import RunContext
from flows.pipeline.run_log import Stopwatch, logger
from flows.text import pluralize
from parsers.model import Source
from warehouse.records import not_modified

MAX_SOURCES_AT_ONCE = 32
"""Sources that wait for the warehouse together are read and stored together (``Combiner``)."""

LOCK_TIMEOUT_SECONDS = 900.0
"""How long a sync waits for another run. A chunk of a backfill takes up to 300 seconds."""


def sync_sources(run: RunContext, slugs: Sequence[str]) -> list[BaseException]:
    """Sync some sources in threads; return the errors that ended any of them."""
    with ThreadPoolExecutor(MAX_SOURCES_AT_ONCE, "copydesk-source") as pool:
        # Each thread needs a context of its own, for the run environment.
        futures = [pool.submit(copy_context().run, sync_source, run, slug) for slug in slugs]
        found = [future.exception() for future in futures]
    return [error for error in found if error is not None]


def sync_source(run: RunContext, slug: str) -> None:
    """Sync one source with its lock; a locked source is counted, not raised."""
    if run.is_dry:
        _sync_timed(run, slug)
        return
    owner = locks.lock_owner(run.settings, slug)
    # A person gets an error at once when another sync runs; a scheduled run waits for it.
    waits = run.trigger == "schedule" or (owner is not None and owner.flow != "sync")
    try:
        lock = locks.acquire(
            run.settings,
            slug,
            flow="sync",
            run_id=run.id,
            wait_seconds=LOCK_TIMEOUT_SECONDS if waits else 0.0,
            notify=run.environment.notify,
            stop=run.environment.stop,
        )
        with lock, run.hosts.held(slug):
            _sync_timed(run, slug)
    except Interrupted:
        return
    except locks.SourceLocked as error:
        stats = run.stats[slug]
        stats.is_broken = stats.is_locked = True
        stats.add_error(str(error).removeprefix(f"{slug}: "))


def _sync_timed(run: RunContext, slug: str) -> None:
    started, stats = time.monotonic(), run.stats[slug]
    try:
        _sync(run, run.settings.source(slug))
    except Exception as error:
        stats.is_broken = True
        stats.add_error(f"{type(error).__name__}: {error}")
        raise
    finally:
        stats.seconds = time.monotonic() - started


def _sync(run: RunContext, source: Source) -> None:
    """Discover, then batch after batch, so that memory holds one batch."""
    slug, stats, watch = source.slug, run.stats[source.slug], Stopwatch()
    found = discover(run, source)
    total = len(found.targets)
    unchanged = stats.counts["not_modified"]
    logger.info(
        "%s: %s listed in %.1f s; %s not modified, %d could not be read; %d to fetch, %d later",
        slug, pluralize(found.listed_count, "entry", "entries"), watch.lap(),
        pluralize(unchanged, "listing"), found.unread_count, total, found.late_count,
    )  # fmt: skip
    if run.is_dry:
        _list_new(run, source, found.targets)
        return
    batches, planned, done = found.batches(run.settings.run.batch_size), 0, 0
    still_open: set[str] = set()
    for number, batch in enumerate(batches, 1):
        planned += len(batch.targets)
        is_last = number == len(batches)
        batch.open_channels |= still_open
        has_pages = any(one.entry.content is None for one in batch.targets)
        with run.page_batches if has_pages else nullcontext():
            done += _sync_batch(run, source, batch, f"{slug} {number}/{len(batches)}", is_last)
        still_open |= batch.open_channels
        run.environment.on_progress(slug, done, total)
        if run.is_stopping:
            stats.add(skipped=total - planned)
            if batch is not batches[-1]:
                load.load(run, source, found.failures())
            return
    stats.is_done = True


def _list_new(run: RunContext, source: Source, targets: Sequence[FetchTarget]) -> None:
    """List what a run would fetch for the first time; count what it would ask for again."""
    stats = run.stats[source.slug]
    ids = [f"{source.slug}:{one.entry.source_article_id}" for one in targets]
    with run.reading() as db:
        known = not_modified.stored_ids(db, ids)
    is_due = {id(one) for one in GoneEntries(run, source, targets).due}
    for target, article_id in zip(targets, ids, strict=True):
        if article_id not in known and id(target) in is_due:
            stats.warnings.append(f"would fetch {target.entry.url}")
    if known:
        stats.warnings.append(f"would fetch again {pluralize(len(known), 'stored article')}")
    stats.add(skipped=len(targets))


def _sync_batch(run: RunContext, source: Source, batch: Batch, name: str, is_last: bool) -> int:
    """Sync some entries; return how many were handled. Ctrl-C leaves some out."""
    stats, watch, planned = run.stats[source.slug], Stopwatch(), len(batch.targets)
    before = stats.counts["skipped"]
    batch = fetch_chunk.fetch(run, source, batch)
    left = stats.counts["skipped"] - before if run.is_stopping else 0
    entry_count, page_count, fetch_seconds = len(batch.targets), len(batch.pages), watch.lap()
    batch = steps.parse(run, source, batch)
    article_count, parse_seconds = len(batch.articles), watch.lap()
    batch.drop_listing_validators()
    load.load(run, source, batch, is_last=is_last)
    if entry_count:
        logger.info(
            "%s: of %s %d fetched in %.1f s, %d parsed in %.1f s, stored in %.1f s",
            name, pluralize(entry_count, "entry", "entries"), page_count, fetch_seconds,
            article_count, parse_seconds, watch.lap(),
        )  # fmt: skip
    return planned - left
