"""The sync of one source: discover, then fetch, parse and load, batch after batch."""

from __future__ import annotations

import time

from flows.errors import Interrupted
from flows.pipeline import locks, steps
from flows.pipeline.batch import Batch
from flows.pipeline.discover import discover
from flows.pipeline.run import RunContext
from flows.pipeline.run_log import Stopwatch, logger
from flows.text import pluralize
from parsers.model import Source

LOCK_TIMEOUT_SECONDS = 900.0
"""How long a sync waits for another run. A chunk of a backfill takes up to 300 seconds."""


def sync_source(run: RunContext, slug: str) -> None:
    """Sync one source with its lock; a locked source is counted, not raised."""
    if run.is_dry:
        _sync_timed(run, slug)
        return
    owner = locks.lock_owner(run.settings, slug)
    # A person gets an error at once when another sync runs; a scheduled run waits for it.
    waits = run.trigger == "schedule" or (owner is not None and owner.flow != "sync")
    try:
        with locks.acquire(
            run.settings,
            slug,
            flow="sync",
            run_id=run.id,
            wait_seconds=LOCK_TIMEOUT_SECONDS if waits else 0.0,
            notify=run.environment.notify,
            stop=run.environment.stop,
        ):
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
    logger.info(
        "%s: %s listed in %.1f s, %s could not be read",
        slug, pluralize(total, "entry", "entries"), watch.lap(),
        pluralize(found.unread_count, "listing"),
    )  # fmt: skip
    if run.is_dry:
        stats.warnings += [f"would fetch {target.entry.url}" for target in found.targets]
        stats.add(skipped=total)
        return
    batches, done = found.batches(run.settings.run.batch_size), 0
    for number, batch in enumerate(batches, 1):
        done += len(batch.targets)
        _sync_batch(run, source, batch, f"{slug} {number}/{len(batches)}")
        run.environment.on_progress(slug, done, total)
        if run.is_stopping:
            stats.add(skipped=total - done)
            if batch is not batches[-1]:
                steps.load(run, source, found.failures())
            return
    stats.is_done = True


def _sync_batch(run: RunContext, source: Source, batch: Batch, name: str) -> None:
    watch = Stopwatch()
    batch = steps.fetch(run, source, batch)
    entry_count, page_count, fetch_seconds = len(batch.targets), len(batch.pages), watch.lap()
    batch = steps.parse(run, source, batch)
    article_count, parse_seconds = len(batch.articles), watch.lap()
    steps.load(run, source, batch)
    if entry_count:
        logger.info(
            "%s: of %s %d fetched in %.1f s, %d parsed in %.1f s, stored in %.1f s",
            name, pluralize(entry_count, "entry", "entries"), page_count, fetch_seconds,
            article_count, parse_seconds, watch.lap(),
        )  # fmt: skip
