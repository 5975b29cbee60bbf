"""The Prefect task over the plain steps: what the Prefect UI shows of a source in a run.

One task run a source, never one a page or a step: a task run costs the server's database
its events, 28 KB in Prefect's own words (five a small source made 228 KB a run) and 13 in
what ``flows.serving.thrift`` leaves of them. How far a source is, and what each step took,
is told in the run's log instead, at a third of a kilobyte a line.

Nothing is cached, persisted or retried by Prefect: retries live in ``flows.fetch``, and
pages stay in memory. Runs have tags, task runs have none: for each tag Prefect asks its
server for a concurrency slot before the task may begin, which was measured at two seconds
a task.
"""

from __future__ import annotations

import time
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.errors import Interrupted
from flows.pipeline import discover, locks, steps
from flows.pipeline.batch import Batch
from flows.pipeline.run import RunContext
from flows.pipeline.run_log import Clock, log
from flows.serving.claims import is_deployed
from flows.text import pluralize
from parsers.model import Source


@task(name="source", cache_policy=NO_CACHE, persist_result=False, retries=0)
def sync_source(run: RunContext, slug: str) -> None:
    """Everything of one source, unless another run is at it; told, not raised."""
    if run.is_dry:
        _sync_source(run, slug)
        return
    is_attended = not is_deployed()
    try:
        with locks.acquire_for_sync(
            run.settings,
            slug,
            run_id=run.id,
            is_attended=is_attended,
            notify=run.environment.notify if is_attended else log,
            stop=run.environment.stop,
        ):
            _sync_source(run, slug)
    except Interrupted:
        return
    except locks.SourceLocked as error:
        run.stats[slug].is_broken = run.stats[slug].is_locked = True
        run.stats[slug].problems.append(str(error).removeprefix(f"{slug}: "))


def _sync_source(run: RunContext, slug: str) -> None:
    started, tally = time.monotonic(), run.stats[slug]
    try:
        _do_steps(run, run.settings.source(slug))
    except Exception as error:
        tally.is_broken = True
        tally.problems.append(f"{type(error).__name__}: {error}")
        raise
    finally:
        tally.seconds = time.monotonic() - started


def _do_steps(run: RunContext, source: Source) -> None:
    """Discover, then batch after batch, so that memory holds one batch."""
    slug, tally, clock = source.slug, run.stats[source.slug], Clock()
    found = discover.discover(run, source)
    unread = pluralize(found.unread, "listing")
    log(
        f"{slug}: {pluralize(len(found.leads), 'entry', 'entries')} listed in {clock.lap():.1f} s"
        + (f"; {unread} could not be read" if found.unread else "")
    )
    if run.is_dry:
        tally.notes += [f"would fetch {lead.entry.url}" for lead in found.leads]
        return
    batches, done = found.batches(run.settings.run.batch_size), 0
    for number, batch in enumerate(batches, 1):
        done += len(batch.leads)
        _do_batch(run, source, batch, f"{slug} {number}/{len(batches)}")
        run.environment.progress(slug, done, len(found.leads))
        if run.is_stopping:
            if batch is not batches[-1]:
                steps.load(run, source, found.failures())
            return
    tally.is_done = True


def _do_batch(run: RunContext, source: Source, batch: Batch, which: str) -> None:
    """Fetch, parse, upsert."""
    clock = Clock()
    entries = len(batch.leads)
    batch = steps.fetch(run, source, batch)
    fetched, fetching = len(batch.pages), clock.lap()
    batch = steps.parse(run, source, batch)
    articles, reading = len(batch.rows), clock.lap()
    steps.load(run, source, batch)
    if entries:
        log(
            f"{which}: of {pluralize(entries, 'entry', 'entries')} {fetched} fetched in {fetching:.1f} s, "
            f"{articles} read in {reading:.1f} s, stored in {clock.lap():.1f} s"
        )


def named(step: Any, name: str) -> Any:
    """The task, its run called so in the Prefect UI."""
    return step.with_options(task_run_name=name)
